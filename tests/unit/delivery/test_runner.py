"""The threads around the engine: nothing that goes wrong in one leaves the run waiting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.simulation import Rejects, StoreClient, item_of

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.model import Store
from target_omnisend.delivery.call_threads import CallThreads
from target_omnisend.delivery.chain import Chain, Limits
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.engine import Delivery
from target_omnisend.delivery.model import Origin, Segment
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.delivery.runner import Runner
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.mapping.address import email_key
from target_omnisend.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.call import Call
    from target_omnisend.threads import Start

import datetime as dt

LINE = b'{"type":"RECORD","record":{"email":"ada@example.com","name":"Ada"}}'


class Unheard(BaseException):
    """No `Exception`, as the panics of a library in Rust."""


class BrittleClient(StoreClient):
    """A client with a fault of its own, once `place` is "a call"."""

    place = ""

    def post_batch(self, items: Sequence[bytes]) -> Answer:
        if self.place == "a call":
            raise Unheard
        return super().post_batch(items)


class BrittleDelivery(Delivery):
    """A delivery with a fault of its own, once `place` names where."""

    place = ""

    def answered(self, call: Call, answer: Answer, now: float) -> None:
        if self.place == "its answer":
            raise Unheard
        super().answered(call, answer, now)

    def next_call(self, now: float) -> Call | None:
        if self.place == "the schedule":
            raise Unheard
        return super().next_call(now)


class Running:
    """A runner over a store of its own, one thread at a time in it."""

    def __init__(
        self,
        *,
        emit: Callable[[Any], None] = print,
        stopped: Callable[[], None] = lambda: None,
        start: Start = start_thread,
        max_unconfirmed: int = 1000,
    ) -> None:
        self.store = Store(time.time)
        self.outcome = Outcome()
        yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
        limits = Limits(0.9, 60.0, max_unconfirmed, yesterday)
        self.delivery = BrittleDelivery(
            Chain(
                limits,
                now=time.monotonic(),
                key=email_key,
                checkpoint=Checkpoint(emit),
                rejects=Rejects(),
                outcome=self.outcome,
            )
        )
        self.api = BrittleClient(self.store)
        self.failures: list[RunFailed] = []
        clock = time.monotonic
        threads = CallThreads(
            self.delivery, self.api, clock=clock, failed=self.failures.append, start=start
        )
        self.runner = Runner(self.delivery, threads, clock=clock, check_stopped=stopped)
        counts = self.outcome.stream("vip")
        self.origin = Origin("vip", b'{"stream":"vip"}', counts, item_of, Segment("vip"))
        self.runner.open(self.origin)

    def admit(self, email: str = "ada@example.com") -> None:
        self.origin.counts.received += 1
        self.runner.admit(self.origin, email, item_of(LINE), LINE, None)


def test_a_run_ends_with_everybody_settled_and_the_state_out() -> None:
    states: list[Any] = []
    running = Running(emit=states.append)
    running.runner.check()
    running.admit()
    running.runner.state({"at": 1})
    running.runner.finish()
    assert (states, running.outcome.exit_code) == ([{"at": 1}], ExitCode.DONE)


@pytest.mark.parametrize("error", [RunFailed(ExitCode.FAULT, "disk full"), BrokenPipeError()])
def test_a_state_that_cannot_be_emitted_ends_the_run(error: Exception) -> None:
    def emit(_: Any) -> None:
        raise error

    running = Running(emit=emit)
    running.runner.check()
    running.admit()
    running.runner.state({"at": 1})
    with pytest.raises(RunFailed) as failure:
        running.runner.finish()
    assert failure.value.exit_code == ExitCode.FAULT


def test_an_unexpected_fault_ends_the_run_and_quotes_nobody() -> None:
    running = Running()
    running.runner.check()

    def broken(line: bytes, email: str) -> bytes:  # noqa: ARG001
        raise KeyError("ada@example.com")

    running.origin.remake = broken
    running.store.faults.add(Fault("item_flaky", code=503, failures=1))
    running.admit()
    with pytest.raises(RunFailed, match=r"KeyError at test_runner\.py") as failure:
        running.runner.finish()
    assert "ada" not in failure.value.sentence


def test_who_waits_for_input_is_told_that_the_run_has_ended() -> None:
    running = Running()
    running.runner.check()
    assert running.failures == []
    running.store.faults.add(Fault("status", "POST /batches", status=401))
    running.admit()
    running.runner.flush()
    with pytest.raises(RunFailed) as failure:
        running.runner.finish()
    assert running.failures[0] is failure.value


def test_a_stop_is_noticed_while_waiting_for_room() -> None:
    class Stop(Exception):  # noqa: N818 - no error
        pass

    wanted: list[bool] = []

    def stopped() -> None:
        if wanted:
            raise Stop

    running = Running(stopped=stopped, max_unconfirmed=0)
    running.runner.check()
    wanted.append(True)
    with pytest.raises(Stop):
        running.admit()


def test_a_second_signal_ends_the_grace_at_once() -> None:
    running = Running()
    running.store.queue.latency = 1000.0
    running.runner.check()
    running.admit()
    running.runner.flush()
    started = time.monotonic()
    running.runner.stop(hurried=lambda: True)
    assert time.monotonic() - started < 1.0


def _room_for(number: int) -> Start:
    """Starts so many threads; then the system has no room."""
    left = iter(range(number))
    return lambda work, name: next(left, None) is not None and start_thread(work, name)


@pytest.mark.parametrize("room", [0, 1])
def test_a_run_without_room_for_its_threads_ends_and_says_so(room: int) -> None:
    with pytest.raises(RunFailed, match="does not let the run start a thread") as failure:
        Running(start=_room_for(room)).runner.check()
    assert failure.value.exit_code == ExitCode.FAULT


@pytest.mark.parametrize("room", [2, 3])
def test_the_threads_that_could_start_make_do(room: int) -> None:
    running = Running(start=_room_for(room))
    running.runner.check()
    for number in range(500):
        running.admit(f"ada{number}@example.com")
    running.runner.finish()
    assert (running.outcome.exit_code, running.outcome.total().accepted) == (ExitCode.DONE, 500)


@pytest.mark.parametrize("place", ["a call", "its answer", "the schedule"])
def test_a_fault_anywhere_in_a_thread_ends_the_run(place: str) -> None:
    running = Running()
    running.runner.check()
    running.api.place = running.delivery.place = place

    def deliver() -> None:
        running.admit()
        running.runner.finish()

    with pytest.raises(RunFailed, match="Unheard"):
        deliver()
