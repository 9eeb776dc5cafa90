"""What is to happen later, on the store's own clock."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Schedule:
    """Calls by due time; those due at one moment run in the order they were made."""

    def __init__(self) -> None:
        """Start empty."""
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._made = 0

    def at(self, due: float, call: Callable[[float], None]) -> None:
        """Have `call(due)` run once the clock has reached `due`."""
        self._made += 1
        heapq.heappush(self._due, (due, self._made, call))

    def run(self, now: float) -> None:
        """Run all that is due."""
        while self._due and self._due[0][0] <= now:
            due, _, call = heapq.heappop(self._due)
            call(due)

    @property
    def next_due(self) -> float | None:
        """When something will happen next; None when nothing will."""
        return self._due[0][0] if self._due else None
