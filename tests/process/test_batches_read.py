"""BATCH messages: their records meet all that RECORD messages meet."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import time
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import processes
from support.batches import ARROW, PARQUET, PLAIN, batch, json_lines, person, zipped
from support.command import record, schema, state
from support.processes import PIPE
from support.waiting import wait_for

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.command import Command
    from support.processes import Process
    from support.sandbox import Sandbox

BAD = "bad.gz (line 6 of the input), stream 'members',"
SCHEMA = schema(keys=["id"], id={"type": "integer"})


def emails(*numbers: int) -> set[str]:
    return {f"member{number}@example.com" for number in numbers}


def test_each_record_of_a_file_has_its_verdict(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    bad = b'{"id": 3,  "email": "member3 at example.com", "price": 1.10}'
    first = zipped(tmp_path / "first", [person(1), person(2), bad, {"id": "4", "email": "x"}])
    (tmp_path / "second").write_bytes(json_lines([person(5), person(1)]))
    pq.write_table(pa.Table.from_pylist([person(6), person(7)]), tmp_path / "third")

    ran = command(
        SCHEMA,
        batch(first, version=7),
        batch(tmp_path / "second", encoding=PLAIN),
        state(at=1),
        record("member8@example.com", id=8),
        batch(tmp_path / "third", encoding=PARQUET),
        batch(),
        state(at=2),
        max_rejected_percent=100,
    )

    assert (ran.code, ran.states[-1]) == (0, {"at": 2}), ran.log
    assert ran.counts == {"received": 9, "accepted": 6, "rejected": 2, "duplicates": 1}
    contacts = sandbox.store.contacts
    assert set(contacts) == emails(1, 2, 5, 6, 7, 8)
    assert {one.tags for one in contacts.values()} == {("VIP",)}
    assert command.rejections() == {"email_invalid": 2}
    (rejects,) = command.rejects_path.glob("*.jsonl")
    assert bad in rejects.read_bytes(), "as it was"
    assert first.exists()

    mended = rejects.read_bytes().replace(b" at ", b"@")
    rejects.write_bytes(mended.replace(b'"x"', b'"member4@example.com"'))
    again = command.run("--config", command.config(), "--input", str(rejects))
    assert again.counts == {"received": 2, "accepted": 2}, again.log
    assert set(contacts) == emails(1, 2, 3, 4, 5, 6, 7, 8)


def test_a_rejected_row_has_all_its_columns_in_the_rejects(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    rows = [person(number, note=f"note {number}") for number in range(1, 5)]
    rows[1]["email"] = "member2 at example.com"
    with pa.ipc.new_file(tmp_path / "file", (table := pa.Table.from_pylist(rows)).schema) as file:
        file.write_table(table)
    refused = Fault("item_refused", email="member3@")
    flaky = Fault("item_flaky", email="member4@", code=503)
    sandbox.store.faults.add(refused, flaky)

    message = batch(tmp_path / "file", encoding=ARROW)
    ran = command(SCHEMA, message, state(at=1), max_rejected_percent=100)

    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert set(sandbox.store.contacts) == emails(1, 4), "4 went again, made again from its row"
    _, *kept = command.rejects()
    assert [one["record"] for one in kept] == rows[1:3]


def test_maps_and_flattening_see_each_record(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    number = {"type": "object", "properties": {"number": {"type": "integer"}}}
    rows = [{"who": {"number": one}, "left": one == 2} for one in (1, 2, 3)]
    message = schema(who=number, left={"type": "boolean"})
    maps = {"email": "'member' + str(who['number']) + '@example.com'", "__filter__": "not left"}

    ran = command(
        message,
        batch(zipped(tmp_path / "file", rows)),
        state(at=1),
        flattening_enabled=True,
        flattening_max_depth=1,
        stream_maps={"members": maps},
    )

    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert set(sandbox.store.contacts) == emails(1, 3)
    faulty = command(message, batch(tmp_path / "file"), stream_maps={"members": {"a": "who['x']"}})
    assert faulty.code == 3
    assert "does not work on line 1 of the BATCH file file (line 2 of the input)" in faulty.log


def test_a_version_brought_in_files_can_be_activated(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    for version, those in ((1, [1, 2, 3]), (2, [1, 3])):
        ran = command(
            SCHEMA,
            batch(zipped(tmp_path / "file", [person(one) for one in those]), version=version),
            {"type": "ACTIVATE_VERSION", "stream": "members", "version": version},
            sync_mode="mirror",
            max_removed_percent=50,
            ledger_url=f"sqlite:///{tmp_path}/ledger.db",
        )
        assert ran.code == 0, ran.log
    tagged = {email for email, one in sandbox.store.contacts.items() if one.tags}
    assert tagged == emails(1, 3)


def test_whom_a_file_without_version_brought_no_version_removes(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    ran = command(
        SCHEMA,
        batch(zipped(tmp_path / "file", [person(1)])),
        record("member2@example.com", id=2) | {"version": 5},
        {"type": "ACTIVATE_VERSION", "stream": "members", "version": 5},
        sync_mode="mirror",
        max_removed_percent=100,
        ledger_url=f"sqlite:///{tmp_path}/ledger.db",
    )
    assert ran.code == 0, ran.log
    assert {email for email, one in sandbox.store.contacts.items() if one.tags} == emails(1, 2)
    assert "removed no member, because some of its records carry no version" in ran.log


@pytest.mark.parametrize(
    ("data", "sentence", "before"),
    [
        (None, f"The BATCH file {BAD} is not there.", 0),
        (
            json_lines([person(3), b'{"email": "Quillon"']),
            f"Line 2 of the BATCH file {BAD} is not JSON (19 bytes).",
            1,
        ),
        (
            json_lines([person(3), {"email": "Quillon"}]),
            f"Line 2 of the BATCH file {BAD} lacks the key property 'id'.",
            1,
        ),
    ],
    ids=["missing", "no JSON", "no key"],
)
def test_a_bad_file_ends_the_run_after_what_came_before(
    command: Command,
    sandbox: Sandbox,
    tmp_path: Path,
    data: bytes | None,
    sentence: str,
    before: int,
) -> None:
    if data is not None:
        (tmp_path / "bad.gz").write_bytes(data)
    ran = command(
        SCHEMA,
        batch(zipped(tmp_path / "good.gz", [person(1)])),
        state(at=1),
        record("member2@example.com", id=2),
        b"",
        batch(tmp_path / "bad.gz", tmp_path / "good.gz", encoding=PLAIN),
        state(at=2),
        membership="property",
    )

    assert (ran.code, ran.errors[0]) == (1, sentence), ran.log
    assert ran.states == [{"at": 1}]
    assert set(sandbox.store.contacts) == emails(*range(1, 3 + before))
    assert "Quillon" not in ran.log


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (
            batch("/", encoding=PARQUET),
            "Parquet need the extra 'parquet'. Install target-omnisend[parquet], then run again.",
        ),
        (
            batch("s3://bucket/file"),
            "needs a package that is not installed (Install s3fs to access S3). Install it",
        ),
    ],
    ids=["parquet", "s3"],
)
def test_a_package_that_is_not_there_is_named(
    command: Command, tmp_path: Path, message: dict[str, Any], advice: str
) -> None:
    for name in ("pyarrow", "s3fs"):
        (tmp_path / f"{name}.py").write_text("raise ImportError")
    if message["manifest"] == ["/"]:
        pq.write_table(pa.Table.from_pylist([person(1)]), tmp_path / "file")
        message = batch(tmp_path / "file", encoding=PARQUET)
    ran = command(SCHEMA, message, state(at=1))

    assert (ran.code, ran.states) == (3, []), ran.log
    assert advice in ran.errors[0]


@pytest.fixture
def start(command: Command) -> Iterator[Callable[..., Process]]:
    """Start the command on messages, and leave its input open; it does not outlive the test."""
    started: list[Process] = []

    def start(*messages: Any, **settings: Any) -> Process:
        process = processes.start(
            *("--config", command.config(**settings)),
            real=True,  # one test looks at its memory
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=command.folder,
        )
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(json_lines(messages))
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def _has_open(process: Process, path: Path) -> bool:
    links = Path(f"/proc/{process.pid}/fd").iterdir()
    return any(link.is_symlink() and link.readlink() == path for link in links)


@pytest.mark.parametrize("sandbox", [{"batch_latency": 3.0}], indirect=True)
@pytest.mark.parametrize("where", ["in the middle", "a file that does not come"])
def test_stopped_within_a_file(
    start: Callable[..., Process], sandbox: Sandbox, tmp_path: Path, where: str
) -> None:
    hundred = zipped(tmp_path / "first", map(person, range(100)))
    if where == "in the middle":
        second = zipped(tmp_path / "second", map(person, range(100, 100_000)))
        settings = {"max_unconfirmed": 150}
    else:
        second, settings = tmp_path / "second", {}
        os.mkfifo(second)
    messages = [SCHEMA, batch(hundred), state(at=1), batch(second), state(at=2)]
    process = start(*messages, membership="property", batch_size_rows=100, **settings)
    wait_for(lambda: sandbox.store.batches)
    with contextlib.ExitStack() as held:
        # Once it is at the second file, it has read the state before it too.
        if where == "in the middle":
            wait_for(lambda: _has_open(process, second))
        else:
            held.enter_context(second.open("wb"))  # waits for the reader, and keeps it waiting
        process.send_signal(SIGTERM)
        sent = time.monotonic()
        out, log = process.communicate(timeout=30)

    assert process.returncode == 143, log.decode()
    assert time.monotonic() - sent < 20, "the open batch had the time it needed, and no more"
    assert [json.loads(line) for line in out.splitlines()] == [{"at": 1}]
    assert len(sandbox.store.contacts) < 300
    assert b"Traceback" not in log


def test_a_large_file_is_never_held_whole(
    start: Callable[..., Process], sandbox: Sandbox, tmp_path: Path
) -> None:
    with gzip.open(tmp_path / "file", "wb", compresslevel=1) as file:
        for number in range(1000):
            file.write(json_lines([person(number, note="x" * 200_000)]))
    message = batch(tmp_path / "file")
    settings = {"membership": "property", "max_unconfirmed": 200, "batch_size_rows": 100}
    process = start(SCHEMA, message, state(at=1), **settings)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"at": 1}
    # Not `ru_maxrss`, which counts what this process had when it started the other.
    status = Path(f"/proc/{process.pid}/status").read_text()
    process.communicate(timeout=30)

    assert process.returncode == 0
    assert len(sandbox.store.contacts) == 1000
    megabytes = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024
    assert megabytes < 180, "where the file holds 200"
