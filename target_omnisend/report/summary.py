"""The last lines of a run: what happened, in a sentence each."""

from __future__ import annotations

import typing as t

from target_omnisend.errors import ExitCode
from target_omnisend.report.codes import EXITS

if t.TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from target_omnisend.delivery.outcome import Outcome, StreamCounts
    from target_omnisend.output.rejected import Where

_OTHERS: t.Final = (
    *("rejected", "duplicates", "unchanged", "skipped", "removed", "not_removed"),
    *("unconfirmed", "not_sent", "retried"),
)
"""Counts of the last line that it names only when they are not 0."""


def by_stream(outcome: Outcome) -> Iterator[tuple[str, str, dict[str, dict[str, int]]]]:
    """What was rejected and what was left out, by code, for each stream where something was.

    The stream, the sentence, and the counts as fields.
    """
    for name, counts in outcome.streams.items():
        for what, field, codes in (
            ("rejected", "rejections", counts.rejections),
            ("left out", "warnings", counts.warnings),
        ):
            if codes:
                yield name, f"Stream '{name}': {what}: {by_code(codes)}.", {field: dict(codes)}


def in_all(outcome: Outcome, *, rejects: Where | None, report: str | None) -> str:
    """What happened in the whole run, where rejects and report are, and what to do next."""
    clauses = [counted(outcome.total()), f"exit code {outcome.exit_code}", *_what_next(outcome)]
    if rejects:
        clauses.append(f"rejected records are in {rejects.place}, {rejects.clause}")
    if report:
        clauses.append(f"the report is {report}")
    return f"{'; '.join(clauses)}."


def counted(total: StreamCounts) -> str:
    """`400 received, 380 accepted, 10 rejected`, by the words of the report."""
    others = {name.replace("_", " "): getattr(total, name) for name in _OTHERS}
    others["left out"] = total.warnings.total()
    parts = [f"{total.received} received", f"{total.accepted} accepted"]
    return ", ".join([*parts, *(f"{number} {what}" for what, number in others.items() if number)])


def fields(outcome: Outcome) -> dict[str, t.Any]:
    """What `in_all` says, as the fields of a log line, by their names in the report.

    The counts are one field, because a log line has a field `created` of its own.
    """
    streams = {name: counts.reported() for name, counts in outcome.streams.items()}
    counts = outcome.total().reported()
    return {"exit_code": int(outcome.exit_code), "counts": counts, "streams": streams}


def by_code(codes: Counter[str]) -> str:
    """`20 email_missing, 10 email_invalid`."""
    return ", ".join(f"{count} {code}" for code, count in codes.most_common())


def _what_next(outcome: Outcome) -> list[str]:
    if outcome.stopped_by is not None:
        return ["stopped by a signal, run again: it continues from the last state"]
    if outcome.failure is not None:
        return [outcome.failure.sentence.removesuffix(".")]
    if not outcome.exit_code:
        return []
    if outcome.exit_code == ExitCode.UNCONFIRMED and not outcome.has_open_ends:
        missing = f"{outcome.missing} members are missing in Omnisend and the ledger forgot them"
        return [missing, "run again over all of the source to send them"]
    code = EXITS[str(int(outcome.exit_code))]
    return [_clause(code.cause), _clause(code.cure)]


def _clause(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:].removesuffix(".").replace("`", "")
