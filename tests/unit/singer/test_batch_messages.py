"""BATCH messages as the RECORD messages they stand for; faults of a file by name and line."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import json
import logging
import os
import threading
import time
import zipfile
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from singer_sdk.batch import Batcher
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig, StorageTarget
from singer_sdk.singerlib.exceptions import InvalidInputLine
from support.batches import GZIP, PARQUET, PLAIN, batch, json_lines, person, zipped
from support.waiting import wait_for

from target_omnisend.signals import Interrupt, Stopped
from target_omnisend.singer.batch_files import BatchFiles, name_of
from target_omnisend.singer.batch_messages import head_of, records_of
from target_omnisend.singer.column_files import parquet
from target_omnisend.singer.input_errors import at_line
from target_omnisend.singer.reader import MessageReader
from target_omnisend.singer.undecodable import NESTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "Quillon"  # noqa: S105 - a person, not a password
THREE = [person(1), person(2), person(3)]


class Expanding:
    """Makes RECORDs of a message, and keeps what came before a fault.

    Attributes:
        records: those that came.
        lines: what the reader held while they came.
    """

    def __init__(self) -> None:
        self.interrupt = Interrupt()
        self.reader = MessageReader()
        self.records: list[Any] = []
        self.lines: list[bytes] = []

    def __call__(self, message: dict[str, Any], **storage: Any) -> list[Any]:
        files = BatchFiles({"storage": storage}, self.interrupt)
        self.reader.number = 4
        self.reader.deserialize_json(json.dumps(message).encode())
        for record in records_of(message, files, self.reader):
            line = json.loads(self.reader.line)
            assert {**line, "record": record} == {**head_of(message), "record": record}
            self.records.append(record)
            self.lines.append(self.reader.line)
        return self.records

    def complaint(self, message: dict[str, Any], **storage: Any) -> str:
        """The sentence in which it ends."""
        with pytest.raises(InvalidInputLine) as error:
            self(message, **storage)
        assert error.value.__suppress_context__ or error.value.__context__ is None
        return at_line(error.value, self.reader)


@pytest.fixture
def expand() -> Iterator[Expanding]:
    expanding = Expanding()
    yield expanding
    expanding.interrupt.close()


# -- what files give -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (GZIP, gzip.compress(json_lines(THREE))),
        (GZIP, b"".join(gzip.compress(json_lines([one])) for one in THREE)),
        (PLAIN, json_lines(THREE)),
        ({"format": "jsonl", "compression": "none"}, json_lines(THREE).rstrip()),
        ({"format": "jsonl", "compression": None}, json_lines(THREE).replace(b"\n", b"\r\n \n\n")),
        (PLAIN, b"\xef\xbb\xbf" + json_lines(THREE)),
        (PLAIN, gzip.compress(json_lines(THREE))),
    ],
    ids=[
        "gzip",
        "gzip in parts",
        "plain",
        "none, no last end",
        "blank lines",
        "BOM",
        "zipped all the same",
    ],
)
def test_each_line_is_a_record(
    expand: Expanding, tmp_path: Path, encoding: dict[str, Any], data: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)

    assert expand(batch(path, encoding=encoding)) == THREE
    assert path.read_bytes() == data, "it is left where it is"
    assert (expand.reader.part, expand.reader.stream) == (None, "members")


def test_each_line_stands_as_it_was_in_a_message_of_its_own(
    expand: Expanding, tmp_path: Path
) -> None:
    odd = b'{"email":  "Zo\\u00eb", "price": 1.10}'
    expand(batch(zipped(tmp_path / "file", [odd]), version=7, time_extracted="2026-01-02"))

    assert odd in expand.lines[0]
    whole = {"type": "RECORD", "stream": "members", "version": 7, "time_extracted": "2026-01-02"}
    assert json.loads(expand.lines[0]) == {**whole, "record": json.loads(odd)}
    assert expand.reader.version == 7


def test_rows_of_parquet_are_what_json_would_say(expand: Expanding, tmp_path: Path) -> None:
    row = {
        "email": "member1@example.com",
        "day": dt.date(2026, 1, 2),
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "price": decimal.Decimal("1.10"),
        "score": float("nan"),
        "nothing": None,
        "lists": [1, 2],
        "inner": {"a": "b"},
        "raw": b"\x00",
    }
    precise = pa.array([1_767_323_045_000_000_001], pa.timestamp("ns"))
    table = pa.Table.from_pylist([row]).append_column("precise", precise)
    pq.write_table(table, tmp_path / "file")

    assert expand(batch(tmp_path / "file", encoding=PARQUET)) == [
        {
            **row,
            "day": "2026-01-02",
            "at": "2026-01-02T03:04:05Z",
            "price": 1.1,
            "score": None,
            "raw": "AA==",
            "precise": "2026-01-02T03:04:05",
        }
    ]


def test_nanoseconds_are_left_out_wherever_they_are(expand: Expanding, tmp_path: Path) -> None:
    moment = pa.timestamp("ns")
    columns = {
        "in a list": pa.array([[1001]], pa.list_(moment)),
        "in a struct": pa.array([{"at": 1001}], pa.struct([("at", moment)])),
        "of a day": pa.array([1001], pa.time64("ns")),
        "of a while": pa.array([1001], pa.duration("ns")),
    }
    pq.write_table(pa.table(columns), tmp_path / "file")

    assert expand(batch(tmp_path / "file", encoding=PARQUET)) == [
        {
            "in a list": ["1970-01-01T00:00:00.000001"],
            "in a struct": {"at": "1970-01-01T00:00:00.000001"},
            "of a day": "00:00:00.000001",
            "of a while": "PT0.000001S",
        }
    ]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_what_the_sdk_writes_is_read(expand: Expanding, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "with a blank"
    folder.mkdir()
    config = BatchConfig(
        encoding=BaseBatchFileEncoding(form, "gzip"),
        storage=StorageTarget(str(folder), prefix="of-"),
        batch_size=2,
    )
    for manifest in Batcher("tap", "members", config).get_batches(iter(THREE)):
        expand(batch(*manifest, encoding=config.asdict()["encoding"]))

    assert expand.records == THREE


def test_files_may_be_on_any_file_system(expand: Expanding, tmp_path: Path) -> None:
    with fsspec.open("memory://folder/file", "wb") as file:
        file.write(json_lines(THREE))
    pq.write_table(pa.Table.from_pylist(THREE), tmp_path / "file")
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.write(tmp_path / "file", "inner")

    assert expand(batch("memory://folder/file", encoding=PLAIN)) == THREE
    expand.records.clear()
    assert expand(batch(f"zip://inner::{tmp_path}/archive", encoding=PARQUET)) == THREE


def test_the_setting_says_where_else_they_are(expand: Expanding, tmp_path: Path) -> None:
    zipped(tmp_path / "file", [person(1)])
    message = batch("s3://of-the-tap/folder/file")

    assert expand(message, root=f"{tmp_path}/", prefix="unused") == [person(1)]
    expand.complaint(message, root=str(tmp_path / "nowhere"))


def test_a_file_of_nothing_and_no_file_give_nothing(expand: Expanding, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    zipped(tmp_path / "zipped", [])
    pq.write_table(pa.Table.from_pylist([], pa.schema({"email": pa.string()})), tmp_path / "rows")

    assert expand(batch()) == []
    assert expand(batch(tmp_path / "empty", encoding=PLAIN)) == []
    assert expand(batch(tmp_path / "zipped")) == []
    assert expand(batch(tmp_path / "rows", encoding=PARQUET)) == []


def test_a_file_named_twice_is_read_twice(expand: Expanding, tmp_path: Path) -> None:
    path = zipped(tmp_path / "file", [person(1)])
    assert expand(batch(path, path)) == [person(1)] * 2


def test_a_share_of_the_input_is_not_one_of_the_records(expand: Expanding, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(json_lines([{"type": "STATE"}, batch(), {"type": "STATE"}]))
    seen: list[float | None] = []
    see = dict.fromkeys(("STATE", "BATCH"), lambda _: seen.append(expand.reader.read_share))
    with path.open("rb") as file:
        expand.reader.process_lines(file, see)

    assert seen == [1.0, None, None]
    assert expand.reader.read_share == 1.0, "and now it is all there was"


def test_of_a_parquet_file_only_some_rows_are_held(expand: Expanding, tmp_path: Path) -> None:
    table = pa.table({"note": [f"{number}{'x' * 2000}" for number in range(50_000)]})
    pq.write_table(table, tmp_path / "file")
    del table
    before = pa.total_allocated_bytes()
    held = [
        pa.total_allocated_bytes() - before
        for _ in BatchFiles({}, expand.interrupt).read(str(tmp_path / "file"), parquet)
    ]

    assert len(held) == 500
    assert max(held) < 20_000_000, "of 100,000,000"


# -- what is wrong ---------------------------------------------------------------------

MANY = [person(number) for number in range(20_000)]
GOOD = gzip.compress(json_lines(MANY))
HERE = "(line 4 of the input), stream 'members',"


def _parquet(count: int) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(MANY[:count]), sink, row_group_size=5000)
    return bytes(sink.getvalue())


UTF16 = (
    "is UTF-16 and is not UTF-8. Have it written as UTF-8, or convert the file with "
    "iconv -f UTF-16 -t UTF-8"
)
LATIN1 = (
    "is not UTF-8 (byte 17). Have it written as UTF-8, or convert the file, for example with iconv "
    "-f LATIN1 -t UTF-8"
)
MESSAGE = (
    "message in place of a record. Have the tap write the records alone, or send the file with "
    "--input"
)


@pytest.mark.parametrize(
    ("encoding", "data", "sentence"),
    [
        (GZIP, None, f"The BATCH file x.gz {HERE} is not there."),
        (GZIP, b"", f"The BATCH file x.gz {HERE} is empty and is not a gzip file."),
        (GZIP, json_lines(THREE), f"The BATCH file x.gz {HERE} is not gzip, or is damaged."),
        (GZIP, GOOD[:30], f"The BATCH file x.gz {HERE} is cut short."),
        (PARQUET, b"", f"The BATCH file x.gz {HERE} is not Parquet, or is damaged."),
        (PARQUET, _parquet(9)[:-9], f"The BATCH file x.gz {HERE} is not Parquet, or is damaged."),
        (
            PLAIN,
            json_lines([*THREE, b"", b'{"email": "Quillon'])[:-1],
            f"Line 5 of the BATCH file x.gz {HERE} is not JSON (18 bytes).",
        ),
        (
            GZIP,
            gzip.compress(json_lines([*THREE, [SECRET]])),
            f"Line 4 of the BATCH file x.gz {HERE} is not a JSON object.",
        ),
        (
            PLAIN,
            json.dumps(THREE[0]).encode("utf-16-le"),
            f"Line 1 of the BATCH file x.gz {HERE} {UTF16}.",
        ),
        (
            PLAIN,
            json_lines(THREE) + b'{"email": "Quill\xf6n"}',
            f"Line 4 of the BATCH file x.gz {HERE} {LATIN1}.",
        ),
        (
            GZIP,
            gzip.compress(
                json_lines([*THREE, {"type": "RECORD", "stream": "x", "record": {"e": SECRET}}])
            ),
            f"Line 4 of the BATCH file x.gz {HERE} holds a RECORD {MESSAGE}.",
        ),
        (
            PLAIN,
            json_lines([{"type": "SCHEMA", "stream": "x", "schema": {}, "key_properties": []}]),
            f"Line 1 of the BATCH file x.gz {HERE} holds a SCHEMA {MESSAGE}.",
        ),
        (
            PLAIN,
            json_lines([*THREE, b" \xef\xbb\xbf{}"]),
            f"Line 4 of the BATCH file x.gz {HERE} is not JSON (5 bytes).",
        ),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_a_bad_file_is_named_with_its_line(
    expand: Expanding, tmp_path: Path, encoding: dict[str, Any], data: bytes | None, sentence: str
) -> None:
    if data is not None:
        (tmp_path / "x.gz").write_bytes(data)

    assert expand.complaint(batch(tmp_path / "x.gz", encoding=encoding)) == sentence
    assert expand.records in ([], THREE)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (GOOD[:-9], "is cut short"),
        (GOOD[:-8] + b"12345678", "is not gzip, or is damaged"),
        (GOOD + b"more", "is not gzip, or is damaged"),
    ],
    ids=["cut", "another sum", "something behind it"],
)
def test_what_comes_before_the_damage_counts(
    expand: Expanding, tmp_path: Path, data: bytes, sentence: str
) -> None:
    (tmp_path / "x.gz").write_bytes(data)
    complaint = expand.complaint(batch(tmp_path / "x.gz"))

    read = len(expand.records)
    assert complaint == f"The BATCH file x.gz {HERE} {sentence} after its line {read}."
    assert expand.records == MANY[:read]
    assert read > 19_000


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (batch("x", encoding={"format": SECRET}), "is a BATCH message whose 'encoding' is neither"),
        (batch("x", encoding={"format": "jsonl", "compression": SECRET}), "whose 'encoding' is"),
        (batch("x", encoding=SECRET), "is a BATCH message whose 'encoding' is neither"),
        ({**batch(), "manifest": SECRET}, "is a BATCH message whose 'manifest' is not a list of"),
        ({**batch(), "manifest": [{"url": SECRET}]}, "whose 'manifest' is not a list of files."),
        (
            batch(f"{SECRET}://x"),
            "The BATCH file x (line 4 of the input), stream 'members', cannot",
        ),
        (batch("/"), "cannot be read (Is a directory)."),
        (batch("/dev/zero"), "is a device and not a file."),
        (batch("/a\0b"), "The BATCH file a?b (line 4 of the input), stream 'members', cannot"),
        (batch(""), "The BATCH file  (line"),
    ],
)
def test_a_message_that_cannot_be_used_is_not_quoted(
    expand: Expanding, message: dict[str, Any], sentence: str
) -> None:
    complaint = expand.complaint(message)
    assert sentence in complaint
    assert SECRET not in complaint


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:///home/ada/x.gz", "x.gz"),
        ("x.gz", "x.gz"),
        ("https://u:p@h/folder/x.gz?token=abc/def", "x.gz"),
        ("s3://key:secret@bucket", "bucket"),
        ("data:,person", "data:"),
        ("simplecache::data:,ada@example.com", "data:"),
        ("s3://bucket/ü\n.gz", "ü?.gz"),
    ],
)
def test_of_an_address_only_the_file_is_named(url: str, name: str) -> None:
    assert name_of(url) == name


@pytest.mark.parametrize(
    "package",
    ["fsspec.http", "s3fs", "botocore.auth", "gcsfs", "adlfs", "azure.core", "paramiko", "httpx"],
)
def test_what_file_systems_log_of_addresses_is_not_told(
    expand: Expanding, caplog: pytest.LogCaptureFixture, package: str
) -> None:
    caplog.set_level(logging.DEBUG)
    expand(batch())
    assert not logging.getLogger(package).isEnabledFor(logging.INFO)


# -- waiting ---------------------------------------------------------------------------


def test_a_file_that_does_not_come_keeps_no_stopped_run(expand: Expanding, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.gz")
    threading.Timer(0.1, expand.interrupt._handle, (15, None)).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        expand(batch(tmp_path / "x.gz"))
    assert 0.05 < time.monotonic() - started < 5
    with (tmp_path / "x.gz").open("wb"):  # lets the thread go
        pass
    wait_for(lambda: "file" not in [thread.name for thread in threading.enumerate()])


def test_records_with_columns_named_like_a_messages_parts_are_records(
    expand: Expanding, tmp_path: Path
) -> None:
    records = [
        {"type": "RECORD", "stream": "x", "record": 7},
        {"type": "RECORD", "record": {"a": 1}},
        {"type": ["RECORD"], "stream": "x", "record": {"a": 1}},
        {"type": "STATE", "value": {"a": 1}},
    ]
    (tmp_path / "x").write_bytes(json_lines(records))
    assert expand(batch(tmp_path / "x", encoding=PLAIN)) == records


def test_a_record_of_a_file_that_is_nested_too_deeply_is_one_record(
    expand: Expanding, tmp_path: Path
) -> None:
    deep = b'{"email": "member4@example.com", "a": ' + b"[" * 9999 + b"]" * 9999 + b"}"
    (tmp_path / "x").write_bytes(json_lines([*THREE, deep, THREE[0]]))
    reader = expand.reader
    reader.deserialize_json(json.dumps(message := batch(tmp_path / "x", encoding=PLAIN)).encode())
    records = records_of(message, BatchFiles({}, expand.interrupt), reader)
    found = [(record["email"], reader.excess) for record in records]
    emails = [person["email"] for person in THREE]
    assert found == [
        *((email, None) for email in emails),
        ("member4@example.com", NESTED),
        (emails[0], None),
    ]
