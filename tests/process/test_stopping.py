"""A run may be ended at any moment: what its states cover is safe, the next run does the rest.

`STOP_SEED` repeats or varies the random moments.
"""

from __future__ import annotations

import os
import random
import threading
import time
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING, Any

import pytest
from support import processes
from support.stopping import TAG, Run, Tap, moment

from omnisend_sandbox.faults import Fault
from target_omnisend.waits import GRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

SEED = int(os.environ.get("STOP_SEED", "20260315"))
CODES = {SIGTERM: 143, SIGINT: 130, SIGKILL: -9}
TAP = Tap(records=900, pause=0.02)
SETTINGS: dict[str, Any] = {"batch_size_rows": 100, "quota_share": 0}
STARTING, POSTING = ("GET /brands/current", 1), ("POST /batches", 8)
LISTING, TAGGING = ("GET /batches", 3), ("POST /contacts/tags", 2)
FIRST = 103
"""Records of which 100 make a batch: two are bad, and one person is there twice."""
UNHURRIED = {"latency": 0.03, "batch_latency": 0.2, "progressive": True}


def _everybody_arrived(command: Command, sandbox: Sandbox, tap: Tap) -> None:
    contacts = sandbox.store.contacts
    assert set(contacts) == set(tap.last)
    wrong = [
        email
        for email, number in tap.last.items()
        if contacts[email].first_name != f"N{number}" or contacts[email].tags != (TAG,)
    ]
    assert wrong == []
    refused = {m["record"]["id"] for m in command.rejects() if m["type"] == "RECORD"}
    assert refused == {number for number in range(tap.records) if tap.email(number) is None}


def _settled_first(run: Run, tap: Tap) -> int:
    """The newest state that could be true."""
    states = [m["value"]["read"] for m in tap.messages(0) if m["type"] == "STATE"]
    done = [s for s in states if all(run.settled(number, s) for number in range(s))]
    return max(done, default=0)


@pytest.fixture
def start(command: Command, sandbox: Sandbox) -> Iterator[Callable[..., Run]]:
    """Start a run; none outlives the test."""
    runs: list[Run] = []

    def start(tap: Tap, position: int = 0, **settings: Any) -> Run:
        runs.append(Run(command, sandbox, tap, position, **{**SETTINGS, **settings}))
        return runs[-1]

    yield start
    for run in runs:
        run.clear_away()


def _first_settled(
    start: Callable[..., Run], records: int, **settings: Any
) -> tuple[Run, threading.Event]:
    """A run whose first batch is settled, whose tap then waits, and what makes that go on."""
    tap = Tap(records=records, every=FIRST, silent=True, go_on=threading.Event())
    run = start(tap, batch_size_rows=FIRST, **settings)
    run.wait_until(lambda: run.position == FIRST)
    assert tap.go_on is not None
    return run, tap.go_on


@pytest.mark.parametrize("sandbox", [UNHURRIED], indirect=True)
@pytest.mark.parametrize(
    ("signals", "stages"),
    [
        ((SIGKILL,), [POSTING, TAGGING, LISTING]),
        ((SIGKILL,), [TAGGING, STARTING, POSTING]),
        ((SIGTERM, SIGINT), [POSTING, TAGGING, POSTING]),
    ],
    ids=["kill", "kill later", "term and int"],
)
def test_ended_at_random_moments_and_run_again_nobody_is_lost(
    command: Command,
    sandbox: Sandbox,
    start: Callable[..., Run],
    signals: tuple[Signals, ...],
    stages: list[tuple[str, int]],
) -> None:
    chance = random.Random(f"{SEED} {signals} {stages}")  # noqa: S311 - repeatable, not secret
    position, ended = 0, 0
    for turn, stage in enumerate(stages):
        number = signals[turn % len(signals)]
        run = start(TAP, position)
        run.wait_until(moment(chance, sandbox, *stage))
        run.send(number)
        sent = time.monotonic()
        ran = run.end(GRACE + 5)

        done = "exit code 0" in ran.log  # and then Python's own end, which handles no signal
        assert ran.code in ({0, CODES[number], -number} if done else {CODES[number]}), ran.log
        assert time.monotonic() - sent < GRACE + 3
        if number is not SIGKILL and turn == 0:
            assert run.position == _settled_first(run, TAP), "the newest state that is true"
        position = run.position
        ended += ran.code != 0
    ran = start(TAP, position).end()

    assert ran.code == 0, ran.log
    assert ended
    _everybody_arrived(command, sandbox, TAP)


WAITS: dict[str, tuple[list[Fault], dict[str, Any]]] = {
    "a 429 pause": ([Fault("throttle", "POST /batches", retry_after=60)], {}),
    "the budget": ([], {"quota_share": 0.0025}),
    "a retry": ([Fault("status", "POST /batches", status=503)], {}),
    "silent input": ([], {}),
}


@pytest.mark.parametrize(("wait", "number"), list(zip(WAITS, [SIGTERM, SIGINT] * 2, strict=True)))
def test_a_wait_does_not_delay_the_end(
    sandbox: Sandbox, start: Callable[..., Run], wait: str, number: Signals
) -> None:
    faults, settings = WAITS[wait]
    run, go_on = _first_settled(start, 130 if wait == "silent input" else 400, **settings)
    sandbox.store.faults.add(*faults)
    go_on.set()
    run.wait_until(lambda: not faults or sandbox.store.faults.hits.total() > 0)
    run.wait_until(run.has_read_all)
    run.send(number)
    sent = time.monotonic()

    assert run.end().code == CODES[number]
    assert time.monotonic() - sent < 5, "nothing is open that could be waited for"
    assert run.states == [{"read": FIRST}]
    assert len(sandbox.store.contacts) == 100, "what waits is not sent any more"


@pytest.mark.parametrize("sandbox", [{"batch_latency": 3.0}], indirect=True)
def test_stopped_while_reading_waits_for_room(sandbox: Sandbox, start: Callable[..., Run]) -> None:
    run = start(Tap(records=400, every=FIRST), batch_size_rows=FIRST, max_unconfirmed=100)
    run.wait_until(lambda: len(sandbox.store.batches) == 1)
    run.wait_until(lambda: sandbox.store.requests.counts["GET /batches"] > 0)
    run.send(SIGTERM)

    assert run.end().code == 143
    assert run.states == [{"read": FIRST}], "the open batch had the time it needed"


def test_a_second_signal_ends_the_grace(sandbox: Sandbox, start: Callable[..., Run]) -> None:
    sandbox.store.faults.add(Fault("stuck"))
    run = start(TAP)
    run.wait_until(lambda: len(sandbox.store.batches) == 8)
    run.send(SIGINT)
    asked = sandbox.store.requests.counts
    before = asked["GET /batches"]
    run.wait_until(lambda: asked["GET /batches"] >= before + 2)
    assert run.process.poll() is None
    run.send(SIGTERM)
    sent = time.monotonic()

    assert run.end().code == 130, "the first says why"
    assert time.monotonic() - sent < 3
    assert run.states == []


def test_batches_that_stay_pending_get_the_grace_and_no_more(
    command: Command, sandbox: Sandbox, start: Callable[..., Run]
) -> None:
    run, go_on = _first_settled(start, 400, speed=4)
    sandbox.store.faults.add(Fault("stuck"))
    go_on.set()
    run.wait_until(lambda: len(sandbox.store.batches) == 3)
    run.send(SIGTERM)
    sent = time.monotonic()
    ran = run.end()

    assert ran.code == 143
    assert GRACE / 4 - 1 < time.monotonic() - sent < GRACE / 4 + 3
    assert run.states == [{"read": FIRST}]
    sandbox.store.faults.clear()
    tap = Tap(records=400)
    assert start(tap, FIRST).end().code == 0
    _everybody_arrived(command, sandbox, tap)


def test_silent_input_does_not_hold_back_what_was_read(
    sandbox: Sandbox, start: Callable[..., Run]
) -> None:
    run = start(Tap(records=30, silent=True), speed=8)
    run.wait_until(lambda: run.position == 30)
    run.send(SIGTERM)

    assert run.end().code == 143
    assert len(sandbox.store.contacts) == 30


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_stopped_while_modules_are_imported(tmp_path: Path, number: Signals) -> None:
    (tmp_path / "singer_sdk.py").write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(600)\n"
    )
    process = processes.start(
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        real=True,
        stdin=processes.DEVNULL,
        stdout=processes.PIPE,
        stderr=processes.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    code = CODES[number]
    assert process.returncode == code
    assert told.decode() == f"Stopped by {number.name} before the run; exit code {code}.\n"
