"""What became of a run: counts a stream, the accounting law, the exit code.

The law: received = accepted + rejected + duplicates + unchanged + skipped + unconfirmed. It holds
by construction, because `unconfirmed` is what has no other verdict.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_omnisend.errors import ExitCode, RunFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

THROUGHPUT_SECONDS = 10
"""Width of the slots in which accepted contacts are counted."""


@dataclass(slots=True)
class StreamCounts:
    """Verdicts of one stream's records.

    `sent` counts contacts that Omnisend has taken in a batch, each once, whatever became of them.
    `created` and `updated` count those accepted whose batch told which; Omnisend tells it
    only where items are read one by one. `skipped` counts those for which there is nothing to do.
    """

    received: int = 0
    accepted: int = 0
    created: int = 0
    updated: int = 0
    rejected: int = 0
    duplicates: int = 0
    unchanged: int = 0
    skipped: int = 0
    tagged: int = 0
    removed: int = 0
    sent: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)

    @property
    def unconfirmed(self) -> int:
        """Records that have no other verdict."""
        settled = self.accepted + self.rejected + self.duplicates + self.unchanged + self.skipped
        return self.received - settled

    def reject(self, code: str) -> None:
        """Count a refused record."""
        self.rejected += 1
        self.rejections[code] += 1

    def leave_out(self, values: Iterable[tuple[str, str]]) -> None:
        """Count values that were left out or altered, each by code and column."""
        for code, _ in values:
            self.warnings[code] += 1

    def numbers(self) -> dict[str, int]:
        """The counts as the report shows them."""
        names = ("received", "accepted", "created", "updated", "rejected", "duplicates")
        more = ("unchanged", "skipped", "unconfirmed", "tagged", "removed")
        return {name: getattr(self, name) for name in (*names, *more)} | {
            "warnings": self.warnings.total()
        }


@dataclass(slots=True)
class Outcome:
    """Counts by stream, and what ended the run early, if anything did."""

    max_rejected_percent: float = 100.0
    streams: dict[str, StreamCounts] = field(default_factory=dict)
    failure: RunFailed | None = None
    stopped_by: int | None = None
    lost_batches: list[str] = field(default_factory=list)
    throughput: list[int] = field(default_factory=list)

    def accept(self, counts: StreamCounts, contacts: int, seconds: float) -> None:
        """Count accepted contacts, so many seconds after the start."""
        counts.accepted += contacts
        slots = int(seconds // THROUGHPUT_SECONDS) + 1
        self.throughput.extend([0] * (slots - len(self.throughput)))
        self.throughput[slots - 1] += contacts

    def stream(self, name: str) -> StreamCounts:
        """The counts of a stream, made at its first mention."""
        return self.streams.setdefault(name, StreamCounts())

    def total(self) -> StreamCounts:
        """All streams in one."""
        total = StreamCounts()
        for counts in list(self.streams.values()):
            for name in StreamCounts.__slots__:
                setattr(total, name, getattr(total, name) + getattr(counts, name))
        return total

    def too_many_rejected(self, percent: float | None = None) -> bool:
        """Whether more were refused than the operator accepts; never before 100 were read.

        `percent` stands in for `max_rejected_percent`.
        """
        allowed = self.max_rejected_percent if percent is None else percent
        streams = list(self.streams.values())  # at once: the reader may add one meanwhile
        received = sum(counts.received for counts in streams)
        rejected = sum(counts.rejected for counts in streams)
        return received >= 100 and rejected * 100 > received * allowed

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        if self.stopped_by is not None:
            return 128 + self.stopped_by
        if self.failure is not None:
            return self.failure.exit_code
        if self.too_many_rejected():
            return ExitCode.REJECTED
        # A lost batch may hold nobody but leavers, of whom there are no records.
        lost = self.total().unconfirmed or self.lost_batches
        return ExitCode.UNCONFIRMED if lost else ExitCode.DONE
