"""A kill at random moments, with each kind of `rejects_path`.

Every record before the last state is accepted, or can be read among the rejects.
`STOP_SEED` repeats or varies the moments.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
from contextlib import closing
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.command import Command
from support.rehearsal import Rehearsal
from support.s3 import BUCKET, running_s3
from support.stopping import Run, Tap, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.sandbox import Sandbox

SEED = int(os.environ.get("STOP_SEED", "20260315"))
PLACES = ("rejects", "memory://rejects", "ledger")
SECONDS = 75.0
"""Most of a rehearsal that is not killed."""
UNHURRIED = {"latency": 0.03, "batch_latency": 0.2, "progressive": True}


def in_ledger(path: Path) -> list[dict[str, Any]]:
    """What a ledger keeps, also while a run has it: a copy is read."""
    if not path.exists():
        return []
    copy = path.with_name("copy.db")
    while _copy(path, copy) != _stamps(path):
        pass  # the run has written meanwhile
    with closing(sqlite3.connect(copy)) as database:
        tables = database.execute("SELECT name FROM sqlite_master").fetchall()
        if ("target_omnisend_rejects",) not in tables:
            return []
        rows = database.execute("SELECT message FROM target_omnisend_rejects").fetchall()
        return [json.loads(text) for (text,) in rows]


def _copy(path: Path, copy: Path) -> list[Any]:
    """Copy a database and its log; what they looked like before."""
    stamps = _stamps(path)
    for end in ("", "-wal"):
        (target := copy.with_name(copy.name + end)).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(path.with_name(path.name + end), target)
    return stamps


def _stamps(path: Path) -> list[Any]:
    looked: list[Any] = []
    for end in ("", "-wal"):
        try:
            status = path.with_name(path.name + end).stat()
            looked.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except FileNotFoundError:
            looked.append(None)
    return looked


def in_memory() -> list[dict[str, Any]]:
    """What the memory's file system has."""
    texts = [file.getvalue() for _, file in sorted(MemoryFileSystem.store.items())]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def in_folder(folder: Path) -> list[dict[str, Any]]:
    """What the files of a folder have."""
    texts = [path.read_text() for path in folder.glob("*.jsonl")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def numbers(messages: list[dict[str, Any]]) -> set[int]:
    return {one["record"]["id"] for one in messages if one["type"] == "RECORD"}


@pytest.mark.parametrize("place", PLACES)
def test_every_record_before_the_last_state_is_accepted_or_kept(tmp_path: Path, place: str) -> None:
    chance = random.Random(f"{SEED} {place}")  # noqa: S311 - repeatable, not secret
    MemoryFileSystem.store.clear()
    tap = Tap(records=2500)
    bad = {number for number in range(tap.records) if tap.email(number) is None}
    night = Rehearsal(tmp_path)
    url = f"sqlite:///{tmp_path}/ledger.db"
    settings: dict[str, Any] = {
        "ledger_url": url if place == "ledger" else None,
        "rejects_path": str(tmp_path / place) if place == "rejects" else place,
        "mapping": {"email": "email", "first_name": "name"},
        "membership": "property",
        "quota_share": 0.02,  # so that the batches do not all go at once
    }

    def kept() -> set[int]:
        if place == "ledger":
            return numbers(in_ledger(tmp_path / "ledger.db"))
        return numbers(in_memory() if place != "rejects" else in_folder(tmp_path / place))

    position, killed = 0, 0
    for _ in range(5):
        ran = night(*tap.messages(position), kill_after=chance.uniform(0, SECONDS), **settings)
        killed += ran.code == -9
        position = ran.states[-1]["read"] if ran.states else position
        people = {email for email, last in tap.last.items() if last < position}
        assert people <= set(night.store.contacts)
        assert {number for number in bad if number < position} <= kept()
    assert night(*tap.messages(position), **settings).code == 0
    assert (set(night.store.contacts), kept(), killed > 1) == (set(tap.last), bad, True)
    MemoryFileSystem.store.clear()


class Elsewhere(Command):
    """The command with its rejects in another place."""

    read: Callable[[], list[dict[str, Any]]]

    def rejects(self) -> list[dict[str, Any]]:
        """Every message that is kept."""
        return self.read()


@pytest.fixture(params=["ledger", "s3"])
def elsewhere(
    request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox, monkeypatch: Any
) -> Iterator[Elsewhere]:
    command = Elsewhere(tmp_path, sandbox.api_url)
    if request.param == "ledger":
        ledger = tmp_path / "ledger.db"
        command._settings |= {"ledger_url": f"sqlite:///{ledger}", "rejects_path": "ledger"}
        command.read = lambda: in_ledger(ledger)
        yield command
        return
    with running_s3() as s3:
        for name, value in s3.variables.items():
            monkeypatch.setenv(name, value)
        command._settings |= {"rejects_path": f"s3://{BUCKET}/rejects"}
        command.read = lambda: [m for m in s3.messages() if m["type"] == "RECORD"]
        yield command


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", [UNHURRIED], indirect=True)
def test_killed_as_a_process_and_run_again(elsewhere: Elsewhere, sandbox: Sandbox) -> None:
    chance = random.Random(f"{SEED} process")  # noqa: S311 - repeatable, not secret
    tap = Tap(records=900, pause=0.02)
    position, ended = 0, 0
    for stage in (("POST /batches", 8), ("POST /contacts/tags", 2), ("GET /batches", 3)):
        run = Run(elsewhere, sandbox, tap, position, batch_size_rows=100, quota_share=0)
        try:
            run.wait_until(moment(chance, sandbox, *stage))
            run.send(SIGKILL)
            ended += run.end(60).code == -9  # it looks at what each state covers
        finally:
            run.clear_away()
        position = run.position
    run = Run(elsewhere, sandbox, tap, position, batch_size_rows=100, quota_share=0)
    try:
        assert run.end(90).code == 0, run.log
    finally:
        run.clear_away()
    assert ended
    bad = {number for number in range(tap.records) if tap.email(number) is None}
    assert (set(sandbox.store.contacts), numbers(elsewhere.rejects())) == (set(tap.last), bad)
