"""The rejects file: Singer input with a reason on each record."""

from __future__ import annotations

import datetime as dt
import errno
import io
import os
import resource
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.rejects import RejectsFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = dt.datetime(2026, 11, 22, 10, 20, 30, 400_000, dt.UTC)
SCHEMA = b'{"type": "SCHEMA", "stream": "vip", "schema": {"properties": {}}, "key_properties": []}'
LINE = b'{"type": "RECORD",  "stream": "vip", "record": {"email": "ada@", "price": 1.10}}'
REASON: dict[str, Any] = {
    "code": "email_invalid",
    "field": "email",
    "message": "is no e-mail address",
    "stage": "mapping",
}


@pytest.fixture
def rejects(tmp_path: Path) -> Iterator[RejectsFile]:
    rejects = RejectsFile(tmp_path / "refused", "5eed1234", lambda: NOW)
    yield rejects
    if rejects._file is not None:
        rejects._file.close()


def lines_of(rejects: RejectsFile) -> list[bytes]:
    return rejects.path.read_bytes().splitlines()


def test_without_a_refusal_there_is_no_file_and_no_folder(rejects: RejectsFile) -> None:
    rejects.sync()
    assert (rejects.path.exists(), rejects.path.parent.exists()) == (False, False)


def test_the_file_is_named_after_start_and_run(rejects: RejectsFile) -> None:
    assert rejects.path.name == "20261122T102030Z-5eed1234.jsonl"


def test_a_refused_record_stands_after_its_schema_with_the_reason(rejects: RejectsFile) -> None:
    rejects.add(SCHEMA, LINE, **REASON)
    schema, record = lines_of(rejects)
    assert schema == SCHEMA
    assert msgspec.json.decode(record) == {
        **msgspec.json.decode(LINE),
        "rejection": {
            **REASON,
            "batch_id": None,
            "item_id": None,
            "status": None,
            "at": "2026-11-22T10:20:30Z",
        },
    }


def test_what_omnisend_said_is_kept(rejects: RejectsFile) -> None:
    said = {"batch_id": "6a1d", "item_id": "2", "status": 400, "stage": "omnisend"}
    rejects.add(SCHEMA, LINE, **{**REASON, **said})
    rejection = msgspec.json.decode(lines_of(rejects)[1])["rejection"]
    assert {name: rejection[name] for name in said} == said


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b" \t\n"], ids=repr)
def test_not_a_character_of_the_message_changes(rejects: RejectsFile, end: bytes) -> None:
    rejects.add(SCHEMA + end, LINE + end, **REASON)
    assert lines_of(rejects)[1].startswith(LINE[:-1] + b',"rejection":{')


def test_a_schema_stands_once_before_its_records(rejects: RejectsFile) -> None:
    for _ in range(3):
        rejects.add(SCHEMA, LINE, **REASON)
    assert [line == SCHEMA for line in lines_of(rejects)] == [True, False, False, False]


def test_each_stream_has_its_schema(rejects: RejectsFile) -> None:
    other = SCHEMA.replace(b'"vip"', b'"all"')
    for schema in (SCHEMA, other, SCHEMA, other):
        rejects.add(schema, LINE, **REASON)
    assert [line for line in lines_of(rejects) if b"SCHEMA" in line] == [SCHEMA, other]


def test_a_changed_schema_stands_before_the_records_it_is_for(rejects: RejectsFile) -> None:
    changed = SCHEMA.replace(b"{}", b'{"a": {}}')
    for schema in (SCHEMA, changed, changed):
        rejects.add(schema, LINE, **REASON)
    assert [n for n, line in enumerate(lines_of(rejects)) if b"SCHEMA" in line] == [0, 2]
    assert lines_of(rejects)[2] == changed


def test_a_record_refused_again_has_only_the_latest_reason(rejects: RejectsFile) -> None:
    before = LINE[:-1] + b', "rejection": {"code": "email_missing"}}'
    rejects.add(SCHEMA, before, **REASON)
    record = lines_of(rejects)[1]
    assert record.count(b'"rejection"') == 1
    assert msgspec.json.decode(record)["rejection"]["code"] == "email_invalid"


def test_each_line_is_a_singer_message(rejects: RejectsFile) -> None:
    rejects.add(SCHEMA, LINE, **REASON)
    rejects.add(SCHEMA, LINE, **{**REASON, "message": 'odd "quotes"\nand lines'})
    types = [msgspec.json.decode(line)["type"] for line in lines_of(rejects)]
    assert types == ["SCHEMA", "RECORD", "RECORD"]


def test_the_file_is_there_at_once_whatever_becomes_of_the_process(rejects: RejectsFile) -> None:
    rejects.add(SCHEMA, LINE, **REASON)
    assert len(lines_of(rejects)) == 2


def test_only_the_owner_may_read_file_and_folder(rejects: RejectsFile) -> None:
    before = os.umask(0)
    try:
        rejects.add(SCHEMA, LINE, **REASON)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (rejects.path, rejects.path.parent)]
    assert modes == [0o600, 0o700]


def test_a_file_in_the_way_of_the_folder_is_said_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="'rejects_path'") as failure:
        RejectsFile(tmp_path / "file" / "refused", "1", lambda: NOW)
    assert failure.value.exit_code == ExitCode.SETTINGS


def test_a_file_that_is_there_already_is_not_overwritten(rejects: RejectsFile) -> None:
    rejects.path.parent.mkdir()
    rejects.path.write_text("precious")
    with pytest.raises(RunFailed, match="cannot be written"):
        rejects.add(SCHEMA, LINE, **REASON)
    assert rejects.path.read_text() == "precious"


def test_a_disk_that_takes_only_a_part_at_a_time_gets_it_all(
    rejects: RejectsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = io.FileIO.write

    class Slow(io.FileIO):
        def write(self, text: Any, /) -> int:
            return write(self, bytes(text)[:7])

    monkeypatch.setattr(io, "FileIO", Slow)
    rejects.add(SCHEMA, LINE, **REASON)
    assert len(lines_of(rejects)) == 2
    assert lines_of(rejects)[1].endswith(b'"at":"2026-11-22T10:20:30Z"}}')


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk here")  # noqa: PTH110
def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path, "1", lambda: NOW)
    rejects._file = io.FileIO("/dev/full", "w")
    with pytest.raises(RunFailed, match="No space left") as failure:
        rejects.add(SCHEMA, LINE, **REASON)
    assert failure.value.exit_code == ExitCode.FAULT
    rejects._file.close()


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """A disk that takes so many bytes of a file, and a part of the write that goes beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [1, len(SCHEMA), len(SCHEMA) + 20, 3 * len(SCHEMA)])
def test_a_full_disk_leaves_whole_lines_only(rejects: RejectsFile, room: int) -> None:
    rejects.add(SCHEMA, LINE, **REASON)
    before = rejects.path.read_bytes()
    other = SCHEMA.replace(b'"vip"', b'"all"')
    long = LINE.replace(b"ada@", b"a" * 9999)
    with _room_for(len(before) + room), pytest.raises(RunFailed, match="cannot be written"):
        rejects.add(other, long, **REASON)
    assert rejects.path.read_bytes() == before

    rejects.add(other, LINE, **REASON)  # an answer that still comes, and there is room again
    assert rejects.path.read_bytes().startswith(before)
    assert [msgspec.json.decode(line)["stream"] for line in lines_of(rejects)] == [
        *("vip", "vip"),
        *("all", "vip"),
    ]


def test_a_disk_that_is_full_from_the_first_byte_leaves_an_empty_file(rejects: RejectsFile) -> None:
    with _room_for(30), pytest.raises(RunFailed, match="cannot be written"):
        rejects.add(SCHEMA, LINE, **REASON)
    assert rejects.path.read_bytes() == b""


def test_lines_that_the_disk_has_not_taken_in_the_end_are_cut_off(
    rejects: RejectsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk over the network says only here that it is full; a state never passed them."""
    rejects.add(SCHEMA, LINE, **REASON)
    rejects.sync()
    before = rejects.path.read_bytes()
    rejects.add(SCHEMA, LINE, **REASON)

    def full(_: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunFailed, match="cannot be written"):
            rejects.sync()
    assert rejects.path.read_bytes() == before
    rejects.add(SCHEMA, LINE, **REASON)
    rejects.sync()
    assert [msgspec.json.decode(line)["type"] for line in lines_of(rejects)] == [
        *("SCHEMA", "RECORD"),
        *("SCHEMA", "RECORD"),
    ]


@pytest.mark.parametrize("before", [[], ["20251122T102030Z-0ddba11.jsonl"]], ids=repr)
def test_a_folder_of_ours_is_kept_out_of_git(tmp_path: Path, before: list[str]) -> None:
    for name in before:
        (tmp_path / name).write_text("")
    rejects = RejectsFile(tmp_path, "5eed1234", lambda: NOW)
    rejects.add(SCHEMA, LINE, **REASON)
    ignore = tmp_path / ".gitignore"
    assert (ignore.read_text(), stat.S_IMODE(ignore.stat().st_mode)) == ("*\n", 0o600)


@pytest.mark.parametrize("before", [["meltano.yml"], [".git"], [".gitignore"]], ids=repr)
def test_a_folder_of_others_is_left_as_it_is(tmp_path: Path, before: list[str]) -> None:
    for name in before:
        (tmp_path / name).write_text("theirs")
    rejects = RejectsFile(tmp_path, "5eed1234", lambda: NOW)
    rejects.add(SCHEMA, LINE, **REASON)
    assert {path.name for path in tmp_path.iterdir()} == {*before, rejects.path.name}
    assert (tmp_path / before[0]).read_text() == "theirs"
