"""The last lines of a run: what happened, in a sentence each."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from target_omnisend.outcome import Outcome, StreamCounts


def by_stream(outcome: Outcome) -> Iterator[str]:
    """What was refused and what was left out, by code, for each stream where something was."""
    for name, counts in outcome.streams.items():
        for what, codes in (("refused", counts.rejections), ("left out", counts.warnings)):
            if codes:
                yield f"Stream '{name}': {what}: {_by_code(codes)}."


def in_all(outcome: Outcome, rejects: Path | None) -> str:
    """The counts of the whole run, and where the refused records are."""
    total = outcome.total()
    parts = [f"{total.received} read", f"{total.accepted} accepted"]
    parts += [f"{n} {what}" for n, what in _others(total) if n]
    where = f" Refused records: {rejects}." if rejects else ""
    return f"{', '.join(parts)}; exit code {outcome.exit_code}.{where}"


def _by_code(codes: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in codes.most_common())


def _others(total: StreamCounts) -> list[tuple[int, str]]:
    return [
        (total.rejected, "refused"),
        (total.duplicates, "duplicates merged"),
        (total.unchanged, "unchanged"),
        (total.removed, "removed"),
        (total.unconfirmed, "unconfirmed"),
        (total.warnings.total(), "values left out"),
    ]
