"""What to do after a run, in plain sentences."""

from __future__ import annotations

import typing as t
from shlex import quote

from target_omnisend.report.codes import EXITS, REJECTIONS, WARNINGS
from target_omnisend.report.losses import losses

if t.TYPE_CHECKING:
    from pathlib import Path

    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.output.rejected import Where
    from target_omnisend.report.codes import Code


def what_next(
    outcome: Outcome,
    rejects: Where | None,
    rejects_table: Path | None = None,
    loader: str | None = None,
) -> list[str]:
    """The cure of how the run ended, of each loss and each rejection, and how to send again.

    `loader` is the name by which Meltano started the run.
    """
    total = outcome.total()
    steps = []
    if outcome.exit_code:
        steps.append(exit_of(outcome.exit_code).cure)
    elif not total.received and not total.removed and not outcome.verifications:
        steps.append("If you expected people, look at the source: it gave no records.")
    steps += losses(outcome)
    steps += [
        f"{_records(count)} rejected: {_explained(code, REJECTIONS[code])}"
        for code, count in total.rejections.most_common()
        if code in REJECTIONS
    ]
    if total.rejected and rejects:
        steps.append(_send_again(rejects, rejects_table, loader))
    steps += [
        f"{_values(count)} left out or altered: {_explained(code, WARNINGS[code])}"
        for code, count in total.warnings.most_common()
        if code in WARNINGS
    ]
    return steps or ["Nothing is left to do."]


def _explained(code: str, meaning: Code) -> str:
    """Plain words first; the code stands at the end, to look for."""
    cause = meaning.cause[0].lower() + meaning.cause[1:]
    return f"{cause} {meaning.cure} (Code: `{code}`)"


def _records(count: int) -> str:
    return f"{count:,} {'record was' if count == 1 else 'records were'}"


def _values(count: int) -> str:
    return f"{count:,} {'value' if count == 1 else 'values'}"


def _send_again(rejects: Where, table: Path | None, loader: str | None) -> str:
    also = f", and as a table in `{table}`" if table else ""
    command, rest = "target-omnisend", " and the options of this run"
    if loader is not None:
        command, rest = f"meltano invoke {quote(loader)}", ""
    return (
        f"The rejected records are in `{rejects.place}`{also}. Correct the source, and the next "
        f"run sends them. Or, {rejects.step(command)}{rest}."
    )


def exit_of(code: int) -> Code:
    """What an exit code means; `130, 143` are of one row."""
    rows = {number: row for names, row in EXITS.items() for number in names.split(", ")}
    return rows[str(code)]
