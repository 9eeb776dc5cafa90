"""Files of columns: the columns that are wanted, and the whole row if it is rejected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from singer_sdk.singerlib.exceptions import InvalidInputLine
from support.batches import ARROW, PARQUET, batch, person

from target_omnisend.signals import Interrupt
from target_omnisend.singer.batch_files import BatchFiles
from target_omnisend.singer.batch_messages import records_of
from target_omnisend.singer.input_errors import at_line
from target_omnisend.singer.reader import MessageReader
from target_omnisend.singer.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PEOPLE = [person(number, note=f"note {number}", left=None) for number in range(5_000)]
WANTED = frozenset({"id", "email", "phone"})


def _parquet(path: Path, table: pa.Table) -> dict[str, Any]:
    pq.write_table(table, path, row_group_size=3_000)
    return batch(path, encoding=PARQUET)


def _arrow_file(path: Path, table: pa.Table) -> dict[str, Any]:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3_000)
    return batch(path, encoding=ARROW)


def _arrow_stream(path: Path, table: pa.Table) -> dict[str, Any]:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    return batch(path, encoding={**ARROW, "compression": "none"})


WRITERS = pytest.mark.parametrize("write", [_parquet, _arrow_file, _arrow_stream])


class Reading:
    """Reads the columns that are wanted of the files that a message names."""

    def __init__(self) -> None:
        self.interrupt = Interrupt()
        self.reader = MessageReader()
        self.rows: list[Row] = []

    def __call__(self, message: dict[str, Any]) -> list[Any]:
        """The records; `rows` are what stands for their lines."""
        records = []
        self.reader.deserialize_json(json.dumps(message).encode())
        for record in records_of(message, BatchFiles({}, self.interrupt), self.reader, WANTED):
            assert isinstance(self.reader.source, Row)
            self.rows.append(self.reader.source)
            records.append(record)
        return records

    def line(self, number: int) -> Any:
        """The record of a row's line."""
        return json.loads(bytes(self.rows[number]))["record"]


@pytest.fixture
def read() -> Iterator[Reading]:
    reading = Reading()
    yield reading
    reading.interrupt.close()


@WRITERS
def test_only_what_is_wanted_is_read_and_a_line_holds_all(
    read: Reading, tmp_path: Path, write: Callable[..., dict[str, Any]]
) -> None:
    message = write(tmp_path / "file", pa.Table.from_pylist(PEOPLE))

    assert read({**message, "version": 7}) == [
        {"id": one["id"], "email": one["email"]} for one in PEOPLE
    ]
    # In any order: a batch can be judged after a later one.
    for number in (4_999, 0, 1, 3_500, 2_999, 3_000):
        assert read.line(number) == PEOPLE[number]
    head = {"type": "RECORD", "stream": "members", "version": 7}
    assert json.loads(bytes(read.rows[1])) == {**head, "record": PEOPLE[1]}
    assert read.rows[1].message == {**head, "record": {"id": 1, "email": PEOPLE[1]["email"]}}


@pytest.mark.parametrize("then", ["gone", "another"])
def test_a_line_of_a_file_that_is_there_no_more_holds_what_was_read(
    read: Reading, tmp_path: Path, then: str
) -> None:
    table = pa.Table.from_pylist(PEOPLE)
    read(_parquet(tmp_path / "file", table))
    (tmp_path / "file").unlink()
    if then == "another":
        _parquet(tmp_path / "file", table.slice(1))

    assert read.line(7) == {"id": 7, "email": PEOPLE[7]["email"]}


def test_of_a_file_far_away_every_column_is_read_at_once(read: Reading) -> None:
    with fsspec.open("memory://folder/columns", "wb") as file:
        pq.write_table(pa.Table.from_pylist(PEOPLE[:3]), file)

    assert read(batch("memory://folder/columns", encoding=PARQUET)) == PEOPLE[:3]
    fsspec.filesystem("memory").rm("/folder/columns")
    assert read.line(2) == PEOPLE[2]


@pytest.mark.parametrize(
    "columns",
    [
        {"a.b": ["x"], "email": ["a"]},
        {"note": ["x"]},
        {"type": ["x"], "stream": ["x"], "email": ["a"]},
    ],
    ids=["a point in a name", "none that is wanted", "those of messages"],
)
def test_of_odd_columns_all_are_read(
    read: Reading, tmp_path: Path, columns: dict[str, list[str]]
) -> None:
    expected = {name: values[0] for name, values in columns.items()}
    assert read(_parquet(tmp_path / "file", pa.table(columns))) == [expected]
    assert read.line(0) == expected


def test_messages_in_place_of_records_are_seen(read: Reading, tmp_path: Path) -> None:
    row = {"type": "RECORD", "stream": "members", "record": person(1)}
    with pytest.raises(InvalidInputLine, match="holds a RECORD message in place of a record"):
        read(_parquet(tmp_path / "file", pa.Table.from_pylist([row])))


@pytest.mark.parametrize("data", [b"ARROW1 and no more", b"nor is this"])
def test_a_damaged_file_is_named(read: Reading, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InvalidInputLine) as error:
        read(batch(tmp_path / "file", encoding=ARROW))
    assert "is not Arrow IPC, or is damaged" in at_line(error.value, read.reader)
