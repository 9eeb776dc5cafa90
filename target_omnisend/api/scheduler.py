"""When each call may go out: budgets, pauses, retries. No thread, no clock, no I/O."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import typing as t

import backoff

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import WINDOW_SECONDS, Endpoint
from target_omnisend.api.call import Call, waits
from target_omnisend.api.failures import fatal, out_of_reach, throttled_for_long
from target_omnisend.api.lane import MARGIN, MAX_FAULTS, Lane
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from target_omnisend.errors import RunFailed

logger = logging.getLogger("target-omnisend.delivery")

OUTAGE_SECONDS: t.Final = 600.0
"""When an endpoint only fails for so long, Omnisend is out of reach and the run ends."""

LONGEST_PAUSE: t.Final = 30.0
"""Seconds for which an endpoint that only fails is left alone at the most."""

FIRST_CONTACT_SECONDS: t.Final = 60.0
"""The same before any success: a wrong address should not take ten minutes to show."""

MAX_FORBIDDEN: t.Final = 3
"""403 in a row, of one endpoint or of one record, that are not chance any more."""

MAX_FORBIDDEN_PARTS: t.Final = 5
"""403 in a row, of calls that carry records: by then three single records were tried, from
different places of the call that was forbidden first, so its content is not the reason."""

MAX_FORBIDDEN_NEIGHBOURS: t.Final = 30
"""The same for parts of a call whose other parts got through: 15 records side by side can be
alike. More are a block that began meanwhile."""

MAX_STRAYS: t.Final = 2
"""401, or 404 for an endpoint, that one call can get after successes before they are believed:
a load balancer with one bad machine answers so."""

_OF_A_NAME: t.Final = {Endpoint.GET_BATCH, Endpoint.GET_ITEMS, Endpoint.COUNT_SEGMENT}
"""Where 404 can be about the ID in the path; elsewhere it is about the endpoint."""

_TELLING: t.Final = frozenset({1, 10, 100, 1000})
"""Faults in a row that are worth a line in the log."""


class Scheduler:
    """All lanes; the calls that are due, in order of urgency.

    Lanes are asked in the order of `Endpoint`'s members, so that confirming and tagging
    go before submitting more.

    Attributes:
        latest_fault: the last answer that made a call be repeated.
    """

    def __init__(self, share: float) -> None:
        """`share` is the share of Omnisend's limits to use, 0 for no pacing."""
        order = sorted(Endpoint, key=lambda endpoint: endpoint is Endpoint.POST_BATCH)
        self.lanes = {endpoint: Lane(endpoint, share) for endpoint in order}
        self._patience = FIRST_CONTACT_SECONDS
        self._last_success = -math.inf
        self.latest_fault: Answer | None = None
        self._ids = itertools.count()
        self._ids_in_front = itertools.count(-1, -1)

    def add(self, call: Call, not_before: float = -math.inf) -> None:
        """Queue a call."""
        queue = self.lanes[call.endpoint].queue
        heapq.heappush(queue, (not_before, next(self._ids), call))

    def add_in_front(self, call: Call) -> None:
        """Queue a part of a call, before whole ones: it shows what is wrong with the call."""
        queue = self.lanes[call.endpoint].queue
        heapq.heappush(queue, (-math.inf, next(self._ids_in_front), call))

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
            case Kind.UNAUTHORIZED | Kind.GONE if self._is_stray(call, answer):
                call.strays += 1
                self._again(lane, call, now)
            case Kind.UNAUTHORIZED | Kind.PLAN_FULL | Kind.RETIRED:
                _end_or_hand_over(fatal(answer), call, answer, now)
            case _:
                self._succeeded(lane, call, answer, now)
                call.done(answer, now)

    def _succeeded(self, lane: Lane, call: Call, answer: Answer, now: float) -> None:
        lane.proven = lane.proven or answer.kind is Kind.DONE
        lane.last_passed = max(lane.last_passed, call.started_at)
        if lane.passes_since(lane.forbidden_at):
            lane.forbidden = 0
        lane.failing = 0
        lane.troubled_since = math.inf
        lane.last_success = self._last_success = now
        self._patience = OUTAGE_SECONDS

    def _is_stray(self, call: Call, answer: Answer) -> bool:
        """Whether the answer contradicts earlier ones, and is to be heard once more."""
        if answer.kind is Kind.GONE and call.endpoint in _OF_A_NAME:
            return False
        return self._last_success > -math.inf and call.strays < MAX_STRAYS

    def _throttled(self, lane: Lane, call: Call, answer: Answer, now: float) -> None:
        self.latest_fault = answer
        self._patience = OUTAGE_SECONDS  # Omnisend is there
        lane.troubled_since = min(lane.troubled_since, call.started_at)
        if now - lane.troubled_since > OUTAGE_SECONDS:
            failure = throttled_for_long(lane.endpoint, now - lane.troubled_since)
            _end_or_hand_over(failure, call, answer, now)
            return
        lane.tallies[call.stream].throttled += 1
        if lane.tally.throttled in _TELLING:
            logger.warning(
                "%s: Omnisend's limit is reached. The run waits %.0f s, as Omnisend asks.",
                lane.endpoint.label,
                answer.retry_after,
                extra=event("throttled", **_about(call), seconds=answer.retry_after),
            )
        until = now + answer.retry_after + MARGIN
        if lane.paused_until <= now:
            lane.budget.narrow(now, until + WINDOW_SECONDS)
        lane.paused_until = max(lane.paused_until, until)
        lane.failing = 0  # one call at a time would be too few
        self.add(call, until)

    def _forbid(self, lane: Lane, call: Call, answer: Answer, now: float) -> None:
        if call.started_at >= lane.forbidden_at:  # calls under way together prove only one
            lane.forbidden += 1
            lane.forbidden_at = now
        call.forbidden += 1
        call.forbidden_at = min(call.forbidden_at, now)
        if _is_blocked(lane, call):
            raise fatal(answer)
        if call.payload and (call.divisible or lane.passes_since(call.forbidden_at)):
            call.done(answer, now)
        else:
            self._again(lane, call, now)

    def _fault(self, lane: Lane, call: Call, answer: Answer, now: float) -> None:
        self.latest_fault = answer
        # Not since the last success: a tap may have been silent for hours in between.
        lane.troubled_since = min(lane.troubled_since, call.started_at)
        lane.failing += 1
        if lane.failing in _TELLING:
            logger.warning(
                "%s: %s. The call is tried again.",
                lane.endpoint.label,
                answer.fault,
                extra=event(
                    "call_failed", **_about(call), status=answer.status, faults=lane.failing
                ),
            )
        if now - lane.troubled_since > self._patience:
            failure = out_of_reach(lane.endpoint, answer, now - lane.troubled_since)
            _end_or_hand_over(failure, call, answer, now)
            return
        call.first_fault_at = min(call.first_fault_at, now)
        # A fault counts against the call only if others got through in the meantime: calls of
        # its endpoint, or of any if its parts can separate the one bad item from an outage.
        others = self._last_success if call.divisible else lane.last_success
        call.faults += others > call.first_fault_at
        if call.faults >= MAX_FAULTS or (call.optional and lane.failing >= MAX_FAULTS):
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


def _end_or_hand_over(failure: RunFailed, call: Call, answer: Answer, now: float) -> None:
    """Raise the failure, unless the call can have such an answer."""
    refused = call.may_be_refused and answer.status is not None and 400 <= answer.status < 500
    if not (refused or call.optional):
        raise failure
    call.done(answer, now)


def _is_blocked(lane: Lane, call: Call) -> bool:
    """Whether 403 is about the API key or the store, and not about one call's content."""
    if not call.payload:
        return lane.forbidden >= MAX_FORBIDDEN
    if lane.passes_since(call.forbidden_at):
        return lane.forbidden >= MAX_FORBIDDEN_NEIGHBOURS
    last_try = not call.divisible and call.forbidden >= MAX_FORBIDDEN
    return last_try or lane.forbidden >= MAX_FORBIDDEN_PARTS


def _about(call: Call) -> dict[str, t.Any]:
    return {"stream_name": call.stream, "endpoint": call.endpoint.label}
