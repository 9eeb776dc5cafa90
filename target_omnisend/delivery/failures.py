"""Failures that the verdicts themselves can end a run with, as sentences."""

from __future__ import annotations

import typing as t

from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from target_omnisend.api.answers import Answer
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


def mixed_modes(name: str, first: str, second: str) -> RunFailed:
    """The run's failure when a segment is to be mirrored for one of its streams alone."""
    one, other = sorted((first, second))
    return RunFailed(
        ExitCode.SETTINGS,
        f"Streams '{one}' and '{other}' of segment '{name}' have different 'sync_mode'; give all "
        "streams of a segment the same one.",
    )
