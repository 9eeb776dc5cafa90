"""A tap that resumes from a state, and runs of the command that are ended at some moment."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from support.command import Command, Ran, record, schema, state
from support.processes import PIPE, start
from support.waiting import unread
from target_omnisend.waits import SPEED_VARIABLE

if TYPE_CHECKING:
    import random
    import signal
    from collections.abc import Callable, Iterator

    from support.sandbox import Sandbox

TAG = "VIP"


@dataclass(frozen=True)
class Tap:
    """So many records, the same in each run: some of them bad, some of one person twice.

    Attributes:
        records: how many.
        every: records before each STATE, which says how many records came before it.
        pause: seconds after each STATE.
        silent: say nothing at the end, and leave the pipe open.
        go_on: if given, wait for it after the first STATE.
    """

    records: int
    every: int = 37
    pause: float = 0.0
    silent: bool = False
    go_on: threading.Event | None = None

    def email(self, number: int) -> str | None:
        """Of the record with this number; None in a bad one."""
        if number % 50 == 49:
            return None
        return f"member{number - 30 if number % 60 == 59 else number}@example.com"

    @cached_property
    def last(self) -> dict[str, int]:
        """The number of each person's last record."""
        emails = ((self.email(number), number) for number in range(self.records))
        return {email: number for email, number in emails if email}

    def messages(self, start: int) -> Iterator[dict[str, Any]]:
        """What it says after `start` records."""
        yield schema(keys=["id"], id={"type": "integer"}, name={"type": "string"})
        for number in range(start, self.records):
            yield record(self.email(number), id=number, name=name_of(number))
            if (number + 1) % self.every == 0 or number + 1 == self.records:
                yield state(read=number + 1)

    def speak(self, pipe: IO[bytes], start: int) -> None:
        """Say it, until it is said or nobody listens."""
        lines = []
        with contextlib.suppress(OSError):
            for message in self.messages(start):
                lines.append(json.dumps(message).encode() + b"\n")
                if message["type"] == "STATE":
                    pipe.write(b"".join(lines))
                    lines.clear()
                    time.sleep(self.pause)
                    if self.go_on is not None:
                        self.go_on.wait(60)
            if not self.silent:
                pipe.close()


def name_of(number: int) -> str:
    """The first name that a record gives its person."""
    return f"N{number}"


class Run:
    """One run of the command, with a tap at its input.

    Each state is checked at the moment it is read: it must cover settled records only.

    Attributes:
        states: values of the STATE lines, as far as they were read.
        early: what a state covered that was not settled.
    """

    def __init__(
        self,
        command: Command,
        sandbox: Sandbox,
        tap: Tap,
        position: int,
        *,
        speed: float = 1.0,
        **settings: Any,
    ) -> None:
        self.states: list[Any] = []
        self.early: list[str] = []
        self.started = time.monotonic()
        self._command, self._sandbox, self._tap, self._start = command, sandbox, tap, position
        config = command.config(mapping={"email": "email", "first_name": "name"}, **settings)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_OMNISEND")}
        environment[SPEED_VARIABLE] = str(speed)
        self._log = command.folder / f"log-{position}-{self.started}.txt"
        with self._log.open("wb") as log:
            self.process = start(
                *("--config", config),
                cwd=command.folder,
                env=environment,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
            )
        self._threads = [
            threading.Thread(target=tap.speak, args=(self.process.stdin, position), daemon=True),
            threading.Thread(target=self._listen, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    @property
    def position(self) -> int:
        """How many records the last state covers."""
        return int(self.states[-1]["read"]) if self.states else self._start

    def has_read_all(self) -> bool:
        """Whether it has read what the tap has said so far."""
        assert self.process.stdin is not None
        return unread(self.process.stdin.fileno()) == 0

    def wait_until(self, come: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something has come about, or the run is over."""
        until = time.monotonic() + seconds
        while not come() and self.process.poll() is None:
            assert time.monotonic() < until, f"it does not come about\n{self.log}"
            time.sleep(0.005)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, seconds: float = 60.0) -> Ran:
        """Wait for the end; what the run has said."""
        code = self.process.wait(seconds)
        self.clear_away()
        ran = Ran(code, "".join(json.dumps(value) + "\n" for value in self.states), self.log)
        if code >= 0:
            self._command._keeps_its_promises(ran)
        assert self.early == []
        read = [value["read"] for value in self.states]
        assert read == sorted(set(read)), "in order, none twice"
        return ran

    def clear_away(self) -> None:
        """Leave nothing behind, whatever became of it."""
        self.process.kill()
        self.process.wait(10)
        if self._tap.go_on is not None:
            self._tap.go_on.set()
        for thread in self._threads:
            thread.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def settled(self, number: int, covered: int) -> bool:
        """Whether a record, one of `covered` that were read, has its verdict."""
        email = self._tap.email(number)
        if email is None:
            return any(
                message["record"]["id"] == number
                for message in self._command.rejects()
                if message["type"] == "RECORD"
            )
        if self._tap.last[email] != number:
            # Merged, or about to be overwritten; its successor is looked at where it counts.
            return self._tap.last[email] >= covered or self.settled(self._tap.last[email], covered)
        contact = self._sandbox.store.contacts.get(email)
        return contact is not None and contact.first_name == name_of(number) and TAG in contact.tags

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            before, value = self.position, json.loads(line)
            self.early += [
                f"record {number} by {value}"
                for number in range(before, value["read"])
                if not self.settled(number, value["read"])
            ]
            self.states.append(value)


def moment(chance: random.Random, sandbox: Sandbox, endpoint: str, most: int) -> Callable[[], bool]:
    """A random moment after one of the next `most` calls of an endpoint."""
    counts = sandbox.store.requests.counts
    wanted = counts[endpoint] + chance.randint(1, most)
    delay = chance.uniform(0, 0.15)
    seen: list[float] = []

    def come() -> bool:
        if not seen and counts[endpoint] >= wanted:
            seen.append(time.monotonic() + delay)
        return bool(seen) and time.monotonic() >= seen[0]

    return come
