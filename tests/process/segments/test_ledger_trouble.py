"""Ledgers that cannot be used, or no longer: a plain sentence, and no state too far."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError
from support.command import SECONDS, people, schema, state
from support.processes import PIPE, start
from support.rehearsal import Rehearsal

from target_omnisend.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

SECRET = "s3cret-word"  # noqa: S105 - what must not be told
BAD = {
    "no url": "ledger.db",
    "another database": f"mysql://me:{SECRET}@127.0.0.1/x",
    "in memory": "sqlite://",
    "nobody there": f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/x",
    "an @ in the password": f"postgresql://me:{SECRET}@{SECRET}@127.0.0.1/x",
    "a folder": "sqlite:////tmp",
    "no database": "sqlite:///{folder}/text",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_ledger_that_cannot_be_used_is_told_before_anything_is_sent(
    tmp_path: Path, bad: str
) -> None:
    (tmp_path / "text").write_text("This is a text and no database, whatever it may be. " * 9)
    night = Rehearsal(tmp_path)
    ran = night(schema(), *people(3), state(a=1), ledger_url=bad.format(folder=tmp_path))
    assert (ran.code, ran.states, ran.writes) == (3, [], {})
    assert SECRET not in ran.log
    assert "ledger" in ran.log


def test_the_same_as_a_process(command: Command, sandbox: Sandbox) -> None:
    ran = command(schema(), *people(3), ledger_url=BAD["nobody there"])
    assert (ran.code, len(ran.errors), sandbox.store.batches) == (3, 1, [])
    assert "Check 'ledger_url'" in ran.errors[0]
    assert SECRET not in ran.log


@pytest.mark.parametrize(
    "settings", [{"sync_mode": "mirror"}, {"streams": {"a": {"sync_mode": "mirror"}}}]
)
def test_a_mirror_needs_a_ledger(command: Command, settings: dict[str, Any]) -> None:
    ran = command.run("--config", command.config(**settings), text=None)
    assert ran.code == 3
    assert "needs 'ledger_url'" in ran.errors[0]


@pytest.mark.parametrize("statements", [1, 2, 3, 6, 9])
def test_a_ledger_that_fails_in_mid_run_lets_no_state_go_too_far(
    tmp_path: Path, url: str, statements: int
) -> None:
    night = Rehearsal(tmp_path)
    more = {"ledger_url": url, "batch_size_rows": 100}
    messages = [schema()]
    for n in range(5):
        messages += [*people(100, 100 * n), state(read=100 * (n + 1))]
    with failing_after(statements) as parts:
        ran = night(*messages, parts=parts, **more)
    covered = ran.states[-1]["read"] if ran.states else 0
    assert ran.code == 1, ran.log
    assert ran.log.count("failed in the middle of the run") == 2, "at once, and at the end"
    assert {f"member{n}" for n in range(covered)} <= night.tagged()
    left = night(*messages, **more)
    assert (left.code, left.counts["unchanged"] >= covered) == (0, True)
    assert len(night.tagged()) == 500


@contextmanager
def failing_after(statements: int) -> Iterator[dict[str, Any]]:
    """Parts of a session whose database, once the ledger is open, takes so many statements."""
    left = [math.inf]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OperationalError("", {}, Exception("the disk is gone"))

    def open_ledger(url: str, **options: Any) -> Ledger:
        opened = Ledger(url, **options)
        left[0] = statements
        return opened

    event.listen(Engine, "before_cursor_execute", count)
    yield {"ledger": open_ledger}
    event.remove(Engine, "before_cursor_execute", count)


def test_the_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    Rehearsal(tmp_path)(schema(), *people(3), ledger_url=f"sqlite:///{tmp_path}/l.db")
    assert (tmp_path / "l.db").stat().st_mode & 0o777 == 0o600


def test_a_ledger_that_is_deleted_in_mid_run_lets_no_further_state_pass(
    command: Command, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.db"
    config = command.config(ledger_url=f"sqlite:///{ledger}", membership="property")
    with (
        (tmp_path / "log").open("w+") as log,
        start(
            *("--config", config),
            cwd=tmp_path,
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        for message in [schema(), *people(200), state(at=1)]:
            process.stdin.write(json.dumps(message).encode() + b"\n")
        first = process.stdout.readline()
        ledger.unlink()
        for message in [*people(200, 200), state(at=2)]:
            process.stdin.write(json.dumps(message).encode() + b"\n")
        rest, _ = process.communicate(timeout=SECONDS)
        log.seek(0)
        told = log.read()
    assert (process.returncode, json.loads(first), rest) == (1, {"at": 1}, b""), told
    assert told.count("was deleted or replaced in the middle of the run") == 2
    assert "exit code 1" in told.splitlines()[-1]
