"""A whole target in this process: settings, sinks, engine and ledger are real, time is not.

What a night's schedule does takes milliseconds here, so that a test can have many runs. The
calls go through the real client's encoding and reading to a `Store`; the clock jumps.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from omnisend_sandbox.model import Store
from support.calls import NOON
from support.command import SETTINGS
from support.simulation import StoreClient
from target_omnisend.commands.closing import conclude
from target_omnisend.commands.export import export
from target_omnisend.commands.parts import Parts
from target_omnisend.commands.retire import retire
from target_omnisend.commands.session import Session
from target_omnisend.commands.verify import verify
from target_omnisend.delivery.virtual_runner import VirtualClock, VirtualRunner
from target_omnisend.ledger import Ledger
from target_omnisend.signals import Stopped
from target_omnisend.target import TargetOmnisend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

NO_PARTS: Mapping[str, Any] = {}
KILL = object()
"""In place of a message: the process is gone once it has read so far."""


class Killed(BaseException):
    """The process is gone in the middle of the run."""


@dataclass
class Ran:
    """One run of the target.

    Attributes:
        code: exit code; -9 for one that was killed.
        states: what was emitted.
        log: all sentences.
        counts: the report's totals.
        calls: writing calls by endpoint, and all others that were made.
        segments: what the report says of segments in Omnisend.
        left_out: values that were left out, by code and column.
        verifications: right, missing, extra and Omnisend's own count, by segment.
    """

    code: int = -9
    states: list[Any] = field(default_factory=list)
    log: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    segments: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[tuple[str, str], int] = field(default_factory=dict)
    verifications: Mapping[str, tuple[int, int, int, int | None]] = field(default_factory=dict)

    @property
    def writes(self) -> dict[str, int]:
        """Calls that change something, by endpoint."""
        return {name: n for name, n in self.calls.items() if not name.startswith("GET")}


class Rehearsal:
    """Runs the target again and again on one store, one clock and one folder.

    Attributes:
        store: Omnisend.
        clock: the one of all runs.
    """

    def __init__(self, folder: Path, **store: Any) -> None:
        """Nothing has been sent yet; `store` are options of `Store`."""
        self.clock = VirtualClock(datetime.fromtimestamp(NOON, UTC))
        self.store = Store(lambda: NOON + self.now, **{"batch_latency": 2.0, **store})
        self._settings = {
            **SETTINGS,
            "api_url": "http://127.0.0.1/api",
            "rejects_path": str(folder / "rejects"),
        }

    @property
    def now(self) -> float:
        """Seconds since the first run began."""
        return self.clock.now

    @now.setter
    def now(self, seconds: float) -> None:
        self.clock.now = seconds

    def __call__(
        self,
        *messages: Any,
        stop_after: Any = math.inf,
        kill_after: Any = math.inf,
        parts: Any = NO_PARTS,
        **settings: Any,
    ) -> Ran:
        """Feed messages, `KILL` or a function to call among them.

        SIGTERM or SIGKILL comes after so many seconds. `parts` are a session's, in place of ours.
        """
        lines: Any = _lines(messages)
        made = self.parts(stop_at=self.now + stop_after, kill_at=self.now + kill_after, **parts)

        def work(target: TargetOmnisend) -> int:
            session = target.session
            return conclude(session, lambda: export(session, target, lines))

        return self._run(work, made, settings)

    def retire(self, name: str, **settings: Any) -> Ran:
        """`--retire`."""

        def work(target: TargetOmnisend) -> int:
            return conclude(target.session, lambda: retire(target.session, name))

        return self._run(work, self.parts(), settings)

    def verify(
        self, name: str, *, stop_after: float = math.inf, parts: Any = NO_PARTS, **settings: Any
    ) -> Ran:
        """`--verify`; SIGTERM and `parts` as above."""
        made = self.parts(stop_at=self.now + stop_after, **parts)
        return self._run(lambda target: verify(target.session, name), made, settings)

    def tagged(self, tag: str = "VIP") -> set[str]:
        """Who has a tag, by the name before the @."""
        self.store.advance()
        return {
            contact.email.partition("@")[0]
            for contact in self.store.contacts.values()
            if tag in contact.tags
        }

    def marked(self, name: str = "segment_vip") -> set[str]:
        """The same for a property."""
        self.store.advance()
        return {
            contact.email.partition("@")[0]
            for contact in self.store.contacts.values()
            if (contact.properties or {}).get(name) is True
        }

    def parts(
        self, *, stop_at: float = math.inf, kill_at: float = math.inf, **others: Any
    ) -> Parts:
        """What a session over this store is made of; `others` replace some."""

        def check_stopped() -> None:
            if self.now >= stop_at:
                raise Stopped(15)

        def kill() -> None:
            raise Killed

        def runner(session: Session) -> VirtualRunner:
            made = VirtualRunner(
                session.make_delivery(self.now),
                session.client,
                clock=self.clock,
                check_stopped=check_stopped,
                held_back=lambda: client.delay,
                moved=self.store.advance,
            )
            made.loop.at(kill_at, kill)
            return made

        client = StoreClient(self.store)
        ours: dict[str, Any] = {
            "clock": self.clock,
            "client": lambda *_: client,
            "runner": runner,
            "ledger": _MortalLedger,
            "progress": lambda *_: nullcontext(),  # its thread would outlive a run that is killed
        }
        return Parts(**{**ours, **others})

    def _run(
        self, work: Callable[[TargetOmnisend], int], parts: Parts, settings: Mapping[str, Any]
    ) -> Ran:
        ran = Ran()
        before = Counter(self.store.requests.counts)
        merged = {k: v for k, v in {**self._settings, **settings}.items() if v is not None}
        with _heard() as heard:
            target = _Target(
                config=merged, emitted=ran.states, session=partial(Session, parts=parts)
            )
            session = target.session
            try:
                ran.code = work(target)
            except Killed:
                if isinstance(session.ledger, _MortalLedger):
                    session.ledger.die()
            finally:
                target.interrupt.close()
        ran.log = "\n".join(heard)
        ran.counts = session.outcome.total().numbers()
        ran.left_out = session.outcome.total().left_out
        ran.streams = {name: one.numbers() for name, one in session.outcome.streams.items()}
        ran.verifications = {
            name: astuple(found) for name, found in session.outcome.verifications.items()
        }
        if session.began:
            ran.segments = session.runner.made_segments
        ran.calls = Counter(self.store.requests.counts) - before
        del ran.calls["GET /brands/current"]
        assert "@example.com" not in ran.log, ran.log
        self.now += 120.0  # a new minute's budget
        return ran


class _MortalLedger(Ledger):
    """A ledger whose process can be killed."""

    def die(self) -> None:
        """Let go of the database as it is."""
        self._database.close()


class _Target(TargetOmnisend):
    def __init__(self, *, emitted: list[Any], **kwargs: Any) -> None:
        self._emitted = emitted
        super().__init__(**kwargs)

    def _setup_signal_handlers(self) -> None:
        pass

    def _write_state_message(self, state: bytes) -> None:  # type: ignore[override]
        self._emitted.append(json.loads(state))


def _lines(messages: Iterable[Any]) -> Iterator[bytes]:
    for message in messages:
        if message is KILL:
            raise Killed
        if callable(message):
            message()
        else:
            yield message if isinstance(message, bytes) else json.dumps(message).encode()


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What the target says, whoever configures logging meanwhile."""
    heard: list[str] = []
    logger = logging.getLogger("target-omnisend")
    level = logger.level

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    listener = Listener()
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
