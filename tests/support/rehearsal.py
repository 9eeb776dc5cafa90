"""A whole target in this process: settings, sinks, engine and ledger are real, time is not.

What a night's schedule does takes milliseconds here, so that a test can have many runs. The
calls go through the real client's encoding and reading to a `Store`; the clock jumps.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import json
import logging
import math
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from omnisend_sandbox.model import Store
from support.calls import NOON
from support.command import SETTINGS
from support.simulation import StoreClient
from target_omnisend.commands import session as rim
from target_omnisend.delivery.runner import Runner
from target_omnisend.signals import Stopped
from target_omnisend.target import TargetOmnisend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from target_omnisend.api.protocol import Api
    from target_omnisend.delivery.engine import Delivery

TICK = 0.25
LATENCY = 0.1
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
    """

    code: int = -9
    states: list[Any] = field(default_factory=list)
    log: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    segments: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def writes(self) -> dict[str, int]:
        """Calls that change something, by endpoint."""
        return {name: n for name, n in self.calls.items() if not name.startswith("GET")}


class Event(NamedTuple):
    """Something that happens at a time."""

    at: float
    number: int
    happen: Callable[[], None]


class Rehearsal:
    """Runs the target again and again on one store, one clock and one folder.

    Attributes:
        store: Omnisend.
        now: seconds since the first run began.
    """

    def __init__(self, folder: Path, **store: Any) -> None:
        """Nothing has been sent yet; `store` are options of `Store`."""
        self.now = 0.0
        self.store = Store(lambda: NOON + self.now, **{"batch_latency": 2.0, **store})
        self._settings = {
            **SETTINGS,
            "api_url": "http://127.0.0.1/api",
            "rejects_path": str(folder / "rejects"),
        }

    def __call__(
        self,
        *messages: Any,
        stop_after: Any = math.inf,
        kill_after: Any = math.inf,
        **settings: Any,
    ) -> Ran:
        """Feed messages, `KILL` among them; SIGTERM or SIGKILL comes after so many seconds."""
        lines: Any = _lines(messages)
        return self._run(lambda target: target.read(lines), stop_after, kill_after, settings)

    def retire(self, name: str, **settings: Any) -> Ran:
        """`--retire`."""
        return self._run(lambda target: target.run.retire(name), math.inf, math.inf, settings)

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

    def _run(
        self,
        work: Callable[[TargetOmnisend], None],
        stop_after: float,
        kill_after: float,
        settings: Mapping[str, Any],
    ) -> Ran:
        ran = Ran()
        before = Counter(self.store.requests.counts)
        world = _World(self, stop_at=self.now + stop_after, kill_at=self.now + kill_after)
        merged = {k: v for k, v in {**self._settings, **settings}.items() if v is not None}
        with _patched(world), _heard() as heard:
            target = _Target(config=merged, emitted=ran.states)
            try:
                ran.code = int(target.run.execute(lambda: work(target)))
            except Killed:
                if target.run.ledger is not None:
                    target.run.ledger._database.close()
            finally:
                target.interrupt.close()
        ran.log = "\n".join(heard)
        ran.counts = target.run.outcome.total().numbers()
        ran.left_out = target.run.outcome.total().left_out
        ran.streams = {name: one.numbers() for name, one in target.run.outcome.streams.items()}
        if "runner" in target.run.__dict__:
            ran.segments = target.run.runner.made_segments
        ran.calls = Counter(self.store.requests.counts) - before
        del ran.calls["GET /brands/current"]
        assert "@example.com" not in ran.log, ran.log
        self.now += 120.0  # a new minute's budget
        return ran


class _Target(TargetOmnisend):
    def __init__(self, *, emitted: list[Any], **kwargs: Any) -> None:
        self._emitted = emitted
        super().__init__(**kwargs)

    def _setup_signal_handlers(self) -> None:
        pass

    def _write_state_message(self, state: bytes) -> None:  # type: ignore[override]
        self._emitted.append(json.loads(state))


class _World:
    """Time: it passes when the target waits."""

    def __init__(self, rehearsal: Rehearsal, *, stop_at: float, kill_at: float) -> None:
        self.rehearsal = rehearsal
        self.stop_at, self.kill_at = stop_at, kill_at
        self._events: list[Event] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.rehearsal.now

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(NOON + self.rehearsal.now, UTC)

    def check_stopped(self) -> None:
        if self.rehearsal.now >= self.stop_at:
            raise Stopped(15)

    def runner(self, delivery: Delivery, api: Api, **_: Any) -> Runner:
        return _Runner(self, delivery, api)

    def step(self, delivery: Delivery, api: Any) -> None:
        """Make what is due, and let time pass until something more happens."""
        now = self.rehearsal.now
        while call := delivery.next_call(now):
            self._later(now + LATENCY / 2, lambda call=call: self._arrive(delivery, api, call))  # type: ignore[misc]
        moments = [now + TICK, delivery.scheduler.wake_at(now), self.kill_at]
        moments += [self._events[0].at] if self._events else []
        self.rehearsal.now = max(now, min(moments))
        self.rehearsal.store.advance()
        if self.rehearsal.now >= self.kill_at:
            raise Killed
        while self._events and self._events[0].at <= self.rehearsal.now:
            heapq.heappop(self._events).happen()

    def _arrive(self, delivery: Delivery, api: Any, call: Any) -> None:
        answer = call.run(api)
        self._later(
            self.rehearsal.now + LATENCY / 2 + api.delay,
            lambda: delivery.answered(call, answer, self.rehearsal.now),
        )

    def _later(self, at: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, Event(at, next(self._numbers), happen))


class _Runner(Runner):
    """The real one, but that its only thread is the one that waits."""

    def __init__(self, world: _World, delivery: Delivery, api: Api) -> None:
        self._delivery, self._api, self._world = delivery, api, world
        self._clock, self._check_stopped = world.monotonic, world.check_stopped
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._progress = self  # type: ignore[assignment]

    def wait(self, _: float) -> None:
        self._world.step(self._delivery, self._api)


def _lines(messages: Iterable[Any]) -> Iterator[bytes]:
    for message in messages:
        if message is KILL:
            raise Killed
        yield message if isinstance(message, bytes) else json.dumps(message).encode()


@contextmanager
def _patched(world: _World) -> Iterator[None]:
    thresholds = gc.get_threshold()
    with (
        patch.object(rim, "clock", world),
        patch.object(rim, "Runner", world.runner),
        patch.object(
            rim, "OmnisendClient", lambda *_, **__: StoreClient(world.rehearsal.store, timeout=60.0)
        ),
    ):
        yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


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
