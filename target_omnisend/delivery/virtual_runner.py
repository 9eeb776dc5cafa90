"""Moves a `Delivery` without threads, on a clock that jumps from event to event.

Dry runs, simulations and the benchmark use it: an hour of Omnisend takes a moment here.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import math
import typing as t
from contextlib import nullcontext

from target_omnisend.delivery.call_threads import MAX_CALLS_AT_ONCE
from target_omnisend.delivery.runner import Runner

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.call import Call
    from target_omnisend.api.protocol import Api
    from target_omnisend.delivery.engine import Delivery

CALL_SECONDS: t.Final = 0.1
"""The duration of a call, unless the caller hands in another one."""

TICK: t.Final = 0.25
"""Seconds after which time alone can have changed something."""


class VirtualClock:
    """A clock that stands still until something sets it forward.

    Attributes:
        now: seconds since the start.
    """

    def __init__(self, start: dt.datetime = dt.datetime.fromtimestamp(0, dt.UTC)) -> None:  # noqa: B008 - it cannot change
        """Stand at second 0, which is the moment `start`."""
        self.now = 0.0
        self._start = start

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self.now

    def utc_now(self) -> dt.datetime:
        """The present moment in UTC."""
        return self._start + dt.timedelta(seconds=self.now)


class VirtualLoop:
    """Makes the calls of a delivery and sets its clock forward.

    A call reaches the API in the middle of its duration.

    Attributes:
        in_flight: calls that have no answer yet.
        lock: nothing, because there is one thread.
    """

    def __init__(
        self,
        delivery: Delivery,
        api: Api,
        clock: VirtualClock,
        *,
        latency: Callable[[], float] = lambda: CALL_SECONDS,
        held_back: Callable[[], float] = lambda: 0.0,
        moved: Callable[[], object] = lambda: None,
    ) -> None:
        """Start without a call.

        Args:
            delivery: it says which calls to make, and takes their answers.
            api: it answers the calls.
            clock: the loop sets it forward.
            latency: the seconds of the next call.
            held_back: the seconds for which the API delays the answer that it has just given.
            moved: called whenever the clock has been set forward.
        """
        self.in_flight = 0
        self.lock = nullcontext()
        self._delivery = delivery
        self._api = api
        self._clock = clock
        self._latency = latency
        self._held_back = held_back
        self._moved = moved
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, moment: float, happen: Callable[[], None]) -> None:
        """Have something happen once the clock has reached a moment."""
        heapq.heappush(self._events, (moment, next(self._numbers), happen))

    def wake(self) -> None:
        """Nothing: `pause` starts the calls that are due."""

    def pause(self) -> None:
        """Start the calls that are due, then let time pass until something can have changed."""
        self.start_calls()
        self.move_on()

    def end(self) -> None:
        """Nothing: an answer comes in `pause` alone."""

    def start_calls(self) -> None:
        """Start the calls that are due, as many at once as a run with threads makes."""
        while self.in_flight < MAX_CALLS_AT_ONCE:
            call = self._delivery.next_call(self._clock.now)
            if call is None:
                return
            self._start(call)

    def move_on(self, until: float = math.inf) -> None:
        """Set the clock to the next event, at most to `until`, and have the event happen."""
        now = self._clock.now
        moments = [until, now + TICK]
        moments += [moment for moment, _, _ in self._events[:1]]
        if self.in_flight < MAX_CALLS_AT_ONCE:  # else a call can be overdue
            moments.append(self._delivery.scheduler.wake_at(now))
        self._clock.now = max(now, min(moments))
        self._moved()
        while self._events and self._events[0][0] <= self._clock.now:
            heapq.heappop(self._events)[2]()

    def _start(self, call: Call) -> None:
        self.in_flight += 1
        half = self._latency() / 2
        self.at(self._clock.now + half, lambda: self._arrive(call, half))

    def _arrive(self, call: Call, half: float) -> None:
        answer = call.run(self._api)
        self.at(self._clock.now + half + self._held_back(), lambda: self._answer(call, answer))

    def _answer(self, call: Call, answer: Answer) -> None:
        self.in_flight -= 1
        self._delivery.answered(call, answer, self._clock.now)


class VirtualRunner(Runner):
    """A `Runner` whose only thread is the caller's: time passes while the caller waits.

    Attributes:
        loop: it makes the calls.
    """

    def __init__(
        self,
        delivery: Delivery,
        api: Api,
        *,
        clock: VirtualClock,
        check_stopped: Callable[[], None],
        **timing: t.Any,
    ) -> None:
        """As `Runner`; `timing` goes to `VirtualLoop`."""
        self.loop = VirtualLoop(delivery, api, clock, **timing)
        super().__init__(delivery, self.loop, clock=clock.monotonic, check_stopped=check_stopped)
