"""A rejected record as a Singer message with its reason, and the words for where it is kept."""

from __future__ import annotations

import contextlib
import functools
import json
import typing as t
from shlex import quote

import msgspec

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path


class Reason(t.TypedDict):
    """Why a record is rejected; the fields of `rejection`, but for the moment."""

    code: str
    field: str | None
    message: str
    stage: str
    batch_id: t.NotRequired[str | None]
    item_id: t.NotRequired[str | None]
    status: t.NotRequired[int | None]


class Where(t.NamedTuple):
    """Where rejected records are, and how they are sent again.

    Attributes:
        place: a path, a URL, or "the ledger".
        clause: the way to send them again, at the end of the log.
        step: the same for the report, as a part of a sentence, for the command of the run.
    """

    place: str
    clause: str
    step: Callable[[str], str]


_IN_ORDER: t.Final = ("code", "field", "message", "stage", "batch_id", "item_id", "status")


def in_file(path: Path) -> Where:
    """They are in a file of this machine."""
    return Where(
        str(path),
        "correct that file and send it with --input",
        lambda command: (
            f"once they are corrected, send them with `{command} --input {quote(str(path))}`"
        ),
    )


def in_store(pattern: str) -> Where:
    """They are in numbered files of an object store."""
    return Where(
        pattern,
        "copy these files, correct the copies and send each with --input",
        lambda command: (
            f"copy these files, correct the copies, and send each with `{command} --input FILE`"
        ),
    )


IN_LEDGER: t.Final = Where(
    "the ledger",
    "print them with --rejects, correct the text and send it with --input",
    lambda command: (
        f"print them with `{command} --rejects > FILE`, correct the file, and send it with "
        f"`{command} --input FILE`"
    ),
)


def rejection(reason: Reason, moment: dt.datetime, **more: str) -> dict[str, t.Any]:
    """The value of `rejection`; `more` goes behind its usual fields."""
    at = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**{name: reason.get(name) for name in _IN_ORDER}, "at": at, **more}


def with_rejection(line: bytes, rejection: dict[str, t.Any]) -> bytes:
    """A RECORD message with one more key."""
    if b'"rejection"' in line:  # an earlier run can have rejected it
        with contextlib.suppress(ValueError, RecursionError):
            return msgspec.json.encode({**msgspec.json.decode(line), "rejection": rejection})
    # Otherwise not one character of the message changes.
    return line.rstrip()[:-1] + b',"rejection":' + msgspec.json.encode(rejection) + b"}"


def read(line: bytes) -> dict[str, t.Any]:
    """A message, also if the fast decoder does not take it.

    A record or a schema can hold half a character, or a number beyond every float.
    """
    return dict(json.loads(line.decode("utf-8", "surrogatepass")))


@functools.lru_cache(maxsize=64)
def stream_of(schema: bytes) -> str:
    """The stream of a SCHEMA message."""
    return str(read(schema)["stream"])


@functools.lru_cache(maxsize=64)
def keys_of(schema: bytes) -> tuple[str, ...]:
    """The key properties of a SCHEMA message."""
    return tuple(read(schema).get("key_properties") or ())


class Schemas:
    """The SCHEMA messages that a file has so far: one stands before the first record it is for."""

    def __init__(self) -> None:
        """Start with none."""
        self._latest: dict[str, bytes] = {}

    def before(self, schema: bytes) -> list[bytes]:
        """The lines that have to stand before a record under this schema."""
        return [] if self._latest.get(stream_of(schema)) == schema else [schema.strip()]

    def wrote(self, schema: bytes) -> None:
        """A record under this schema is in the file."""
        self._latest[stream_of(schema)] = schema

    def clear(self) -> None:
        """Begin anew, because a file begins or a part of it was cut off."""
        self._latest.clear()
