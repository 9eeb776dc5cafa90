"""Rejected records in an object store, here one in memory."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.object_store import ObjectStore
from target_omnisend.output.stored_rejects import StoredRejects

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = dt.datetime(2026, 11, 22, 10, 20, 30, tzinfo=dt.UTC)
SCHEMA = b'{"type": "SCHEMA", "stream": "vip", "schema": {"properties": {}}, "key_properties": []}'
LINE = b'{"type": "RECORD",  "stream": "vip", "record": {"email": "ada@", "price": 1.10}}'
REASON: dict[str, Any] = {
    "code": "email_invalid",
    "field": "email",
    "message": "is not an e-mail address",
    "stage": "mapping",
}
NAME = "/rejects/20261122T102030Z-5eed1234"


@pytest.fixture(autouse=True)
def files() -> Iterator[dict[str, Any]]:
    """What is in the memory's file system."""
    MemoryFileSystem.store.clear()
    yield MemoryFileSystem.store
    MemoryFileSystem.store.clear()


@pytest.fixture
def rejects() -> StoredRejects:
    return StoredRejects(ObjectStore("memory://rejects/"), "5eed1234", lambda: NOW)


def lines(files: dict[str, Any], name: str) -> list[bytes]:
    text: bytes = files[name].getvalue()
    assert text.endswith(b"\n")
    return text.splitlines()


def test_each_sync_makes_a_complete_file(rejects: StoredRejects, files: dict[str, Any]) -> None:
    rejects.sync()
    assert (files, rejects.where) == ({}, None)
    for number in (2, 1):
        for _ in range(number):
            rejects.add(SCHEMA, LINE, **REASON)
        rejects.sync()
        rejects.sync()
    assert sorted(files) == [f"{NAME}-00001.jsonl", f"{NAME}-00002.jsonl"]
    assert lines(files, f"{NAME}-00001.jsonl")[0] == SCHEMA
    first, second = (lines(files, name) for name in sorted(files))
    assert [msgspec.json.decode(line)["type"] for line in first] == ["SCHEMA", "RECORD", "RECORD"]
    assert (second[0], second[1][: len(LINE) - 1]) == (SCHEMA, LINE[:-1])
    assert msgspec.json.decode(second[1])["rejection"]["code"] == "email_invalid"
    assert rejects.where is not None
    assert rejects.where.place == "memory://rejects/20261122T102030Z-5eed1234-*.jsonl"


def test_many_records_do_not_wait_in_memory_for_a_state(
    files: dict[str, Any],
) -> None:
    store = ObjectStore("memory://rejects/")
    rejects = StoredRejects(store, "5eed1234", lambda: NOW, large=1000)
    for _ in range(20):
        rejects.add(SCHEMA, LINE, **REASON)
    assert len(files) > 1
    rejects.sync()
    assert sum(len(lines(files, name)) - 1 for name in files) == 20


def test_after_a_failure_nothing_passes(
    rejects: StoredRejects, files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "quotes a name")

    rejects.add(SCHEMA, LINE, **REASON)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "pipe_file", full)
        with pytest.raises(RunFailed, match=r"cannot be written \(No space left") as failed:
            rejects.sync()
        assert failed.value.exit_code is ExitCode.FAULT
    with pytest.raises(RunFailed):
        rejects.sync()
    assert files == {}


def test_a_check_leaves_nothing_behind(rejects: StoredRejects, files: dict[str, Any]) -> None:
    rejects.check(5)
    assert files == {}


def test_a_store_without_the_right_to_delete_will_do(
    rejects: StoredRejects, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(MemoryFileSystem, "rm_file", forbidden)
    rejects.check(5)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError("s3cret"), "permission denied"),
        (FileNotFoundError("s3cret"), "the bucket or folder is not there"),
        (RuntimeError("s3cret"), "RuntimeError"),
    ],
    ids=repr,
)
def test_a_store_that_refuses_is_said_at_the_start(
    rejects: StoredRejects, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(RunFailed) as failed:
        rejects.check(5)
    assert failed.value.exit_code is ExitCode.SETTINGS
    assert f"memory://rejects cannot be written ({reason})" in failed.value.sentence
    assert "s3cret" not in failed.value.sentence


def test_a_store_that_does_not_answer_holds_nothing_up(
    rejects: StoredRejects, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", lambda *_: answer.wait(60))
    with pytest.raises(RunFailed, match="no answer in time"):
        rejects.check(0.01)
    answer.set()


@pytest.mark.parametrize("protocol", ["s3", "gs", "az", "abfs"])
def test_a_missing_package_is_named_by_its_extra(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("s3", "gs", "az", "abfs"):
        monkeypatch.delitem(_registry, name, raising=False)
    with pytest.raises(RunFailed, match=r"target-omnisend\[(s3|gs|az)\]") as failed:
        ObjectStore(f"{protocol}://bucket/rejects")
    assert failed.value.exit_code is ExitCode.SETTINGS


def test_a_protocol_that_is_not_known_is_said() -> None:
    with pytest.raises(RunFailed, match="nonsense://bucket cannot be used") as failed:
        ObjectStore("nonsense://bucket")
    assert failed.value.exit_code is ExitCode.SETTINGS
