"""Failures that the verdicts themselves can end a run with, as sentences."""

from __future__ import annotations

import typing as t

from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_omnisend.api.answers import Answer
    from target_omnisend.delivery.looks import Person
    from target_omnisend.delivery.model import Segment
    from target_omnisend.delivery.outcome import Outcome, StreamCounts


def all_refused(reason: str) -> RunFailed:
    """The run's failure when Omnisend rejects each single item for the same reason."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"Omnisend rejects every contact for the same reason ({reason}); nothing more is sent. "
        "Check the plan's number of contacts, the API key's scopes and the mapping.",
    )


def no_longer_accepted(answer: Answer, total: StreamCounts) -> RunFailed:
    """The run's failure when Omnisend stops to accept the key; `total` is the run's until then."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"The access token has ended, or the API key was deleted ({answer.fault}); Omnisend had "
        f"confirmed {total.accepted} records and {total.removed} removals. Get a new token or "
        "key, then run again: the run continues from the last state.",
    )


def too_many(outcome: Outcome) -> RunFailed:
    """The run's failure when the share of rejected records is too high."""
    total = outcome.total()
    return RunFailed(
        ExitCode.REJECTED,
        f"{total.rejected} of {total.received} records are rejected, more than "
        f"max_rejected_percent ({outcome.max_rejected_percent:g} %) allows. Correct the "
        "records or the mapping, then run again.",
    )


def none_arrived(outcome: Outcome) -> RunFailed:
    """The run's failure when records are rejected and Omnisend has none of the others."""
    return RunFailed(
        ExitCode.REJECTED,
        f"Omnisend has none of the records ({outcome.total().rejected} rejected, none accepted or "
        "unchanged). No state was emitted. Correct the records or the mapping, then run again.",
    )


def too_many_leave(name: str, leaving: int, before: int, percent: float) -> RunFailed:
    """The run's failure when the guard holds a removal back."""
    return RunFailed(
        ExitCode.GUARD,
        f"{leaving} of the {before} members of segment '{name}' would lose the membership, more "
        f"than max_removed_percent ({percent:g} %) allows; the run ended before it removed them. "
        "Check the source; if it is right, run again with a higher max_removed_percent.",
    )


def too_many_new(new: int, limit: int, *, ended: bool, wrote: bool) -> RunFailed:
    """The run's failure when more people than allowed are not in Omnisend yet.

    `ended`: all people of the input were looked up; `wrote`: something was sent before.
    """
    least = "" if ended else "at least "
    done = "made no more than that" if wrote else "sent nothing"
    return RunFailed(
        ExitCode.GUARD,
        f"Too many people are new to Omnisend ({least}{new} people, max_new_contacts allows "
        f"{limit}); the run {done}. Check the source; if it is right, run again with a higher "
        "max_new_contacts.",
    )


def not_readable(fault: str, *, forbidden: bool) -> RunFailed:
    """The run's failure when Omnisend does not say which people it has."""
    if forbidden:
        return RunFailed(
            ExitCode.SETTINGS,
            f"The API key cannot read contacts ({fault}), so the run cannot know which people are "
            "new. Give it the scope contacts.read, or remove 'create_contacts' and "
            "'max_new_contacts'.",
        )
    return RunFailed(
        ExitCode.FAULT,
        f"Omnisend does not list its contacts ({fault}), so the run cannot know which people are "
        "new. Run again later, or remove 'create_contacts' and 'max_new_contacts'.",
    )


def mixed_modes(name: str, first: str, second: str) -> RunFailed:
    """The run's failure when a segment is to be mirrored for one of its streams alone."""
    one, other = sorted((first, second))
    return RunFailed(
        ExitCode.SETTINGS,
        f"Streams '{one}' and '{other}' of segment '{name}' have different 'sync_mode'; give all "
        "streams of a segment the same one.",
    )


def changed_by_omnisend(people: Sequence[Person]) -> RunFailed:
    """The run's failure when something changed that must stand still, for these people."""
    changes = {change for person in people for change in person.consents}
    statuses = sorted((was, now) for was, now in changes if was != now)
    lost = sorted({name for person in people for name in person.lost})
    number = sum(person.harmed for person in people)
    if changes:
        said = ", ".join(f"{was or 'no status'} became {now or 'none'}" for was, now in statuses)
        did = f"changed the consent ({said or 'its date'})"
        risk = "change the consent of every member"
    else:
        did, risk = f"removed what the mapping does not name ({', '.join(lost[:3])})", "remove more"
    return RunFailed(
        ExitCode.READ_BACK,
        f"Omnisend {did} of {number} of the {len(people)} people looked at before and after their "
        "batch, so the run ended. Ask Omnisend's support why. 'verify: off' goes on without a "
        f"look, and can {risk}.",
    )


def not_shown(segment: Segment, missing: int, seen: int) -> RunFailed:
    """The run's failure when Omnisend does not show a membership that it accepted."""
    mark = "tags" if segment.tags else f"property '{segment.property}'"
    twice = ", sent twice" if segment.tags else ""
    return RunFailed(
        ExitCode.READ_BACK,
        f"Omnisend accepted the {mark} of segment '{segment.name}'{twice}, and does not show it "
        f"for {missing} of the {seen} people looked at. Look at a contact in Omnisend, and ask its "
        "support. 'verify: off' goes on without a look, and can leave members out of the segment.",
    )
