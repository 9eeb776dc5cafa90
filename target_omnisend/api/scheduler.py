"""When each call may go out: budgets, pauses, retries. No thread, no clock, no I/O."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import typing as t
from collections import defaultdict

import backoff

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import WINDOW_SECONDS, Budget, Endpoint, allowance
from target_omnisend.api.call import Call, Tally, waits
from target_omnisend.api.failures import fatal, out_of_reach

logger = logging.getLogger("target-omnisend.delivery")

MAX_FAULTS: t.Final = 6
"""Faults of one call, while others succeed, after which it is given up as it is."""

OUTAGE_SECONDS: t.Final = 600.0
"""When an endpoint only fails for so long, Omnisend is out of reach and the run ends."""

LONGEST_PAUSE: t.Final = 30.0
"""Seconds for which an endpoint that only fails is left alone at the most."""

FIRST_CONTACT_SECONDS: t.Final = 60.0
"""The same before any success: a wrong address should not take ten minutes to be told."""

MAX_FORBIDDEN: t.Final = 3
"""403 in a row, of one endpoint, that are no chance any more."""

FIRST_CALLS: t.Final = 4
"""Calls of one endpoint under way before its first success: what finding out may cost."""

_TELLING: t.Final = frozenset({1, 10, 100, 1000})
"""Faults in a row that are worth a line in the log."""

_MARGIN: t.Final = 1.0
"""Seconds on top of `retryAfter`, which is a whole number."""


class Lane:
    """The calls of one endpoint.

    Attributes:
        tallies: its requests by stream; None has those that are about no single one.
        proven: a call has succeeded.
        failing: faults since the last success.
        failing_since: when the first of them was called for.
        last_success: when a call last got an answer that was no fault.
        forbidden: 403 since then.
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
        self.failing_since = 0.0
        self.last_success = -math.inf
        self.forbidden = 0
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

    def note_waiting(self, now: float) -> None:
        """Remember since when a call is held back by the budget or a pause."""
        if self._waiting_since is None and self.queue and self.queue[0][0] <= now:
            self._waiting_since = now

    def _most_at_once(self) -> float:
        if self.failing >= MAX_FAULTS:
            return 1
        return math.inf if self.proven else FIRST_CALLS


class Scheduler:
    """All lanes; the calls that are due, in order of urgency.

    Lanes are asked in the order of `Endpoint`'s members, so that confirming and tagging
    go before submitting more.
    """

    def __init__(self, share: float) -> None:
        """`share` is the share of Omnisend's limits to use, 0 for no pacing."""
        order = sorted(Endpoint, key=lambda endpoint: endpoint is Endpoint.POST_BATCH)
        self.lanes = {endpoint: Lane(endpoint, share) for endpoint in order}
        self._patience = FIRST_CONTACT_SECONDS
        self._last_success = -math.inf
        self._ids = itertools.count()

    def add(self, call: Call, not_before: float = -math.inf) -> None:
        """Queue a call."""
        queue = self.lanes[call.endpoint].queue
        heapq.heappush(queue, (not_before, next(self._ids), call))

    def cancel(self, endpoint: Endpoint) -> None:
        """Forget the queued calls of an endpoint."""
        self.lanes[endpoint].queue.clear()

    def next(self, now: float) -> Call | None:
        """The call to make now, counted as started; or None."""
        for lane in self.lanes.values():
            if lane.ready_at(now) <= now:
                return lane.take(now)
            lane.note_waiting(now)
        return None

    def wake_at(self, now: float) -> float:
        """When a call may become due without anything else happening."""
        return min(lane.ready_at(now) for lane in self.lanes.values())

    @property
    def busy(self) -> bool:
        """Whether a call is queued or under way."""
        return any(lane.queue or lane.budget.in_flight for lane in self.lanes.values())

    def answered(self, call: Call, answer: Answer, now: float) -> None:
        """Take an answer: hand it to the call, or queue the call again.

        Raises:
            RunFailed: for an answer that no other call can expect to escape.
        """
        lane = self.lanes[call.endpoint]
        lane.budget.end(now)
        match answer.kind:
            case Kind.THROTTLED:
                self._throttled(lane, call, answer, now)
            case Kind.RETRY if call.once:
                call.done(answer, now)
            case Kind.RETRY:
                self._fault(lane, call, answer, now)
            case Kind.FORBIDDEN if not call.may_be_forbidden:
                self._forbid(lane, call, answer, now)
            case Kind.UNAUTHORIZED | Kind.PLAN_FULL | Kind.RETIRED:
                raise fatal(answer)
            case _:
                self._succeeded(lane, answer, now)
                call.done(answer, now)

    def _succeeded(self, lane: Lane, answer: Answer, now: float) -> None:
        lane.proven = lane.proven or answer.kind is Kind.DONE
        lane.failing = lane.forbidden = 0
        lane.last_success = self._last_success = now
        self._patience = OUTAGE_SECONDS

    def _throttled(self, lane: Lane, call: Call, answer: Answer, now: float) -> None:
        lane.tallies[call.stream].throttled += 1
        if lane.tally.throttled in _TELLING:
            logger.warning(
                "%s: Omnisend's limit is reached; waiting %.0f s, as it says.",
                lane.endpoint.label,
                answer.retry_after,
                extra={**_about(call), "seconds": answer.retry_after},
            )
        until = now + answer.retry_after + _MARGIN
        if lane.paused_until <= now:
            lane.budget.narrow(now, until + WINDOW_SECONDS)
        lane.paused_until = max(lane.paused_until, until)
        lane.failing = 0  # Omnisend is there and works
        self.add(call, until)

    def _forbid(self, lane: Lane, call: Call, answer: Answer, now: float) -> None:
        lane.forbidden += 1
        if lane.forbidden >= MAX_FORBIDDEN:
            raise fatal(answer)
        self._again(lane, call, now)

    def _fault(self, lane: Lane, call: Call, answer: Answer, now: float) -> None:
        if not lane.failing:
            # Not since the last success: a tap may have been silent for hours in between.
            lane.failing_since = call.started_at
        lane.failing += 1
        if lane.failing in _TELLING:
            logger.warning(
                "%s: %s; trying again.",
                lane.endpoint.label,
                answer.fault,
                extra={**_about(call), "status": answer.status, "faults": lane.failing},
            )
        if now - lane.failing_since > self._patience:
            raise out_of_reach(lane.endpoint, answer, now - lane.failing_since)
        call.first_fault_at = min(call.first_fault_at, now)
        # A fault counts against the call only if others got through in the meantime: calls of
        # its endpoint, or, where its parts can tell the one bad item from an outage, any.
        others = self._last_success if call.divisible else lane.last_success
        call.faults += others > call.first_fault_at
        if call.faults >= MAX_FAULTS:
            call.done(answer, now)
            return
        if lane.failing >= MAX_FAULTS:
            pause = min(2.0 ** (lane.failing - MAX_FAULTS), LONGEST_PAUSE)
            lane.paused_until = now + backoff.full_jitter(pause)
        self._again(lane, call, now)

    def _again(self, lane: Lane, call: Call, now: float) -> None:
        if call.waits is None:
            call.waits = waits()
        lane.tallies[call.stream].retried += 1
        self.add(call, now + backoff.full_jitter(next(call.waits)))


def _about(call: Call) -> dict[str, t.Any]:
    return {"stream_name": call.stream, "endpoint": call.endpoint.label}
