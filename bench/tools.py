"""Input, processes and figures for the benchmark."""

from __future__ import annotations

import gzip
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import requests
from pyarrow.parquet import ParquetWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAPPING = {
    "email": "email",
    "first_name": "first_name",
    "last_name": "last_name",
    "address": "street",
    "city": "city",
    "state": "region",
    "country": "country",
    "postal_code": "zip",
}
_ROWS = 10_000
"""Rows that are written to a file of columns at once."""

_COMPILING = {"PYTHONDONTWRITEBYTECODE"}
"""Compiling every module at every start is no part of what is measured."""

_TEXT = {"type": ["string", "null"]}
_SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        **dict.fromkeys(MAPPING.values(), _TEXT),
        "lifetime_value": {"type": ["number", "null"]},
        "updated_at": {"type": ["string", "null"], "format": "date-time"},
    },
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: seconds of CPU and of the clock, megabytes at its peak."""

    cpu: float
    wall: float
    peak: float


def write_members(
    path: Path, members: int, pick: Callable[[int], dict[str, Any] | None] | None = None
) -> Path:
    """A stream of so many members, with a STATE every 10,000; written once.

    `pick` says who comes at a place, or that nobody does; in order and all of them unless given.
    """
    if path.exists():
        return path
    pick = pick or member
    with path.open("w", encoding="utf-8") as file:
        file.write(schema_line())
        for number in range(members):
            if record := pick(number):
                file.write(_line("RECORD", record=record))
            if number % 10_000 == 9_999:
                state = {"type": "STATE", "value": {"bookmarks": {"vip": {"id": number}}}}
                file.write(json.dumps(state) + "\n")
    return path


def schema_line() -> str:
    """The SCHEMA message of the members."""
    return _line("SCHEMA", schema=_SCHEMA, key_properties=["id"])


def write_batch(path: Path, members: int) -> Path:
    """The same stream with its members in a file, JSON lines with gzip; written once."""
    if path.exists():
        return path
    file = path.with_suffix(".jsonl.gz")
    with gzip.open(file, "wt", compresslevel=6, encoding="utf-8") as lines:
        lines.writelines(json.dumps(member(number)) + "\n" for number in range(members))
    encoding = {"format": "jsonl", "compression": "gzip"}
    path.write_text(
        schema_line()
        + _line("BATCH", encoding=encoding, manifest=[file.as_uri()])
        + json.dumps({"type": "STATE", "value": {"bookmarks": {"vip": {"id": members}}}}),
        encoding="utf-8",
    )
    return path


def write_columns(path: Path, members: int, form: str) -> Path:
    """The same stream with its members in a file of columns, Parquet or Arrow; written once."""
    if path.exists():
        return path
    file = path.with_suffix(f".{form}")
    with _writer(file, form) as writer:
        for first in range(0, members, _ROWS):
            numbers = range(first, min(first + _ROWS, members))
            writer.write_table(pa.Table.from_pylist([member(number) for number in numbers]))
    path.write_text(
        schema_line()
        + _line("BATCH", encoding={"format": form}, manifest=[file.as_uri()])
        + json.dumps({"type": "STATE", "value": {"bookmarks": {"vip": {"id": members}}}}),
        encoding="utf-8",
    )
    return path


def _writer(file: Path, form: str) -> Any:
    schema = pa.Table.from_pylist([member(0)]).schema
    return ParquetWriter(file, schema) if form == "parquet" else pa.ipc.new_file(file, schema)


def _line(kind: str, **rest: Any) -> str:
    return json.dumps({"type": kind, "stream": "vip", **rest}) + "\n"


def scattered(number: int) -> str:
    """An e-mail that says nothing of its place: a source's own order is not that of e-mails."""
    return f"{blake2b(b'%d' % number, digest_size=3).hexdigest()}{number}@example.com"


def member(number: int) -> dict[str, Any]:
    """A member's record."""
    return {
        "id": number,
        "email": f"member{number}@example.com",
        "first_name": f"Ann{number % 1000}",
        "last_name": f"Smith{number % 777}",
        "street": f"{number} High Street",
        "city": "Leeds",
        "region": "West Yorkshire",
        "country": "GB",
        "zip": "LS1 4AP",
        "lifetime_value": number / 100,
        "updated_at": "2026-01-02T03:04:05Z",
    }


def write_config(path: Path, url: str, **settings: Any) -> Path:
    """The target's config for a sandbox at `url`."""
    config = {
        "api_key": "sandbox-key",
        "api_url": f"{url}/api",
        "data_privacy_consent": True,
        "mapping": MAPPING,
        "custom_properties": {"lifetimeValue": "lifetime_value"},
        "segment": "VIP",
        "rejects_path": str(path.parent / "rejects"),
        **settings,
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def run(arguments: list[str], stdin: Path) -> Cost:
    """Run a Python program on an input to its good end."""
    started = time.monotonic()
    with stdin.open("rb") as lines:
        process = start(arguments, lines)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss / 1024)


def rehearse(arguments: list[str], stdin: Path) -> str:
    """Run a dry run to its good end; what it told of itself."""
    with stdin.open("rb") as lines:
        told = subprocess.run(
            [sys.executable, *arguments, "--dry-run"],
            stdin=lines,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    return told.stderr


def start(arguments: list[str], stdin: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a Python program with its output thrown away."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name not in _COMPILING},
    )


@contextmanager
def sandbox(*options: str) -> Iterator[str]:
    """A sandbox process; yields its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "omnisend_sandbox", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split(" on ")[1].split()[0]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def reset(url: str) -> None:
    """Empty the sandbox."""
    requests.post(f"{url}/_sandbox/reset", timeout=60).raise_for_status()


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)
