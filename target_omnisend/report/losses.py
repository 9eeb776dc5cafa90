"""What a run lost that a glance at its counts would not show: each loss with its cure."""

from __future__ import annotations

import typing as t
from collections import Counter

from target_omnisend.report.codes import WARNINGS

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.delivery.outcome import Outcome, StreamCounts

_ALTERED: t.Final = frozenset({"country_unknown"})
"""Codes of values that are sent all the same."""


def lost_columns(outcome: Outcome, *, would: bool = False) -> list[tuple[str, str]]:
    """Stream and sentence for each column that lost more than half of its values."""
    verb = "would be left out" if would else "was left out"
    return [
        (name, f"Stream '{name}': {sentence}")
        for name, counts in list(outcome.streams.items())
        for sentence in _of_columns(counts, verb)
    ]


def losses(outcome: Outcome) -> list[str]:
    """A sentence for each loss of a run that is over."""
    columns = [sentence for _, sentence in lost_columns(outcome)]
    return [*outcome.losses, *columns, *_not_removed(outcome), *_missing(outcome)]


def _of_columns(counts: StreamCounts, verb: str) -> Iterator[str]:
    lost: dict[str, Counter[str]] = {}
    for (code, column), number in counts.left_out.items():
        if code not in _ALTERED:
            lost.setdefault(column, Counter())[code] += number
    for column, codes in lost.items():
        number, given = codes.total(), max(counts.given[column], codes.total())
        if number * 2 > given:
            code = codes.most_common(1)[0][0]
            cure = WARNINGS[code].cure if code in WARNINGS else ""
            yield f"column '{column}' {verb} of {number:,} of {given:,} records ({code}). {cure}"


def _missing(outcome: Outcome) -> Iterator[str]:
    for name, found in outcome.verifications.items():
        if found.missing:
            yield (
                f"Segment '{name}': {found.missing:,} of {found.right + found.missing:,} members "
                "are missing in Omnisend. The ledger forgot them; run over all of the source to "
                "send them again."
            )


def _not_removed(outcome: Outcome) -> Iterator[str]:
    for name, counts in outcome.streams.items():
        if counts.not_removed:
            yield (
                f"Stream '{name}': {counts.not_removed:,} members that left kept their "
                "membership, because Omnisend did not take it back. Run again: the ledger still "
                "knows them."
            )
