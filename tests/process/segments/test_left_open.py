"""A batch that one run leaves open can be carried out after the next run: its people go again."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.command import Command, people, record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.sandbox import Sandbox

NAME: dict[str, Any] = {"name": {"type": ["string", "null"]}}
MAPPED = {"email": "email", "first_name": "name"}
DAY = 86_400.0
EARLY_ENDS: dict[str, dict[str, Any]] = {
    "given up": {"confirm_timeout": 60},
    "stopped": {"stop_after": 30.0},
    "killed": {"kill_after": 30.0},
}


class Nights:
    """The same few people, night after night, by another name when a test says so."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.rehearsal = Rehearsal(folder)
        self.settings = {"ledger_url": f"sqlite:///{self.path}", "mapping": MAPPED}

    def __call__(self, name: str, **more: Any) -> Any:
        people = [record(f"member{n}@example.com", name=f"{name}{n}") for n in range(5)]
        return self.rehearsal(schema(**NAME), *people, state(at=1), **self.settings, **more)

    @property
    def names(self) -> set[str]:
        """First letters of the names that Omnisend has."""
        self.rehearsal.store.advance()
        return {one.first_name[0] for one in self.rehearsal.store.contacts.values()}

    @property
    def left_open(self) -> int:
        with closing(sqlite3.connect(self.path)) as database:
            (count,) = database.execute("SELECT count(*) FROM target_omnisend_batches").fetchone()
        return int(count)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


@pytest.mark.parametrize("known_before", [True, False])
@pytest.mark.parametrize("end", EARLY_ENDS.values(), ids=EARLY_ENDS)
def test_people_that_a_late_batch_overwrote_are_sent_again(
    nights: Nights, end: dict[str, Any], *, known_before: bool
) -> None:
    if known_before:
        assert nights("A").code == 0
    nights.rehearsal.store.faults.add(Fault("stuck", times=1, seconds=900.0))
    assert nights("B", **end).code != 0
    assert nights.left_open == 1

    second = nights("C")
    assert (second.code, second.counts["accepted"], nights.names) == (0, 5, {"C"})
    nights.rehearsal.now += 1000.0
    assert nights.names == {"B"}, "the late batch has overwritten them"

    third = nights("C")
    assert (third.code, third.counts["accepted"], nights.names) == (0, 5, {"C"})
    assert (nights.left_open, nights("C").counts["unchanged"]) == (0, 5)


def test_a_batch_that_is_never_over_is_forgotten_after_days(nights: Nights) -> None:
    nights.rehearsal.store.faults.add(Fault("stuck", times=1))
    nights("B", confirm_timeout=60)
    for _ in range(3):
        assert nights("C").counts["accepted"] == 5
        nights.rehearsal.now += 2 * DAY
    nights.rehearsal.now += 2 * DAY
    assert (nights("C").counts["accepted"], nights.left_open) == (5, 0)
    assert nights("C").counts["unchanged"] == 5


def test_a_run_that_ends_well_leaves_no_batch_open(nights: Nights) -> None:
    ran = nights("A")
    assert (ran.code, nights.left_open) == (0, 0)
    assert ran.calls["GET /batches/{id}"] == 0


def test_a_dry_run_counts_them_as_changed_asks_nothing_and_forgets_nothing(
    command: Command, sandbox: Sandbox
) -> None:
    path = command.folder / "ledger.db"
    messages = [schema(), *people(5)]
    assert command(*messages, ledger_url=f"sqlite:///{path}").code == 0
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO target_omnisend_batches SELECT brand, 'left', ?, ?"
            " FROM target_omnisend_segments",
            (json.dumps(["member1@example.com", "member3@example.com"]), int(time.time())),
        )
    calls = Counter(sandbox.store.requests.counts)
    text = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    dry = command.run(
        "--dry-run", "--config", command.config(ledger_url=f"sqlite:///{path}"), text=text
    )
    assert "2 would be accepted, 3 unchanged" in dry.log
    assert Counter(sandbox.store.requests.counts) - calls == {"GET /brands/current": 1}

    ran = command(*messages, ledger_url=f"sqlite:///{path}")
    assert (ran.code, ran.counts["accepted"], ran.counts["unchanged"]) == (0, 2, 3)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT batch FROM target_omnisend_batches").fetchall() == [
            ("left",)
        ]
