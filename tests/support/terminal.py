"""The command at a real pseudo-terminal, whose screen can be looked at."""

from __future__ import annotations

import os
import pty
import signal
import termios
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyte

from support.processes import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from support.processes import Process

COUNTS = "received      sent  accepted  rejected unchanged"


class Terminal:
    """A process whose standard error, and output unless it goes elsewhere, is a terminal.

    Attributes:
        raw: all that the terminal was sent.
        display: the screen's lines at the latest moment when most was to be seen of the display.
    """

    def __init__(self, process: Process, leader: int, columns: int) -> None:
        self.process = process
        self.raw = b""
        self.display: list[str] = []
        self._leader = leader
        self._screen = pyte.HistoryScreen(columns, 30, history=10_000)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def screen(self) -> list[str]:
        """What is on the screen and what has left it at the top, without blank ends."""
        with self._lock:
            past = [
                "".join(line[column].data for column in range(self._screen.columns))
                for line in self._screen.history.top
            ]
            return [line.rstrip() for line in (*past, *self._screen.display)]

    @property
    def text(self) -> str:
        """The same in one piece."""
        return "\n".join(self.screen).rstrip()

    def cursor_is_hidden(self) -> bool:
        """Whether the cursor is not to be seen."""
        return self._screen.cursor.hidden

    def wait_until(self, come: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something has come about."""
        until = time.monotonic() + seconds
        while not come():
            assert time.monotonic() < until, "\n".join(self.screen)
            time.sleep(0.02)

    def wait_for_display(self) -> None:
        """Wait until the display is up."""
        self.wait_until(lambda: bool(self.display))

    def interrupt(self) -> None:
        """Send what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def end(self, seconds: float = 60.0) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(seconds)
        self._thread.join(10)
        return code

    def _listen(self) -> None:
        while True:
            try:
                said = os.read(self._leader, 65536)
            except OSError:  # nobody has it open any more
                return
            if not said:
                return
            with self._lock:
                self.raw += said
                self._stream.feed(said)
                lines = [line.rstrip() for line in self._screen.display]
            # What comes at once can end within a picture that is drawn, or wiped out.
            if 0 < _shown(lines) >= _shown(self.display):
                self.display = lines


def _shown(lines: list[str]) -> int:
    """How many lines of the display are to be seen."""
    heads = [number for number, line in enumerate(lines) if line.endswith(COUNTS)]
    return sum(map(bool, lines[heads[0] :])) if heads else 0


@contextmanager
def at_terminal(
    *arguments: str,
    folder: Path,
    columns: int = 400,  # no line of the log is broken
    text: Path | None = None,
    out: int | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Terminal]:
    """Start the command at a terminal; `text` is a file it reads, else its input stays silent."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_OMNISEND")}
    for name in ("NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        environment.pop(name, None)
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (30, columns))
    reading, writing = os.pipe()
    with text.open("rb") if text else os.fdopen(os.dup(reading), "rb") as source:
        process = start(
            *arguments,
            cwd=folder,
            env={**environment, "TERM": "xterm-256color", **(variables or {})},
            stdin=source,
            stdout=follower if out is None else out,
            stderr=follower,
        )
    os.close(follower)
    terminal = Terminal(process, leader, columns)
    try:
        yield terminal
    finally:
        process.kill()
        process.wait(10)
        terminal.end()
        for descriptor in (leader, reading, writing):
            os.close(descriptor)
