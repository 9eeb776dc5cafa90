"""How a run went, in a few plain words for the top of the report's page."""

from __future__ import annotations

import typing as t

from target_omnisend.errors import ExitCode

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
}


def verdict(report: Mapping[str, t.Any]) -> Verdict:
    """How the run went."""
    run, totals = report["run"], report["totals"]
    looks = report.get("verification", {})
    level, title = _judged(run["exit_code"], totals)
    if run["outcome"] == MISSING:
        title = "Some members are missing in Omnisend"
    elif looks and not (run["exit_code"] or totals["received"]):
        level, title = GOOD, "Done: all members are in Omnisend"
    reason = [] if run["outcome"] in {STOPPED, MISSING, *OUTCOMES.values()} else [run["outcome"]]
    return Verdict(level, title, [*reason, *_numbers(totals), *_looks(looks)])


def _judged(code: int, totals: Mapping[str, int]) -> tuple[str, str]:
    if code >= 128:
        return ATTENTION, "The run was stopped before its end"
    if code:
        return _ENDED_EARLY.get(ExitCode(code), (FAILED, "The run failed"))
    if totals["rejected"]:
        return (
            ATTENTION,
            f"Done, but {_count(totals['rejected'], 'record was', 'records were')} rejected",
        )
    if totals["received"]:
        return GOOD, "Done: all contacts are in Omnisend"
    if totals["removed"]:
        return GOOD, "Done: memberships were taken back"
    return ATTENTION, "Done, but the source sent no records"


def _numbers(totals: Mapping[str, int]) -> list[str]:
    sentences = []
    if totals["received"]:
        sentences.append(
            f"{_count(totals['received'], 'record', 'records')} came in; "
            f"{_count(totals['accepted'], 'was', 'were')} accepted by Omnisend."
        )
    else:
        sentences.append("No records came in.")
    if totals["removed"]:
        sentences.append(
            f"{_count(totals['removed'], 'person', 'people')} lost the membership and nothing else."
        )
    return sentences


def _looks(looks: Mapping[str, t.Any]) -> Iterator[str]:
    for name, found in looks.items():
        yield (
            f"Segment '{name}' in Omnisend: {found['right']:,} members right, "
            f"{found['missing']:,} missing, {found['extra']:,} extra."
        )


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
