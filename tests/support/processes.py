"""Processes of the command, each in a few milliseconds instead of the second its imports take.

A server, started once, imports the command and nothing runs in it. Each process of the command is
a fork of it: with its own arguments, folder, environment, pipes, signals and end, as `python -m
target_omnisend` has them. `REAL_PROCESSES=1` starts a new interpreter for each instead.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
REAL = bool(os.environ.get("REAL_PROCESSES"))
COMMAND = (sys.executable, "-m", "target_omnisend")
SERVER = Path(__file__).parent / "process_server.py"
READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "SSL_")
"""Variables that the interpreter or a library reads once, begin so: they need a new interpreter."""

Stream = IO[bytes] | IO[str] | int | None


def start(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    real: bool = REAL,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
) -> Process:
    """Start the command; standard streams as `subprocess.Popen` takes them, pipes unbuffered.

    `real` starts a new interpreter for it, which a test of memory or of the start needs.
    """
    variables = dict(os.environ if env is None else env)
    if real or any(_is_read_at_start(name, variables) for name in {*variables, *os.environ}):
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=cwd,
            env=variables,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=0,
        )
    return Forked(arguments, cwd, variables, (stdin, stdout, stderr))


def _is_read_at_start(name: str, variables: Mapping[str, str]) -> bool:
    return name.startswith(READ_AT_START) and variables.get(name) != os.environ.get(name)


class Forked:
    """A process of the command, with the part of `subprocess.Popen` that the tests use.

    Attributes:
        pid: its number.
        returncode: its exit code, the negative number of the signal that ended it, or None.
        stdin: what it reads, if that is a pipe.
        stdout: what it writes, if that is a pipe.
        stderr: the same for its log.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        cwd: Path,
        env: Mapping[str, str],
        streams: tuple[Stream, Stream, Stream],
    ) -> None:
        """Ask the server for it, and wait until it is there."""
        self.args = [*COMMAND, *arguments]
        self.returncode: int | None = None
        with contextlib.ExitStack() as given_away:
            ours, theirs = zip(
                *(_ends(stream, number, given_away) for number, stream in enumerate(streams)),
                strict=True,
            )
            self.stdin, self.stdout, self.stderr = ours
            request = {"arguments": arguments, "cwd": str(cwd), "env": env}
            self._channel = _ask(json.dumps(request), theirs)
        self.pid = int(self._channel.readline())
        self._ended = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the exit code.

        Raises:
            TimeoutExpired: when it does not come in time.
        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(
        self,
        input: bytes | None = None,  # noqa: A002 - Popen's name
        timeout: float | None = None,
    ) -> tuple[bytes, bytes]:
        """Write all of its input, read all that it writes, and wait for its end.

        Raises:
            TimeoutExpired: when that does not come in time.
        """
        end = None if timeout is None else time.monotonic() + timeout
        read: dict[IO[bytes], bytes] = {}
        work = [threading.Thread(target=self._write, args=(input,), daemon=True)]
        work += [
            threading.Thread(target=lambda pipe=pipe: read.update({pipe: pipe.read()}), daemon=True)
            for pipe in (self.stdout, self.stderr)
            if pipe
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        for pipe in read:
            pipe.close()
        out, log = (b"" if pipe is None else read[pipe] for pipe in (self.stdout, self.stderr))
        return out, log

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pipes and wait for the end."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.wait()

    def _write(self, text: bytes | None) -> None:
        if self.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            left = memoryview(text or b"")
            while left:
                left = left[self.stdin.write(left) :]
        self.stdin.close()

    def _listen(self) -> None:
        self.returncode = int(self._channel.readline())
        self._channel.close()
        self._ended.set()


Process = subprocess.Popen[bytes] | Forked


def _ends(
    stream: Stream, number: int, given_away: contextlib.ExitStack
) -> tuple[IO[bytes] | None, int]:
    """Our end of a pipe, if it is one, and the descriptor that the process gets."""
    if stream is None:
        return None, number
    if isinstance(stream, int) and stream >= 0:
        return None, stream
    if not isinstance(stream, int):
        return None, stream.fileno()
    if stream == DEVNULL:
        theirs = os.open(os.devnull, os.O_RDWR)
        given_away.callback(os.close, theirs)
        return None, theirs
    reading, writing = os.pipe()
    ours, theirs = (writing, reading) if number == 0 else (reading, writing)
    given_away.callback(os.close, theirs)
    return os.fdopen(ours, "wb" if number == 0 else "rb", buffering=0), theirs


def _ask(request: str, streams: tuple[int, ...]) -> IO[str]:
    """Send a request with the standard streams; the file that tells number and exit code."""
    mine, other = socket.socketpair()
    requests, server = _server()
    with mine, other:
        try:
            socket.send_fds(requests, [b"."], [*streams, other.fileno()])
        except BrokenPipeError:
            raise AssertionError(f"The process server has ended: {server.wait(60)}") from None
        channel = mine.makefile("rw")
    channel.write(f"{request}\n")
    channel.flush()
    return channel


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """What the server listens to, and the server; it ends when this process does."""
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        process = subprocess.Popen([sys.executable, str(SERVER), str(number)], pass_fds=[number])

    def end() -> None:
        ours.close()
        process.wait(60)

    atexit.register(end)
    return ours, process
