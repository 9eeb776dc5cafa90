"""Moves a `Delivery` with threads and real time."""

from __future__ import annotations

import queue
import threading
import typing as t
from contextlib import contextmanager

from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call
from target_omnisend.delivery.left_open import LeftOpen
from target_omnisend.errors import ExitCode, RunFailed, unexpected
from target_omnisend.mapping.contact import UNDATED
from target_omnisend.threads import start_thread

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.protocol import Api
    from target_omnisend.api.scheduler import Lane
    from target_omnisend.delivery.change_filter import ChangeFilter
    from target_omnisend.delivery.engine import Delivery
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.model import Origin
    from target_omnisend.threads import Start

_Seen = t.TypeVar("_Seen")
_Result = t.TypeVar("_Result")

MAX_CALLS_AT_ONCE: t.Final = 64
"""Threads that make calls; 400 calls a minute of up to 9 s each need no more."""

FIRST_CALLERS: t.Final = 4
"""So many of them start at once; then one more every `_GROWTH` seconds while calls are overdue."""

_GROWTH: t.Final = 0.25

_TICK: t.Final = 0.1
"""Seconds after which time alone may have changed something: a batch has several such waits."""


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
        failed: Callable[[RunFailed], None],
        start: Start = start_thread,
    ) -> None:
        """`check_stopped` raises, in the thread that reads, when the run must stop.

        `failed` gets, in any thread, the failure that ends the run: the reader can be waiting
        for input.

        Raises:
            RunFailed: if the system has no room for a thread.
        """
        self._delivery = delivery
        self._api = api
        self._clock = clock
        self._check_stopped = check_stopped
        self._failed = failed
        self._start_thread = start
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # a call may have become due
        self._progress = threading.Condition(self._lock)  # a call has been answered
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._callers = 0
        self._most_callers = MAX_CALLS_AT_ONCE
        self._calling = 0
        self._grown_at = 0.0
        self._over = False
        self._begin()

    def _begin(self) -> None:
        if not self._start_thread(lambda: self._guard(self._hand_out), "delivery"):
            raise _no_thread()

    @property
    def lanes(self) -> Mapping[Endpoint, Lane]:
        """The calls made so far, by endpoint."""
        return self._delivery.scheduler.lanes

    def observe(self, view: Callable[[Delivery, float], _Seen]) -> _Seen:
        """The result of `view` on the delivery, between two changes of it; it should be quick."""
        with self._lock:
            return view(self._delivery, self._clock())

    def open(self, origin: Origin) -> None:
        """Announce a stream under one of its schemas; its entries may follow."""
        with self._lock:
            self._delivery.open(origin)

    def admit(
        self,
        origin: Origin,
        email: str,
        item: bytes,
        line: t.SupportsBytes,
        fingerprint: bytes | None,
        consent: str = UNDATED,
    ) -> None:
        """Take in a contact; waits for room.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when the run has ended early.
        """
        delivery = self._delivery
        with self._lock:
            if delivery.outcome.failure is not None or not delivery.has_room():
                self._make_room()
            delivery.admit(origin, email, item, line, self._clock(), fingerprint, consent)

    def delete(self, origin: Origin, email: str, item: bytes, line: t.SupportsBytes) -> None:
        """Take in a record that says it was deleted; waits for room.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when the run has ended early.
        """
        with self._lock:
            self._make_room()
            self._delivery.delete(origin, email, item, line, self._clock())

    def reject(
        self,
        origin: Origin,
        line: bytes,
        code: str,
        field: str | None,
        message: str,
        email: str | None = None,
    ) -> None:
        """Take in a record that makes no contact; `email` is the person's, if it can be read.

        Raises:
            RunFailed: when that makes too many.
        """
        with self._lock:
            self._delivery.reject(origin, line, code, field, message, self._clock(), email)
            self._check()

    def state(self, value: t.Any) -> None:
        """Take in a STATE message."""
        with self._lock:
            self._delivery.state(value)

    def flush(self) -> None:
        """Send what fills batches."""
        with self._lock:
            self._delivery.flush(self._clock())
            self._changed.notify()

    def check(self) -> None:
        """Ask Omnisend whether the key is good, before anything is written.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when it is not, or when Omnisend cannot be reached.
        """
        with self._lock:
            self._delivery.check()
            self._changed.notify()
            self._wait(lambda: self._delivery.checked)

    def ask(self, endpoint: Endpoint, run: Callable[[Api], Answer]) -> Answer:
        """Make one call, as often as it takes; FORBIDDEN is an answer too.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: for what no call can escape.
        """
        answers: list[Answer] = []
        call = Call(endpoint, run, lambda answer, _: answers.append(answer), may_be_forbidden=True)
        with self._lock:
            self._delivery.scheduler.add(call)
            self._changed.notify()
            self._wait(lambda: bool(answers))
        return answers[0]

    def carry_out(self, exchange: Exchange[_Result]) -> _Result:
        """Make the calls of an exchange, one after the other; its result.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: for what no call can escape, and what the exchange raises.
        """
        results: list[_Result] = []

        def collect() -> Exchange[None]:
            results.append((yield from exchange))

        collecting = collect()
        with self._lock:
            try:
                self._delivery.start(collecting)
                self._changed.notify()
                self._wait(lambda: bool(results))
            except BaseException:
                collecting.close()  # an answer that is still to come leads to no other call
                self._delivery.scheduler.cancel(Endpoint.READ_CONTACTS)
                raise
        return results[0]

    @property
    def brand(self) -> Mapping[str, t.Any]:
        """Omnisend's facts about the store; empty if the key cannot read them."""
        return self._delivery.brand

    def remember_by(self, changes: ChangeFilter) -> None:
        """Use what earlier runs confirmed, from here on, and see what they left open.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when the ledger fails, or Omnisend cannot be reached.
        """
        with self._lock:
            self._delivery.changes = changes
            left_open = LeftOpen(self._delivery.scheduler, changes)
            self._ask_about(left_open)
            left_open.settle()

    def trust(self) -> None:
        """An earlier run proved what Omnisend does: no batch waits for another one."""
        with self._lock:
            self._delivery.gate.trust()

    def _ask_about(self, left_open: LeftOpen) -> None:
        left_open.ask()
        self._changed.notify()
        self._wait(lambda: not left_open.asking)

    def bring(self, origin: Origin, version: t.Any) -> None:
        """From here on the records of the stream carry this version."""
        with self._lock:
            self._delivery.bring(origin, version, self._clock())

    def activate(self, origin: Origin, version: t.Any) -> None:
        """The stream says that this version is whole."""
        with self._lock:
            self._delivery.changes.mirrors.activate(origin, version)

    @property
    def made_segments(self) -> Mapping[str, Mapping[str, t.Any]]:
        """Omnisend segments that were found or made: name → {"id", "count"}."""
        return self._delivery.maker.made

    def finish(
        self,
        *,
        segments: Mapping[str, list[t.Any]] | None = None,
        departures: Iterator[tuple[Origin, list[str]]] | None = None,
    ) -> None:
        """After the last message: wait until every record has its verdict.

        `segments` are to be there in the end: name → condition groups. `departures` are who
        loses the membership, if that is not for the mirrors to say.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when the run has ended early.
        """
        with self._lock:
            self._delivery.close(self._clock(), segments=segments, departures=departures)
            self._changed.notify()
            self._wait(lambda: self._delivery.is_over(self._clock()))

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Submit nothing more and wait for open batches, for the short grace it has.

        What is answered after that is not heard.
        """
        with self._lock:
            self._delivery.stop(self._clock())
            self._changed.notify()
            while not self._delivery.is_over(self._clock()) and not hurried():
                self._pause()
            self._over = True
            self._delivery.count_not_sent()

    def _make_room(self) -> None:
        if not self._delivery.has_room() or self._delivery.outcome.failure:
            self._changed.notify()
            self._wait(self._delivery.has_room)

    def _wait(self, until: Callable[[], bool]) -> None:
        self._check()
        while not until():
            self._pause()
            self._check()

    def _pause(self) -> None:
        """Wait until an answer has come, or for a moment."""
        self._progress.wait(_TICK)

    def _check(self) -> None:
        self._check_stopped()
        if self._delivery.outcome.failure is not None:
            raise self._delivery.outcome.failure

    def _guard(self, work: Callable[[], None]) -> None:
        """The whole body of a thread: a fault outside of a call must end the run too."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - a silent end would hang the run
            with self._lock:
                self._fail(error)

    def _hand_out(self) -> None:
        with self._lock:
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
        with self._lock:
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
