"""Rejected records in S3, over HTTP: complete files, before a state passes them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal
from support.s3 import BUCKET, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.command import Command
    from support.s3 import S3

PLACE = {"rejects_path": f"s3://{BUCKET}/rejects/"}
BAD = record("ada at example.org", id=1)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    import s3fs  # noqa: PLC0415 - a second

    with running_s3() as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield running
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.slow  # each process imports the store's package
def test_a_run_as_a_process(command: Command, s3: S3, tmp_path: Path) -> None:
    ran = command.run(
        *("--config", command.config(**PLACE, report_path="report.json")),
        text=b"".join(
            json.dumps(one).encode() + b"\n" for one in (schema(), *people(3), BAD, state(n=4))
        ),
        variables=s3.variables,
    )
    assert (ran.code, ran.states) == (0, [{"n": 4}]), ran.log
    (name,) = s3.files()
    assert re.fullmatch(r"rejects/\d{8}T\d{6}Z-[0-9a-f]{8}-00001\.jsonl", name)
    (_, kept) = s3.messages()
    assert (kept["record"], kept["rejection"]["code"]) == (BAD["record"], "email_invalid")
    pattern = f"s3://{BUCKET}/{name.replace('00001', '*')}"
    assert f"rejected records are in {pattern}, copy these files" in ran.last
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["rejects_file"] == pattern
    assert any(pattern in step for step in report["next"])
    assert pattern in (tmp_path / "report.html").read_text()
    assert "s3cret-word" not in ran.log


def test_without_a_rejected_record_there_is_no_file(s3: S3, tmp_path: Path) -> None:
    ran = Rehearsal(tmp_path)(schema(), *people(3), state(n=3), **PLACE)
    assert (ran.code, ran.states, s3.files()) == (0, [{"n": 3}], {})


def test_what_no_state_follows_is_there_at_the_end(s3: S3, tmp_path: Path) -> None:
    ran = Rehearsal(tmp_path)(schema(), *people(3), BAD, **PLACE)
    assert (ran.code, ran.states) == (0, [])
    (_, kept) = s3.messages()
    assert (kept["record"], kept["rejection"]["code"]) == (BAD["record"], "email_invalid")
    assert f"rejected records are in s3://{BUCKET}/rejects/20" in ran.log


def test_a_bucket_that_is_not_there_is_said_before_anything_is_sent(s3: S3, tmp_path: Path) -> None:
    s3.remove_bucket()
    night = Rehearsal(tmp_path)
    ran = night(schema(), *people(3), **PLACE)
    assert (ran.code, ran.writes) == (3, {}), ran.log
    assert "cannot be written (the bucket or folder is not there)" in ran.log


@pytest.mark.slow  # its package tries again for some seconds
def test_a_store_that_dies_in_the_middle_ends_the_run_and_acknowledges_nothing(
    s3: S3, tmp_path: Path
) -> None:
    ran = Rehearsal(tmp_path)(schema(), *people(3), BAD, s3.stop, state(n=4), **PLACE)
    assert (ran.code, ran.states) == (1, []), ran.log
    assert f"The rejected records at s3://{BUCKET}/rejects cannot be written" in ran.log
    assert "rejected records are in" not in ran.log


def test_a_store_that_takes_nothing_any_more_does_the_same(s3: S3, tmp_path: Path) -> None:
    ran = Rehearsal(tmp_path)(schema(), *people(3), BAD, s3.remove_bucket, state(n=4), **PLACE)
    assert (ran.code, ran.states) == (1, []), ran.log
    assert "(the bucket or folder is not there)" in ran.log


def _check(command: Command, variables: Any) -> Any:
    return command.run("--check", "--config", command.config(**PLACE), variables=variables)


@pytest.mark.slow
def test_a_check_tries_the_store(command: Command, s3: S3) -> None:
    ran = _check(command, s3.variables)
    assert (ran.code, s3.files()) == (0, {}), ran.log
    s3.remove_bucket()
    ran = _check(command, s3.variables)
    assert ran.code == 3
    assert f"s3://{BUCKET}/rejects cannot be written" in ran.last
