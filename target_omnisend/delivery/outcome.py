"""The outcome of a run: counts a stream, the accounting law, the exit code.

The law: received = accepted + rejected + duplicates + unchanged + skipped + unconfirmed +
not_sent. It holds by construction, because `unconfirmed` counts all that have no other verdict.
"""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_omnisend.delivery.looks import Looks
from target_omnisend.errors import ExitCode, RunFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_omnisend.delivery.verification import Verification

THROUGHPUT_SECONDS = 10
"""Width of the slots in which accepted contacts are counted."""

FEWEST: t.Final = 100
"""Records of which at least so many make a share of rejected ones."""

FEWEST_EARLY: t.Final = 1_000
"""The same before the end of the input: a source can send its bad records first."""

EARLY_PERCENT: t.Final = 50.0
"""Above this share of rejected records a run ends before its input does."""


_NOTHING = (None, "")


@dataclass(slots=True)
class StreamCounts:
    """Verdicts of one stream's records.

    `sent` counts contacts that Omnisend has taken in a batch, each once, whatever became of them.
    `created` and `updated` count those accepted whose batch says which; Omnisend says it
    only if items are read one by one. `not_sent` counts records that no call carried because
    the run ended early; `not_removed` members whose membership Omnisend did not take back;
    `skipped` records for which there is nothing to do; `retried` records of earlier runs that this
    run sends once more, which `received` does not count; `verified` members that were seen in
    Omnisend as they should be.
    `left_out` counts the values that `warnings` counts, by code and column; `given` counts the
    records that had a value, for these columns alone.
    """

    received: int = 0
    accepted: int = 0
    created: int = 0
    updated: int = 0
    rejected: int = 0
    duplicates: int = 0
    unchanged: int = 0
    skipped: int = 0
    not_sent: int = 0
    tagged: int = 0
    removed: int = 0
    not_removed: int = 0
    retried: int = 0
    verified: int = 0
    sent: int = 0
    warnings: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)

    @property
    def unconfirmed(self) -> int:
        """Records that have no other verdict."""
        settled = self.accepted + self.rejected + self.duplicates + self.unchanged + self.skipped
        return self.received - settled - self.not_sent

    @property
    def arrived(self) -> bool:
        """Whether Omnisend has any of the records as they are."""
        return bool(self.accepted or self.unchanged)

    def reject(self, code: str) -> None:
        """Count a rejected record."""
        self.rejected += 1
        self.rejections[code] += 1

    def leave_out(self, values: Iterable[tuple[str, str]]) -> None:
        """Count values that were left out or altered, each by code and column."""
        for code, column in values:
            self.warnings[code] += 1
            self.left_out[code, column] += 1
            # Values are counted from the first that is left out: each record before had one.
            self.given.setdefault(column, self.received - 1)

    def give(self, record: Mapping[str, object]) -> None:
        """Count the values of a record in columns of which some values were left out."""
        for column in self.given:
            if record.get(column) not in _NOTHING:
                self.given[column] += 1

    def numbers(self) -> dict[str, int]:
        """The counts by their names in the report."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        return numbers | {"warnings": self.warnings.total()}

    def reported(self) -> dict[str, int | None]:
        """The counts as the report shows them; None for what Omnisend did not say."""
        unknown = self.created + self.updated < self.accepted
        return self.numbers() | (dict.fromkeys(("created", "updated")) if unknown else {})


NUMBERS: t.Final = (
    *("received", "accepted", "created", "updated", "rejected", "duplicates", "unchanged"),
    *("skipped", "unconfirmed", "not_sent", "tagged", "removed", "not_removed"),
    *("retried", "verified"),
)
"""Counts of the report that are each a number of `StreamCounts`."""


@dataclass(slots=True)
class Outcome:
    """Counts by stream, and what ended the run early, if anything did.

    `verifications` has what looks at whole segments found, by segment; `new_people` how many
    people Omnisend does not have, None if the run did not look.
    """

    max_rejected_percent: float = 100.0
    streams: dict[str, StreamCounts] = field(default_factory=dict)
    failure: RunFailed | None = None
    stopped_by: int | None = None
    lost_batches: list[str] = field(default_factory=list)
    throughput: list[int] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    looks: Looks = field(default_factory=Looks)
    verifications: dict[str, Verification] = field(default_factory=dict)
    new_people: int | None = None

    def lose(self, sentence: str) -> None:
        """Keep for the report a loss and its cure; the log has it already."""
        if sentence not in self.losses:
            self.losses.append(sentence)

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

    @property
    def missing(self) -> int:
        """Members that Omnisend does not show, in the segments that were verified."""
        return sum(found.missing for found in self.verifications.values())

    @property
    def nothing_arrived(self) -> bool:
        """Whether records were rejected, and Omnisend has none of the others."""
        streams = list(self.streams.values())  # at once: the reader may add one meanwhile
        if any(counts.arrived for counts in streams):
            return False
        return any(counts.rejected for counts in streams)

    def too_many_rejected(self) -> bool:
        """Whether more are rejected than the operator accepts: to be asked at the end."""
        return self._are_rejected(self.max_rejected_percent, FEWEST)

    def hopelessly_rejected(self, percent: float | None = None) -> bool:
        """Whether so many are rejected that the rest of the input cannot matter.

        `percent` stands in for `max_rejected_percent`.
        """
        allowed = self.max_rejected_percent if percent is None else percent
        return self._are_rejected(max(allowed, EARLY_PERCENT), FEWEST_EARLY)

    @property
    def failed_by_rejections(self) -> bool:
        """Whether the rejected records make this run, at its end, a failed one.

        As long as one is unconfirmed, it can still be one that Omnisend has.
        """
        nothing = self.nothing_arrived and not self.total().unconfirmed
        return nothing or self.too_many_rejected()

    def _are_rejected(self, percent: float, fewest: int) -> bool:
        streams = list(self.streams.values())  # at once, as above
        received = sum(counts.received for counts in streams)
        rejected = sum(counts.rejected for counts in streams)
        return received >= fewest and rejected * 100 > received * percent

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        if self.stopped_by is not None:
            return 128 + self.stopped_by
        if self.failure is not None:
            return self.failure.exit_code
        if self.failed_by_rejections:
            return ExitCode.REJECTED
        return ExitCode.UNCONFIRMED if self.has_open_ends or self.missing else ExitCode.DONE

    @property
    def has_open_ends(self) -> bool:
        """Whether something that was sent has no answer that settles it."""
        total = self.total()
        # A lost batch can hold none but members that leave without a record.
        return bool(total.unconfirmed or total.not_removed or self.lost_batches)
