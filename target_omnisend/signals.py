"""SIGTERM and SIGINT as something to look at and to wait for, never an exception by surprise."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
import typing as t
from concurrent.futures import Future

from target_omnisend import waits
from target_omnisend.output.terminal import has_live_display
from target_omnisend.threads import start_thread

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from target_omnisend.threads import Start

_Done = t.TypeVar("_Done")

_CHUNK: t.Final = 1 << 18
"""Bytes read at once."""

_STANDARD_ERROR: t.Final = 2

_BELOW_A_DISPLAY: t.Final = b"\r\n\x1b[?25h"
"""A new line, and the cursor to be seen again."""


class Stopped(Exception):  # noqa: N818 - no error: the operator asked for it
    """SIGTERM or SIGINT came; the argument is its number."""


class Interrupt:
    """Remembers the first stop signal.

    The handler only notes the number and writes a byte to a pipe, so that it may run at any
    moment of the main thread, also while that holds a lock.

    Attributes:
        number: of the first signal, or None.
        hurried: a second signal came.
    """

    def __init__(self, start: Start = start_thread) -> None:
        """Make the pipe; `install` makes signals write to it. `start` starts a thread."""
        self._start_thread = start
        self.number: int | None = None
        self.hurried = False
        self._pressed = 0
        self._failure: Exception | None = None
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def install(self) -> None:
        """Take over SIGTERM and SIGINT, where signals can be taken over."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handle)
            signal.signal(signal.SIGINT, self._handle)
            signal.signal(signal.SIGALRM, self._force)

    def ignore(self) -> None:
        """Let no further signal change the outcome: the last lines are being written.

        Writing them can hang if the reader of standard error has stopped reading. Then a signal
        still ends the process.
        """
        if threading.current_thread() is threading.main_thread():
            seconds = 0 if self.number is None else waits.seconds(waits.FORCED_END)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            signal.signal(signal.SIGTERM, self._press)
            signal.signal(signal.SIGINT, self._press)

    def fail(self, failure: Exception) -> None:
        """From any thread: end the main thread's wait for input with this, as a signal would."""
        if self._failure is None:
            self._failure = failure
            self._wake()

    def check(self) -> None:
        """Raise `Stopped` if a signal came, or the failure that `fail` got."""
        if self.number is not None:
            raise Stopped(self.number)
        if self._failure is not None:
            raise self._failure

    def wait_for_input(self, descriptor: int) -> None:
        """Wait until a descriptor can be read.

        Raises:
            Stopped: when a signal comes first.
            Exception: the failure that `fail` gets first.
        """
        self.check()
        select.select([descriptor, self._read_end], [], [])
        self.check()

    def wait_for(self, work: Callable[[], _Done]) -> _Done:
        """Do the work in a thread, which goes on alone when the wait for it ends early.

        Without room for a thread the work is done here, and a signal waits for its end.

        Raises:
            Stopped: when a signal comes first.
            Exception: the failure that `fail` gets first, or what the work raises.
        """
        done: Future[_Done] = Future()

        def do() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                done.set_exception(error)
            self._wake()

        if not self._start_thread(do, "file"):
            self.check()
            return work()
        self.wait_for_input(self._read_end)
        os.read(self._read_end, 1)  # so that it wakes nothing else
        return done.result()

    def discard(self, descriptor: int, seconds: float) -> None:
        """Read a descriptor and throw all of it away: to its end, to a signal, or for so long."""
        end = time.monotonic() + seconds
        while self.number is None and (left := end - time.monotonic()) > 0:
            ready = select.select([descriptor, self._read_end], [], [], left)[0]
            if self._read_end in ready:  # what `fail` wrote, or a signal
                os.read(self._read_end, 1)
            if descriptor in ready and not os.read(descriptor, _CHUNK):
                return

    def close(self) -> None:
        """Close the pipe."""
        ends = (self._read_end, self._write_end)
        # A thread that is not done yet must not write into the file that gets the number next.
        self._read_end = self._write_end = -1
        for end in ends:
            os.close(end)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.hurried = self.number is not None
        self.number = self.number or number
        # Waiting for a lock or for a reader of standard output lets no exception in, but this.
        usual = waits.PRESSED if self.hurried else waits.FORCED_END
        signal.setitimer(signal.ITIMER_REAL, waits.seconds(usual))
        self._wake()

    def _press(self, number: int, _frame: FrameType | None) -> None:
        """End the process by force if the last lines are not written soon."""
        if not self._pressed:
            self._pressed = number
            signal.setitimer(signal.ITIMER_REAL, waits.seconds(waits.PRESSED))

    def _force(self, _number: int, _frame: FrameType | None) -> None:
        """End the process as a kill would, which no state that was written minds."""
        said = b"The end was forced, because something hung. Run again.\n"
        with contextlib.suppress(OSError, ValueError):
            if has_live_display(sys.stderr, os.environ):
                said = _BELOW_A_DISPLAY + said
            # It may be what hangs: then nothing is said.
            if select.select([], [_STANDARD_ERROR], [], 0)[1]:
                os.write(_STANDARD_ERROR, said)
        os._exit(128 + (self.number or self._pressed or signal.SIGTERM))

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is full, or closed
            os.write(self._write_end, b".")
