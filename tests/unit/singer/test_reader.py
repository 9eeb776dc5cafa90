"""Reading messages: from anything that has lines, and saying of a bad one only where it is."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.signals import Interrupt, Stopped
from target_omnisend.singer.decoding import split_lines
from target_omnisend.singer.reader import MessageReader
from target_omnisend.singer.undecodable import LEVELS, LONG_NUMBER, NESTED, rest_of

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = '{"type": "SCHEMA", "stream": "vip", "schema": {}, "key_properties": []}'
RECORD = '{"type": "RECORD", "stream": "vip", "record": {"name": "Zoë"}}'
STATE = '{"type": "STATE", "value": {"a": 1}}'
SECRET = "ada.private@example.com"  # noqa: S105 - a person, not a password


class Reading:
    """A reader and what it handed on, with line numbers."""

    def __init__(self) -> None:
        self.reader = MessageReader()
        self.seen: list[tuple[int, str]] = []

    def read(self, source: Any) -> list[tuple[int, str]]:
        names = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH")
        self.reader.process_lines(source, dict.fromkeys(names, self._see))
        return self.seen

    def _see(self, message: dict[str, Any]) -> None:
        self.seen.append((self.reader.number, message["type"]))


@pytest.fixture
def reading() -> Reading:
    return Reading()


ALL = [(1, "SCHEMA"), (2, "RECORD"), (3, "STATE")]
TEXT = f"{SCHEMA}\n{RECORD}\n{STATE}"


@pytest.mark.parametrize("end", ["", "\n"], ids=repr)
@pytest.mark.parametrize("kind", ["bytes", "text", "file", "text file", "pipe"])
def test_messages_come_from_anything_with_lines(
    reading: Reading, tmp_path: Path, kind: str, end: str
) -> None:
    data = (TEXT + end).encode()
    path = tmp_path / "messages"
    path.write_bytes(data)
    if kind == "bytes":
        seen = reading.read(io.BytesIO(data))
    elif kind == "text":
        seen = reading.read(io.StringIO(TEXT + end))
    elif kind == "pipe":
        there, here = os.pipe()
        os.write(here, data)
        os.close(here)
        with open(there, "rb") as pipe:  # noqa: PTH123 - a descriptor
            seen = reading.read(pipe)
    else:
        with path.open("rb" if kind == "file" else "r") as file:
            seen = reading.read(file)
    assert seen == ALL


def test_blank_lines_are_passed_over_and_counted(reading: Reading) -> None:
    text = f"\n{SCHEMA}\r\n \t\n\n{RECORD}\n\n"
    assert reading.read(io.BytesIO(text.encode())) == [(2, "SCHEMA"), (5, "RECORD")]


def test_each_of_the_files_put_together_may_have_its_mark(reading: Reading) -> None:
    assert reading.read(io.BytesIO(f"\ufeff{SCHEMA}\n\ufeff{RECORD}".encode())) == ALL[:2]
    assert reading.reader.line == RECORD.encode()


def test_the_line_under_way_is_kept_as_it_was_read(reading: Reading) -> None:
    odd = b'{"type":"RECORD",  "stream":"vip","record":{"price":1.10}}\r\n'
    reading.read(io.BytesIO(odd))
    assert (reading.reader.line, reading.reader.stream) == (odd, "vip")


def test_a_line_longer_than_one_read_is_one_message(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "long"
    long = RECORD.replace("Zoë", "x" * 1_000_000)
    path.write_text(f"{long}\n{STATE}\n", encoding="utf-8")
    with path.open("rb") as file:
        assert reading.read(file) == [(1, "RECORD"), (2, "STATE")]


def test_a_line_of_many_pieces_is_put_together_once() -> None:
    pieces = [b"x" * 4096] * 4000
    started = time.process_time()
    made = [line for lines in split_lines(iter([b"a\nb", *pieces, b"\nc"])) for line in lines]
    assert made == [b"a", b"b" + b"".join(pieces), b"c"]
    assert time.process_time() - started < 1, "and not once a piece"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (f"{{{SECRET}".encode(), "is not JSON"),
        (f'{{"type": "RECORD", "record": {{"e": "{SECRET}"'.encode(), "is not JSON"),
        (f"{RECORD} {SECRET}".encode(), "is not JSON"),
        (b"\xff\xfe", "is UTF-16 and is not UTF-8"),
        (RECORD.encode("utf-16"), "is UTF-16 and is not UTF-8"),
        (RECORD.encode("utf-16-le"), "is UTF-16 and is not UTF-8"),
        (RECORD.encode("utf-16-be"), "is UTF-16 and is not UTF-8"),
        (b"\0" * 4096, "is not JSON"),
        (SCHEMA.encode() + b"\0" * 9, "is not JSON"),
        (gzip.compress(RECORD.encode(), mtime=0), "is compressed with gzip"),
        (RECORD.encode("latin-1"), r"is not UTF-8 \(byte 59\)"),
        (RECORD.encode("cp1250"), "is not UTF-8"),
        (f'{{"type": "RECORD", "stream": "{SECRET}'.encode() + b'\xe9"}', "is not UTF-8"),
        (f'{{"type": "STATE", "value": {"[" * 9999}"{SECRET}"{"]" * 9999}}}'.encode(), NESTED),
        (b'{"type": "STATE", "value": ' + b"7" * 5000 + b"}", LONG_NUMBER),
        (b'{"type": "RECORD", "record": {"a": ' + b"7" * 5000 + b"}", "is not JSON"),
        (b'{"type": "RECORD", "record": {"a": ' + b"[" * 9999 + b"]" * 9998 + b"}}", "is not JSON"),
        (b" [" + b"[" * 9999 + b"]" * 10_000, "is not JSON"),
        (b"7" * 5000, "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (f'["{SECRET}"]'.encode(), "is not a JSON object"),
        (f'"{SECRET}"'.encode(), "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b"7", "is not a JSON object"),
        (f'{{"stream": "{SECRET}"}}'.encode(), "lacks 'type'"),
        (f'{{"type": "{SECRET}"}}'.encode(), "has a type that is not one of"),
        (b'{"type": null}', "has a type that is not one of"),
        (f'{{"type": ["{SECRET}"]}}'.encode(), "has a type that is not one of"),
    ],
    ids=lambda value: repr(value)[:70],
)
def test_a_bad_line_is_named_by_number_and_not_quoted(
    reading: Reading, line: bytes, complaint: str
) -> None:
    with pytest.raises(InvalidInputLine, match=complaint) as error:
        reading.read(io.BytesIO(SCHEMA.encode() + b"\n\n" + line))
    assert reading.reader.number == 3
    assert SECRET not in repr(error.value)
    assert error.value.__suppress_context__ or error.value.__context__ is None


def _nested(levels: int) -> str:
    return f'{"[" * levels}{{"a": "]"}}{"]" * levels}'


@pytest.mark.parametrize(
    ("value", "left", "excess"),
    [
        (_nested(100_000), None, NESTED),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, None, NESTED),
        ("7" * 5000, 0, LONG_NUMBER),
        ("-" + "7" * 5000, 0, LONG_NUMBER),
        (f'[1, {"7" * 4301}, "x"]', [1, 0, "x"], LONG_NUMBER),
        (_nested(300), json.loads(_nested(300)), None),
        ("7" * 4300, int("7" * 4300), None),
        ("1e400", float("inf"), None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_record_beyond_the_decoders_limits_keeps_what_is_within(
    reading: Reading, value: str, left: Any, excess: str | None
) -> None:
    line = f'{{"type": "RECORD", "stream": "vip", "record": {{"odd": {value}, "email": "a@b.c"}}}}'
    message = reading.reader.deserialize_json(line.encode())
    kept = message["record"].pop("odd")
    for _ in range(LEVELS - 2) if left is None else ():
        kept = kept["a"] if isinstance(kept, dict) else kept[0]
    assert (kept, message["record"], reading.reader.excess) == (left, {"email": "a@b.c"}, excess)

    reading.reader.deserialize_json(RECORD.encode())
    assert reading.reader.excess is None


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"\\", b'["', b"[", b'"a":{'])
def test_what_is_left_of_a_line_is_found_in_linear_time(piece: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(ValueError, RecursionError):
        rest_of(b'{"a": "' + piece * 500_000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("stream", ["null", "7", f'{{"email": "{SECRET}"}}', f'["{SECRET}"]'])
def test_only_a_name_is_taken_for_the_stream(reading: Reading, stream: str) -> None:
    message = f'{{"type": "RECORD", "stream": {stream}, "record": {{}}}}'
    with pytest.raises(InvalidInputLine, match="'stream' that is not a text"):
        reading.reader.deserialize_json(message.encode())
    assert reading.reader.stream is None


def test_a_missing_key_is_named_and_nothing_else() -> None:
    message = {"type": "RECORD", "stream": SECRET}
    with pytest.raises(InvalidInputLine, match=r"^lacks 'record', 'time'$"):
        MessageReader.assert_line_requires(message, {"record", "stream", "time"})


def test_a_silent_tap_does_not_keep_a_stopped_run(reading: Reading) -> None:
    interrupt = Interrupt()
    reading.reader.interrupt = interrupt
    there, here = os.pipe()
    os.write(here, f"{SCHEMA}\n".encode())
    signal = threading.Timer(0.05, interrupt._handle, (15, None))
    signal.start()
    with open(there, "rb") as pipe, pytest.raises(Stopped):  # noqa: PTH123 - a descriptor
        reading.read(pipe)
    signal.join()
    os.close(here)
    interrupt.close()
    assert reading.seen == [(1, "SCHEMA")]
