"""Entries that Omnisend did not take at first share batches when they go out again."""

from __future__ import annotations

import typing as t

from target_omnisend.delivery.model import MAX_ITEMS, Batch

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.delivery.model import Entry, Segment

PATIENCE: t.Final = 3.0
"""Seconds for which entries wait for others that go out again. One item in a hundred that fails
once would otherwise send a batch of one for each batch."""


class SecondTries:
    """Entries of one segment and one number of tries wait for each other.

    Only entries that Omnisend judged one by one are here: an entry whose batch Omnisend did not
    work off could keep it from working off another one.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: dict[tuple[Segment, int], tuple[float, list[Entry]]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no entry waits."""
        return not self._waiting

    def under_way(self) -> Iterator[list[Entry]]:
        """The entries that wait."""
        return (entries for _, entries in self._waiting.values())

    def add(self, batch: Batch, now: float) -> None:
        """Have the entries of a batch wait for others."""
        since, entries = self._waiting.get((batch.segment, batch.attempt), (now, []))
        self._waiting[batch.segment, batch.attempt] = since, [*entries, *batch.entries]

    def due(self, now: float, *, quiet: bool) -> Iterator[Batch]:
        """Full batches, and those whose entries have waited long enough.

        `quiet` says that no batch is open, so that no other entry will come.
        """
        for (segment, attempt), (since, entries) in list(self._waiting.items()):
            whole = quiet or now >= since + PATIENCE
            taken = len(entries) if whole else len(entries) - len(entries) % MAX_ITEMS
            for first in range(0, taken, MAX_ITEMS):
                yield Batch(segment, entries[first : min(first + MAX_ITEMS, taken)], attempt)
            if whole:
                del self._waiting[segment, attempt]
            else:
                self._waiting[segment, attempt] = since, entries[taken:]
