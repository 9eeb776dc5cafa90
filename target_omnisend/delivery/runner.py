"""A `Delivery` as a session uses it: what it takes in, and what it waits for."""

from __future__ import annotations

import typing as t

from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call
from target_omnisend.delivery.left_open import LeftOpen
from target_omnisend.mapping.contact import UNDATED

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.lane import Lane
    from target_omnisend.api.protocol import Api
    from target_omnisend.delivery.change_filter import ChangeFilter
    from target_omnisend.delivery.engine import Delivery
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.model import Origin

_Seen = t.TypeVar("_Seen")
_Result = t.TypeVar("_Result")


class Mover(t.Protocol):
    """What makes a delivery's calls; `CallThreads` in real time."""

    @property
    def lock(self) -> AbstractContextManager[t.Any]:
        """To be held by each access to the delivery."""

    def wake(self) -> None:
        """Look at once which calls are due."""

    def pause(self) -> None:
        """Let go of the lock until something can have changed."""

    def end(self) -> None:
        """Take no answer any more."""


class Runner:
    """A delivery as its commands use it, each access under one lock."""

    def __init__(
        self,
        delivery: Delivery,
        mover: Mover,
        *,
        clock: Callable[[], float],
        check_stopped: Callable[[], None],
    ) -> None:
        """`mover` moves `delivery`; `check_stopped` raises when the run must stop."""
        self._delivery = delivery
        self._mover = mover
        self._lock = mover.lock
        self._clock = clock
        self._check_stopped = check_stopped
        self._room = 0

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
            # The room is asked for once for many records: only what comes in here takes it.
            if delivery.outcome.failure is not None or self._room <= 0:
                self._make_room()
            self._room -= 1
            delivery.admit(origin, email, item, line, self._clock(), fingerprint, consent)

    def delete(self, origin: Origin, email: str, item: bytes, line: t.SupportsBytes) -> None:
        """Take in a record that says it was deleted; waits for room.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when the run has ended early.
        """
        with self._lock:
            self._make_room()
            self._room -= 1
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
            self._mover.wake()

    def check(self) -> None:
        """Ask Omnisend whether the key is good, before anything is written.

        Raises:
            Stopped: by `check_stopped`.
            RunFailed: when it is not, or when Omnisend cannot be reached.
        """
        with self._lock:
            self._delivery.check()
            self._mover.wake()
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
            self._mover.wake()
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
                self._mover.wake()
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
        self._mover.wake()
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
            self._mover.wake()
            self._wait(lambda: self._delivery.is_over(self._clock()))

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Submit nothing more and wait for open batches, for the short grace it has.

        What is answered after that is not heard.
        """
        with self._lock:
            self._delivery.stop(self._clock())
            self._mover.wake()
            while not self._delivery.is_over(self._clock()) and not hurried():
                self._mover.pause()
            self._mover.end()
            self._delivery.count_not_sent()

    def _make_room(self) -> None:
        if not self._delivery.has_room() or self._delivery.outcome.failure:
            self._mover.wake()
            self._wait(self._delivery.has_room)
        self._room = self._delivery.room()

    def _wait(self, until: Callable[[], bool]) -> None:
        self._check()
        while not until():
            self._mover.pause()
            self._check()

    def _check(self) -> None:
        self._check_stopped()
        if self._delivery.outcome.failure is not None:
            raise self._delivery.outcome.failure
