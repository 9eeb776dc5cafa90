"""The rejects file as a table: CSV that a spreadsheet opens, for people."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import typing as t

import msgspec

from target_omnisend.report.codes import REJECTIONS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

HEADS: t.Final = ("rejected because", "rejection code", "rejection field", "rejection message")
"""Columns before those of the records, and before the stream's."""

MAX_ROWS: t.Final = 1_000_000
"""A spreadsheet takes few more."""

_NEW: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW

_FORMULA: t.Final = re.compile(r"(?:\A|(?<=[;\t\r\n]))(?=[=+\-@\t\r])")
"""Where a spreadsheet begins to read a formula. Some read a semicolon as the end of a cell."""


def table_path(rejects: Path) -> Path:
    """Where the table of a rejects file lies."""
    return rejects.with_suffix(".csv")


def make_table(rejects: Path, most: int = MAX_ROWS) -> Path:
    """Write the table of a rejects file beside it, with mode 0600; its path.

    It has one row for each rejected record, at most `most`, and one column for each of theirs. No
    cell begins a formula: an apostrophe stands before it. A table that is there already is
    replaced.

    Raises:
        OSError: when a file cannot be read or written.
    """
    columns = list(
        dict.fromkeys(name for message in _records(rejects, most) for name in _record(message))
    )
    path = table_path(rejects)
    draft = path.with_suffix(".csv.tmp")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    try:
        # With its mark at the start Excel reads UTF-8 as such.
        descriptor = os.open(draft, _NEW, 0o600)
        with open(descriptor, "w", encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 - a descriptor
            writer = csv.writer(file)
            writer.writerow(map(_cell, (*HEADS, "stream", *columns)))
            for message in _records(rejects, most):
                writer.writerow(map(_cell, _row(message, columns)))
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    return path


def _records(rejects: Path, most: int) -> Iterator[Mapping[str, t.Any]]:
    """RECORD messages of the file, as far as a table has room for them."""
    number = 0
    with rejects.open("rb") as file:
        for line in file:
            message = _read(line)
            if message.get("type") == "RECORD":
                yield message
                number += 1
                if number == most:
                    return


def _read(line: bytes) -> Mapping[str, t.Any]:
    """A message; an empty one for a line that only a more patient reader understands."""
    for read in (msgspec.json.decode, _patient):
        with contextlib.suppress(ValueError, RecursionError):
            message = read(line)
            return message if isinstance(message, dict) else {}
    return {}


def _patient(line: bytes) -> t.Any:
    # It reads half a character and a number beyond every float.
    return json.loads(line.decode("utf-8", "replace"))


def _record(message: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    record = message.get("record")
    return record if isinstance(record, dict) else {}


def _row(message: Mapping[str, t.Any], columns: Iterable[str]) -> list[t.Any]:
    rejection, record = message.get("rejection") or {}, _record(message)
    code = rejection.get("code")
    cause = REJECTIONS[code].cause.replace("`", "") if code in REJECTIONS else None
    why = (cause, code, rejection.get("field"), rejection.get("message"))
    return [*why, message.get("stream"), *map(record.get, columns)]


def _cell(value: t.Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Half a character is not text that can be written.
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _FORMULA.sub("'", whole)
