"""A failed run reads and throws away what its tap still writes: its pipe must not break."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.command import SECONDS, record, schema
from support.processes import DEVNULL, PIPE, start

from target_omnisend.waits import SPEED_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.command import Command

LINES = 5_000
"""More than a pipe holds, with `LINE`."""

LINE = json.dumps(record(None, note="x" * 200)).encode() + b"\n"


class Tap:
    """Writes into the target until its pipe breaks; `wrote` lines."""

    def __init__(self, command: Command, speed: float = 1.0, **settings: Any) -> None:
        self.process = start(
            *("--config", command.config(**settings)),
            cwd=command.folder,
            env={**os.environ, SPEED_VARIABLE: str(speed)},
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        self.wrote = 0
        self.broken = False
        self.log = ""

    def write(self) -> None:
        """All lines, the last of them once the run has failed."""
        assert self.process.stderr is not None
        assert self.process.stdin is not None
        lines = [json.dumps(schema()).encode() + b"\n", *[LINE] * LINES]
        try:
            for line in lines:
                self.process.stdin.write(line)
                self.wrote += 1
            while not re.search(r"\| ERROR ", self.log):
                self.log += self.process.stderr.readline().decode()
            self.process.stdin.write(LINE)
            self.process.stdin.close()
        except BrokenPipeError:
            self.broken = True

    def end(self) -> tuple[int, str]:
        """The exit code and the last line."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.log += self.process.stderr.read().decode()
        return self.process.wait(60), self.log.splitlines()[-1]


@pytest.fixture
def taps() -> Iterator[list[Tap]]:
    started: list[Tap] = []
    yield started
    for tap in started:
        tap.process.kill()
        tap.process.wait()
        for pipe in (tap.process.stdin, tap.process.stdout, tap.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"api_key": "wrong"}, 3), ({"membership": "group"}, 3), ({}, 4)],
    ids=["key", "setting", "rejected"],
)
def test_the_taps_pipe_does_not_break(
    command: Command, taps: list[Tap], settings: dict[str, Any], code: int
) -> None:
    tap = Tap(command, **settings)
    taps.append(tap)
    tap.write()
    ended, last = tap.end()

    assert (tap.broken, tap.wrote, ended) == (False, LINES + 1, code), last
    assert f"exit code {code}" in last


def test_a_tap_that_writes_for_ever_is_left_in_the_end(command: Command, taps: list[Tap]) -> None:
    tap = Tap(command, speed=20, membership="group")
    taps.append(tap)
    assert tap.process.stdin is not None
    with pytest.raises(BrokenPipeError):
        tap.process.stdin.writelines(itertools.repeat(LINE))
    assert tap.end()[0] == 3


@pytest.mark.parametrize("settings", [{"api_key": "wrong"}, {"membership": "group"}], ids=repr)
def test_a_signal_ends_it_at_once(
    command: Command, taps: list[Tap], settings: dict[str, Any]
) -> None:
    tap = Tap(command, **settings)
    taps.append(tap)
    log: list[bytes] = []
    assert tap.process.stderr is not None
    errors = iter(tap.process.stderr.readline, b"")
    for line in errors:
        log.append(line)
        if b"ERROR" in line:
            break
    reader = threading.Thread(target=lambda: log.extend(errors))
    reader.start()
    tap.process.send_signal(signal.SIGTERM)
    code = tap.process.wait(60)  # of the signal, if that is seen first
    reader.join()
    assert f"exit code {code}".encode() in log[-1]


def test_a_file_is_not_read_to_its_end(command: Command) -> None:
    text = command.folder / "input.jsonl"
    text.write_bytes(LINE * LINES)
    with text.open("rb") as source:
        config = command.config(api_key="")
        process = start(
            *("--config", config), cwd=command.folder, stdin=source, stdout=DEVNULL, stderr=PIPE
        )
        with process:
            process.communicate(timeout=SECONDS)
        assert (process.returncode, os.lseek(source.fileno(), 0, os.SEEK_CUR)) == (3, 0)
