"""The threads that make a delivery's calls, in real time."""

from __future__ import annotations

import queue
import threading
import typing as t
from contextlib import contextmanager

from target_omnisend.errors import ExitCode, RunFailed, unexpected
from target_omnisend.threads import start_thread

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.call import Call
    from target_omnisend.api.protocol import Api
    from target_omnisend.delivery.engine import Delivery
    from target_omnisend.threads import Start

MAX_CALLS_AT_ONCE: t.Final = 64
"""Threads that make calls; 400 calls a minute of up to 9 s each need no more."""

FIRST_CALLERS: t.Final = 4
"""So many of them start at once; then one more every `_GROWTH` seconds while calls are overdue."""

_GROWTH: t.Final = 0.25

_TICK: t.Final = 0.1
"""Seconds after which time alone may have changed something: a batch has several such waits."""


class CallThreads:
    """Move a delivery: one thread hands out the calls that are due, others make them.

    There are up to `MAX_CALLS_AT_ONCE` of them. All are daemons, so that a call that hangs cannot
    keep a stopped process alive.

    Attributes:
        lock: to be held by each access to the delivery.
    """

    def __init__(
        self,
        delivery: Delivery,
        api: Api,
        *,
        clock: Callable[[], float],
        failed: Callable[[RunFailed], None],
        start: Start = start_thread,
    ) -> None:
        """Begin to move `delivery`.

        `failed` gets, in any thread, the failure that ends the run: the reader can be waiting
        for input.

        Raises:
            RunFailed: if the system has no room for a thread.
        """
        self.lock = threading.Lock()
        self._delivery = delivery
        self._api = api
        self._clock = clock
        self._failed = failed
        self._start_thread = start
        self._changed = threading.Condition(self.lock)  # a call may have become due
        self._progress = threading.Condition(self.lock)  # a call has been answered
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._callers = 0
        self._most_callers = MAX_CALLS_AT_ONCE
        self._calling = 0
        self._grown_at = 0.0
        self._over = False
        if not start(lambda: self._guard(self._hand_out), "delivery"):
            raise _no_thread()

    def wake(self) -> None:
        """Look at once which calls are due."""
        self._changed.notify()

    def pause(self) -> None:
        """Let go of the lock until an answer has come, or for a moment."""
        self._progress.wait(_TICK)

    def end(self) -> None:
        """Take no answer any more."""
        self._over = True

    # -- in the threads ----------------------------------------------------------------

    def _guard(self, work: Callable[[], None]) -> None:
        """The whole body of a thread: a fault outside of a call must end the run too."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a silent end would hang the run
            with self.lock:
                self._fail(error)

    def _hand_out(self) -> None:
        with self.lock:
            while True:
                pause = _TICK
                with self._no_way_on():
                    pause = self._hand_out_one()
                if pause:
                    self._changed.wait(pause)

    def _hand_out_one(self) -> float:
        """Hand out one call that is due; else the seconds until one can be due."""
        now = self._clock()
        call = self._delivery.next_call(now) if self._has_caller(now) else None
        if call:
            self._start(call, now)
            return 0
        due_in = self._delivery.scheduler.wake_at(now) - now
        return due_in if 0 < due_in < _TICK else _TICK

    @contextmanager
    def _no_way_on(self) -> Iterator[None]:
        """A fault of our own in a thread ends the run; otherwise it would wait for ever."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._fail(error)
        if self._delivery.outcome.failure is not None:
            self._failed(self._delivery.outcome.failure)

    def _fail(self, error: BaseException) -> None:
        failure = error if isinstance(error, RunFailed) else unexpected(error)
        self._failed(failure)
        self._delivery.fail(failure, self._clock())
        self._progress.notify_all()

    def _has_caller(self, now: float) -> bool:
        if self._calling < self._callers:
            return True
        if self._callers >= self._most_callers:
            return False
        return self._callers < FIRST_CALLERS or now >= self._grown_at + _GROWTH

    def _start(self, call: Call, now: float) -> None:
        self._calling += 1
        self._calls.put(call)
        if self._calling > self._callers:
            self._add_caller(now)

    def _add_caller(self, now: float) -> None:
        """Start one more thread that makes calls; without room for it, those there are make do."""
        if self._start_thread(lambda: self._guard(self._make_calls), f"call-{self._callers + 1}"):
            self._callers += 1
            self._grown_at = now
        elif self._callers:
            self._most_callers = self._callers
        else:
            raise _no_thread()

    def _make_calls(self) -> None:
        while True:
            call: Call | None = self._calls.get()
            while call:
                call = self._make(call)

    def _make(self, call: Call) -> Call | None:
        """Make a call, take its answer, and give the next one, if one is due.

        The next call in the same thread: handing it over costs as much as making it.
        """
        try:
            answer: Answer | Exception = call.run(self._api)
        except Exception as error:  # noqa: BLE001 - raised again under the lock
            answer = error
        upcoming = None
        with self.lock:
            with self._no_way_on():
                if isinstance(answer, Exception):
                    raise answer
                if self._over:  # the outcome is being reported: it must not change any more
                    return None
                now = self._clock()
                self._delivery.answered(call, answer, now)
                upcoming = self._delivery.next_call(now)
            self._calling -= upcoming is None
            self._progress.notify_all()
        return upcoming


def _no_thread() -> RunFailed:
    return RunFailed(
        ExitCode.FAULT,
        "The system does not let the run start a thread. Raise the limit (ulimit -u, or the "
        "container's limit of processes), then run again.",
    )
