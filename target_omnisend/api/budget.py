"""Omnisend's per-minute limits, as one sliding window an endpoint."""

from __future__ import annotations

import enum
import math
import typing as t
from collections import deque

WINDOW_SECONDS: t.Final = 60.0


class Endpoint(enum.Enum):
    """An endpoint with a limit of its own: method and path, and calls a minute.

    Source: api-docs.omnisend.com, "Rate limits, timeouts, errors" (2026-08-05).
    """

    CHECK_BRAND = ("GET /brands/current", 400)
    READ_CONTACTS = ("GET /contacts", 400)
    POST_BATCH = ("POST /batches", 400)
    LIST_BATCHES = ("GET /batches", 400)
    GET_BATCH = ("GET /batches/{id}", 400)
    GET_ITEMS = ("GET /batches/{id}/items", 400)
    ADD_TAGS = ("POST /contacts/tags", 60)
    REMOVE_TAGS = ("DELETE /contacts/tags", 60)
    LIST_SEGMENTS = ("GET /segments", 100)
    CREATE_SEGMENT = ("POST /segments", 15)
    COUNT_SEGMENT = ("GET /segments/{id}/statistics", 100)

    def __init__(self, label: str, per_minute: int) -> None:
        """Spell out the pair."""
        self.label = label
        self.per_minute = per_minute


def allowance(endpoint: Endpoint, share: float) -> float:
    """Calls a minute that this run may send; infinite for a share of 0."""
    return max(1, math.floor(endpoint.per_minute * share)) if share else math.inf


class Budget:
    """Calls of one endpoint within any 60 seconds.

    A call counts from its start until 60 s after its *end*: Omnisend saw it somewhere
    in between, so no window of theirs can hold more calls than one of ours.
    """

    def __init__(self, per_minute: float) -> None:
        """Start with an empty window; `per_minute` may be infinite."""
        self.per_minute = per_minute
        self.in_flight = 0
        self._ended: deque[float] = deque()
        self._narrow = math.inf
        self._narrow_until = -math.inf

    def ready_at(self, now: float) -> float:
        """When the next call may start: `now`, later, or infinity (when one must end first)."""
        counting, allowed = self.in_use(now), self._allowed(now)
        if counting < allowed:
            return now
        surplus = counting - int(allowed)
        if surplus >= len(self._ended):
            return math.inf if now >= self._narrow_until else self._narrow_until
        freed = self._ended[surplus] + WINDOW_SECONDS
        return min(freed, self._narrow_until) if now < self._narrow_until else freed

    def start(self) -> None:
        """Count a call that starts."""
        self.in_flight += 1

    def end(self, now: float) -> None:
        """Count its end."""
        self.in_flight -= 1
        self._ended.append(now)

    def in_use(self, now: float) -> int:
        """Calls that count at this moment."""
        self._forget(now)
        return len(self._ended) + self.in_flight

    def narrow(self, now: float, until: float) -> None:
        """After a 429: others use this account too, so halve the allowance until then."""
        if self.per_minute != math.inf:
            self._narrow = max(1, self._allowed(now) // 2)
            self._narrow_until = until

    def _allowed(self, now: float) -> float:
        return min(self.per_minute, self._narrow) if now < self._narrow_until else self.per_minute

    def _forget(self, now: float) -> None:
        while self._ended and self._ended[0] <= now - WINDOW_SECONDS:
            self._ended.popleft()
