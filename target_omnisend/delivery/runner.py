"""Moves a `Delivery` with threads and real time."""

from __future__ import annotations

import queue
import threading
import traceback
import typing as t

from target_omnisend.outcome import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.delivery.api import Api
    from target_omnisend.delivery.batch import Segment
    from target_omnisend.delivery.pipeline import Delivery
    from target_omnisend.delivery.schedule import Call

MAX_CALLS_AT_ONCE: t.Final = 64
"""Threads that make calls; 400 calls a minute of up to 9 s each need no more."""

_TICK: t.Final = 0.25
"""Seconds after which time alone may have changed something."""


class Runner:
    """The only place where threads meet: every access to the delivery is under one lock.

    One thread hands out the calls that are due; up to `MAX_CALLS_AT_ONCE` make them. All
    are daemons, so that a call that hangs cannot keep a stopped process alive.
    """

    def __init__(
        self,
        delivery: Delivery,
        api: Api,
        *,
        clock: Callable[[], float],
        check_stopped: Callable[[], None],
    ) -> None:
        """`check_stopped` raises, in the thread that reads, when the run shall stop."""
        self._delivery = delivery
        self._api = api
        self._clock = clock
        self._check_stopped = check_stopped
        self._changed = threading.Condition(threading.Lock())
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._callers = 0
        self._calling = 0
        threading.Thread(target=self._hand_out, name="delivery", daemon=True).start()

    def open_segment(self, segment: Segment) -> None:
        """Announce a segment; its entries may follow."""
        with self._changed:
            self._delivery.open_segment(segment)

    def admit(self, segment: Segment, email: str, item: bytes, line: bytes) -> None:
        """Take in a contact; waits for room.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when the run has ended early.
        """
        with self._changed:
            if not self._delivery.has_room() or self._delivery.outcome.failure:
                self._changed.notify()
                self._wait(self._delivery.has_room)
            self._delivery.admit(segment, email, item, line, self._clock())

    def reject(
        self, segment: Segment, line: bytes, code: str, field: str | None, message: str
    ) -> None:
        """Take in a record that is no contact.

        Raises:
            RunFailed: when that makes too many.
        """
        with self._changed:
            self._delivery.reject(segment, line, code, field, message, self._clock())
            self._check()

    def state(self, value: t.Any) -> None:
        """Take in a STATE message."""
        with self._changed:
            self._delivery.state(value)

    def flush(self) -> None:
        """Send what fills batches."""
        with self._changed:
            self._delivery.flush()
            self._changed.notify()

    def check(self) -> None:
        """Ask Omnisend whether the key is good, before anything is written.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when it is not, or when Omnisend cannot be reached.
        """
        with self._changed:
            self._delivery.check()
            self._changed.notify()
            self._wait(lambda: self._delivery.checked)

    def finish(self) -> None:
        """After the last message: wait until every record has its verdict.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when the run has ended early.
        """
        with self._changed:
            self._delivery.close()
            self._changed.notify()
            self._wait(lambda: self._delivery.is_over(self._clock()))

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Submit nothing more and wait for what is open, for the short grace it has."""
        with self._changed:
            self._delivery.stop(self._clock())
            self._changed.notify()
            while not self._delivery.is_over(self._clock()) and not hurried():
                self._changed.wait(_TICK)

    def _wait(self, until: Callable[[], bool]) -> None:
        self._check()
        while not until():
            self._changed.wait(_TICK)
            self._check()

    def _check(self) -> None:
        self._check_stopped()
        if self._delivery.outcome.failure is not None:
            raise self._delivery.outcome.failure

    def _hand_out(self) -> None:
        with self._changed:
            while True:
                now = self._clock()
                try:
                    call = self._delivery.next_call(now)
                except Exception as error:  # noqa: BLE001 - see `_fault`
                    self._fault(error)
                    call = None
                if call:
                    self._start(call)
                else:
                    wake_at = self._delivery.scheduler.wake_at(now)
                    self._changed.wait(min(max(wake_at - now, 0.0), _TICK))

    def _start(self, call: Call) -> None:
        self._calling += 1
        if self._calling > self._callers and self._callers < MAX_CALLS_AT_ONCE:
            self._callers += 1
            threading.Thread(
                target=self._make_calls, name=f"call-{self._callers}", daemon=True
            ).start()
        self._calls.put(call)

    def _make_calls(self) -> None:
        while True:
            call = self._calls.get()
            answer = call.run(self._api)
            with self._changed:
                self._calling -= 1
                try:
                    self._delivery.answered(call, answer, self._clock())
                except Exception as error:  # noqa: BLE001 - see `_fault`
                    self._fault(error)
                self._changed.notify_all()

    def _fault(self, error: Exception) -> None:
        """End the run: a thread that dies of a fault would leave it waiting for ever."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        # The text of an error may quote a record; its type and its place do not.
        sentence = (
            f"An unexpected fault ended the run ({type(error).__name__} in {where.name}, "
            f"line {where.lineno}); run again: it continues from the last state."
        )
        self._delivery.fail(RunFailed(ExitCode.FAULT, sentence), self._clock())
