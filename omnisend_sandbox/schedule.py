"""What is to happen later, by the store's own clock or after further calls."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Event = Callable[[float], None]


class Schedule:
    """Events by due time; those due at one moment run in the order they were made."""

    def __init__(self) -> None:
        """Start empty."""
        self._due: list[tuple[float, int, Event]] = []
        self._made = 0
        self._calls = 0
        self._after_calls: list[tuple[int, Event]] = []

    def at(self, due: float, event: Event) -> None:
        """Have `event(due)` run once the clock has reached `due`."""
        self._made += 1
        heapq.heappush(self._due, (due, self._made, event))

    def after_calls(self, count: int, event: Event) -> None:
        """Have `event(now)` run when `count` further calls are over and another arrives."""
        self._after_calls.append((self._calls + count, event))

    def run(self, now: float) -> None:
        """Run all that is due."""
        while self._due and self._due[0][0] <= now:
            due, _, event = heapq.heappop(self._due)
            event(due)

    def call_arrived(self, now: float) -> None:
        """Count a call, and run what waited for the calls before it."""
        ripe = [event for last, event in self._after_calls if last <= self._calls]
        self._after_calls = [one for one in self._after_calls if one[0] > self._calls]
        self._calls += 1
        for event in ripe:
            event(now)
