"""The calls of one endpoint, and its budget."""

from __future__ import annotations

import heapq
import math
import typing as t
from collections import defaultdict

from target_omnisend.api.budget import Budget, Endpoint, allowance
from target_omnisend.api.call import Call, Tally

MAX_FAULTS: t.Final = 6
"""Faults of one call, while others succeed, after which it is given up as it is."""

FIRST_CALLS: t.Final = 4
"""Calls of one endpoint under way before its first success: what finding out may cost."""

MARGIN: t.Final = 1.0
"""Seconds on top of `retryAfter`, which is a whole number."""


class Lane:
    """The calls of one endpoint.

    Attributes:
        tallies: its requests by stream; None has those that are about no single one.
        proven: a call has succeeded.
        failing: faults since the last success.
        troubled_since: when the first call started that got a fault or a 429 since then.
        last_success: when a call last got an answer of Omnisend's own.
        last_passed: when the latest call started that got one.
        forbidden: 403 since then, one after the other.
        forbidden_at: when the last of them came.
    """

    def __init__(self, endpoint: Endpoint, share: float) -> None:
        """Start with an unused budget."""
        self.endpoint = endpoint
        self.budget = Budget(allowance(endpoint, share))
        self.tallies: defaultdict[str | None, Tally] = defaultdict(Tally)
        self.queue: list[tuple[float, int, Call]] = []
        self.paused_until = -math.inf
        self.proven = False
        self.failing = 0
        self.troubled_since = math.inf
        self.last_success = -math.inf
        self.last_passed = -math.inf
        self.forbidden = 0
        self.forbidden_at = -math.inf
        self._waiting_since: float | None = None

    @property
    def tally(self) -> Tally:
        """Its requests in all."""
        return sum(self.tallies.values(), Tally())

    def share_in_use(self, now: float) -> float:
        """This run's calls in the minute before `now`, as a share of Omnisend's own limit."""
        return self.budget.in_use(now) / self.endpoint.per_minute

    def ready_at(self, now: float) -> float:
        """When its next call may start; infinity while none may or none is there."""
        if not self.queue or self.budget.in_flight >= self._most_at_once():
            return math.inf
        return max(self.queue[0][0], self.paused_until, self.budget.ready_at(now))

    def take(self, now: float) -> Call:
        """Start the next call."""
        call = heapq.heappop(self.queue)[2]
        tally = self.tallies[call.stream]
        if self._waiting_since is not None:
            tally.seconds_waited += now - self._waiting_since
            self._waiting_since = None
        self.budget.start()
        tally.sent += 1
        call.started_at = now
        return call

    def passes_since(self, moment: float) -> bool:
        """Whether a call that started since then has got an answer of Omnisend's own."""
        return self.last_passed >= moment

    def note_waiting(self, now: float) -> None:
        """Remember since when a call is held back by the budget or a pause."""
        if self._waiting_since is None and self.queue and self.queue[0][0] <= now:
            self._waiting_since = now

    def _most_at_once(self) -> float:
        if self.failing >= MAX_FAULTS or self.forbidden:
            return 1
        return math.inf if self.proven else FIRST_CALLS
