"""How a run went, in a few plain words for the top of the report's page."""

from __future__ import annotations

import typing as t

from target_omnisend.errors import ExitCode
from target_omnisend.report.history import is_as_before

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GOOD, ATTENTION, FAILED = "good", "attention", "failed"
WORDS: t.Final = {GOOD: "Good", ATTENTION: "Needs attention", FAILED: "Failed"}

OUTCOMES: t.Final = {
    ExitCode.DONE: "done",
    ExitCode.REJECTED: "too many records were rejected",
    ExitCode.UNCONFIRMED: "some records are unconfirmed",
}
"""What the report says of a run that came to its end."""

STOPPED: t.Final = "stopped"
MISSING: t.Final = "some members are missing in Omnisend"


class Verdict(t.NamedTuple):
    """What stands at the top of the page.

    Attributes:
        level: `good`, `attention` or `failed`.
        title: what happened, in a few words.
        text: the same with its numbers and reason.
    """

    level: str
    title: str
    text: list[str]

    @property
    def word(self) -> str:
        """The level as a reader sees it."""
        return WORDS[self.level]


_ENDED_EARLY: t.Final = {
    ExitCode.REJECTED: (FAILED, "Too many records were rejected"),
    ExitCode.UNCONFIRMED: (ATTENTION, "Some records are not confirmed"),
    ExitCode.GUARD: (ATTENTION, "A large change was held back"),
    ExitCode.READ_BACK: (FAILED, "Omnisend did something else than it was asked for"),
}


def verdict(report: Mapping[str, t.Any]) -> Verdict:
    """How the run went."""
    run, looks = report["run"], report["verification"]
    level, title = _judged(report)
    if run["outcome"] == MISSING:
        title = "Some members are missing in Omnisend"
    elif looks and not (run["exit_code"] or report["totals"]["received"]):
        level, title = GOOD, "Done: all members are in Omnisend"
    reason = [] if run["outcome"] in {STOPPED, MISSING, *OUTCOMES.values()} else [run["outcome"]]
    sentences = [*reason, *_numbers(report), *_looks(looks), *_proof(report["looks"])]
    return Verdict(level, title, sentences)


def _judged(report: Mapping[str, t.Any]) -> tuple[str, str]:
    code, totals = report["run"]["exit_code"], report["totals"]
    if code >= 128:
        return ATTENTION, "The run was stopped before its end"
    if code:
        return _ENDED_EARLY.get(ExitCode(code), (FAILED, "The run failed"))
    return _judged_done(report, totals)


def _judged_done(report: Mapping[str, t.Any], totals: Mapping[str, int]) -> tuple[str, str]:
    if totals["rejected"]:
        rejected = f"{_count(totals['rejected'], 'record was', 'records were')} rejected"
        if is_as_before(report):
            return GOOD, f"Done; {rejected}, as in the run before"
        return ATTENTION, f"Done, but {rejected}"
    if totals["received"]:
        return GOOD, _all_done(totals)
    if totals["removed"]:
        return GOOD, "Done: memberships were taken back"
    if report["run"]["command"] == "retire":
        return GOOD, "Done: the segment has no members to take back"
    return ATTENTION, "Done, but the source sent no records"


def _all_done(totals: Mapping[str, int]) -> str:
    if totals["skipped"]:
        return "Done: Omnisend has all that was to be sent"
    if totals["unchanged"] and not totals["accepted"]:
        return "Done: all contacts are in Omnisend, and none has changed"
    return "Done: all contacts are in Omnisend"


def _numbers(report: Mapping[str, t.Any]) -> list[str]:
    totals, sentences = report["totals"], []
    if totals["received"]:
        sentences.append(
            f"{_count(totals['received'], 'record', 'records')} came in. {_arrived(totals)}"
        )
    elif report["run"]["exit_code"] and report["run"]["command"] == "export":
        sentences.append("The run ended before any record came in.")
    elif report["run"]["command"] == "export":
        sentences.append("No records came in.")
    if totals["removed"]:
        sentences.append(
            f"{_count(totals['removed'], 'person', 'people')} lost the membership and nothing else."
        )
    return sentences


def _arrived(totals: Mapping[str, int]) -> str:
    accepted = f"Omnisend accepted {totals['accepted']:,} of them"
    if not totals["unchanged"]:
        return f"{accepted}."
    if not totals["accepted"]:
        number = "all" if totals["unchanged"] == totals["received"] else f"{totals['unchanged']:,}"
        return f"Omnisend has {number} of them already, just as they are."
    return f"{accepted}, and has {totals['unchanged']:,} already, just as they are."


def _looks(looks: Mapping[str, t.Any]) -> Iterator[str]:
    for name, found in looks.items():
        yield (
            f"Segment '{name}' in Omnisend: {found['right']:,} members right, "
            f"{found['missing']:,} missing, {found['extra']:,} extra."
        )


def _proof(looks: Mapping[str, t.Any]) -> Iterator[str]:
    """What the looks before and after a batch have shown."""
    if looks["proven"] and not looks["wrong"]:
        remembered = " An earlier run proved the same." if looks["remembered"] else ""
        yield (
            f"Consent: {_count(looks['looked_at'], 'person', 'people')} looked at before and "
            f"after, none changed.{remembered}"
        )
    elif looks["not_proven"] and not looks["wrong"]:
        yield f"Consent: not proven, because {looks['not_proven']}."


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
