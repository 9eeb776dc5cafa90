"""Stop signals: noted at any moment, noticed where it is safe."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from target_omnisend import waits
from target_omnisend.signals import Interrupt, Stopped
from target_omnisend.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    interrupt = Interrupt()
    interrupt.install()
    yield interrupt
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)
    interrupt.close()


def test_without_a_signal_nothing_happens(interrupt: Interrupt) -> None:
    interrupt.check()
    assert (interrupt.number, interrupt.hurried) == (None, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_raises_only_where_asked(interrupt: Interrupt, number: int) -> None:
    os.kill(os.getpid(), number)
    assert (interrupt.number, interrupt.hurried) == (number, False)
    with pytest.raises(Stopped) as stopped:
        interrupt.check()
    assert stopped.value.args == (number,)


def test_a_second_signal_hurries_and_the_first_decides(interrupt: Interrupt) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert (interrupt.number, interrupt.hurried) == (signal.SIGTERM, True)


def test_while_the_outcome_is_told_a_signal_only_bounds_the_time(interrupt: Interrupt) -> None:
    interrupt.ignore()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    os.kill(os.getpid(), signal.SIGTERM)
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= waits.PRESSED
    assert (interrupt.number, interrupt.hurried) == (None, False)


def test_any_number_of_signals_can_be_taken(interrupt: Interrupt) -> None:
    for _ in range(70_000):  # more than a pipe holds
        interrupt._handle(signal.SIGTERM, None)
    assert interrupt.hurried


def test_input_that_is_there_is_waited_for_no_longer(interrupt: Interrupt) -> None:
    there, here = os.pipe()
    os.write(here, b".")
    interrupt.wait_for_input(there)
    os.close(there)
    os.close(here)


def test_a_signal_ends_the_wait_for_silent_input(interrupt: Interrupt) -> None:
    there, here = os.pipe()
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(Stopped):
        interrupt.wait_for_input(there)
    timer.join()
    os.close(there)
    os.close(here)


def test_a_signal_is_noticed_before_input_that_is_there(interrupt: Interrupt) -> None:
    there, here = os.pipe()
    os.write(here, b".")
    interrupt._handle(signal.SIGTERM, None)
    with pytest.raises(Stopped):
        interrupt.wait_for_input(there)
    os.close(there)
    os.close(here)


def test_outside_the_main_thread_no_signal_is_taken_over() -> None:
    before = signal.getsignal(signal.SIGTERM)
    interrupt = Interrupt()
    thread = threading.Thread(target=interrupt.install)
    thread.start()
    thread.join()
    interrupt.close()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_failure_ends_the_wait_for_a_silent_tap(interrupt: Interrupt) -> None:
    there, here = os.pipe()
    threading.Timer(0.1, interrupt.fail, [ValueError("first")]).start()
    with pytest.raises(ValueError, match="first"):
        interrupt.wait_for_input(there)
    interrupt.fail(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        interrupt.check()
    os.close(there)
    os.close(here)


def test_work_that_gives_up_altogether_is_waited_for_no_longer(interrupt: Interrupt) -> None:
    otherwise = threading.Timer(3, interrupt.fail, [ValueError("it hung")])
    otherwise.start()
    with pytest.raises(SystemExit):
        interrupt.wait_for(sys.exit)
    otherwise.cancel()


def test_without_room_for_a_thread_the_work_is_done_all_the_same() -> None:
    interrupt = Interrupt(start=lambda *_: False)
    assert interrupt.wait_for(lambda: 7) == 7
    interrupt.number = signal.SIGTERM
    with pytest.raises(Stopped):
        interrupt.wait_for(lambda: 7)
    interrupt.close()


def test_a_thread_that_is_late_writes_into_no_file_of_others() -> None:
    interrupt = Interrupt()
    interrupt.close()
    reading, writing = os.pipe()  # they have the numbers now
    interrupt.fail(ValueError("too late"))
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_thread_takes_no_signal_from_the_main_thread_which_may_hang() -> None:
    def blocked() -> set[int]:
        return signal.pthread_sigmask(signal.SIG_BLOCK, [])

    before = blocked()
    seen: Future[set[int]] = Future()
    assert start_thread(lambda: seen.set_result(blocked()), "one")
    assert seen.result(60) >= {signal.SIGINT, signal.SIGTERM, signal.SIGALRM}
    assert blocked() == before
