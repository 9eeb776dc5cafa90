"""Sliding per-minute limits, and how close a client came to them."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW = 60.0
DEFAULT_LIMIT = 400
# api-docs.omnisend.com/reference/rate-limit-timeouts-errors
LIMITS = {
    "POST /contacts/tags": 60,
    "DELETE /contacts/tags": 60,
    "GET /segments": 100,
    "GET /segments/{id}/statistics": 100,
    "POST /segments": 15,
}


class Window:
    """Moments of the last 60 seconds, on one endpoint."""

    __slots__ = ("busiest", "moments")

    def __init__(self) -> None:
        """Start empty."""
        self.moments: deque[float] = deque()
        self.busiest = 0

    def count(self, now: float) -> int:
        """How many moments are less than 60 s old."""
        moments = self.moments
        while moments and moments[0] <= now - WINDOW:
            moments.popleft()
        return len(moments)

    def add(self, now: float) -> None:
        """Note one more."""
        held = self.count(now) + 1
        self.moments.append(now)
        self.busiest = max(self.busiest, held)


class Called(NamedTuple):
    """One call, for the page and for tests."""

    at: float
    method: str
    path: str
    status: int


class Requests:
    """Every call the store has seen, counted by endpoint.

    Attributes:
        counts: Calls by endpoint (`POST /batches`), refused ones included.
        throttled: 429 answers by endpoint, planted ones included.
        statuses: Answers by endpoint and status (`("POST /batches", 201)`);
            0 is a connection reset before anything was done.
        recent: The latest calls, oldest first.
    """

    def __init__(self, limits: Mapping[str, int] | None, keep: int = 200) -> None:
        """Take the limits by endpoint; None switches them off."""
        self.limits = limits
        self.counts: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.recent: deque[Called] = deque(maxlen=keep)
        self._seen: dict[str, Window] = {}
        self._admitted: dict[str, Window] = {}

    @property
    def busiest(self) -> dict[str, int]:
        """The largest number of calls any 60 s window held, by endpoint; 429s included."""
        return {endpoint: window.busiest for endpoint, window in self._seen.items()}

    def arrived(self, endpoint: str, now: float) -> None:
        """Note a call, before anything is known about it."""
        self.counts[endpoint] += 1
        self._seen.setdefault(endpoint, Window()).add(now)

    def answered(self, endpoint: str, called: Called) -> None:
        """Note what it got."""
        self.statuses[endpoint, called.status] += 1
        self.throttled[endpoint] += called.status == 429
        self.recent.append(called)

    def wait(self, endpoint: str, now: float) -> int:
        """Whole seconds until the endpoint admits a call; 0 admits this one."""
        if self.limits is None:
            return 0
        window = self._admitted.setdefault(endpoint, Window())
        if window.count(now) < self.limits.get(endpoint, DEFAULT_LIMIT):
            window.add(now)
            return 0
        return max(1, math.ceil(window.moments[0] + WINDOW - now))
