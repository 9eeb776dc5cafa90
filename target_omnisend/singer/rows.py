"""Rows of a file of columns, as the records and the lines that they stand for."""

from __future__ import annotations

import json
import threading
import typing as t

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

Record: t.TypeAlias = dict[str, t.Any]

_ENCODER: t.Final = msgspec.json.Encoder(enc_hook=str, decimal_format="number")
"""Writes Arrow's values as a tap writes them: dates as ISO 8601, bytes as Base64."""


class Whole:
    """The rows of a file with all their columns, for a file of which only some are read.

    It reads the file once more, and on from the row before. Rejected records are few.
    """

    def __init__(self, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        """`read` begins to read the file with all its columns."""
        self._read = read
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.RecordBatch | None = None
        self._first = 0
        self._lock = threading.Lock()  # both the reader and the delivery reject records

    def row(self, number: int) -> Record | None:
        """A row by its number in the file, from 0; None if the file cannot be read any more."""
        try:
            with self._lock:
                return self._find(number)
        except Exception:  # noqa: BLE001 - file systems raise what they like
            return None

    def _find(self, number: int) -> Record:
        if self._batch is None or number < self._first:
            self._batches, self._first = self._read(), 0
            self._batch = next(self._batches)
        while number >= self._first + self._batch.num_rows:
            self._first += self._batch.num_rows
            self._batch = next(self._batches)
        row: Record = self._batch.slice(number - self._first, 1).to_pylist()[0]
        return row


class Rows:
    """Some rows of a file, in Arrow's memory.

    Attributes:
        head: the message that each row is a record of, without the record.
    """

    def __init__(self, batch: pa.RecordBatch, first: int, whole: Whole | None) -> None:
        """Keep them; the first has the number `first`. Without `whole` no column is missing."""
        self.head: Record = {}
        self._batch = batch
        self._first = first
        self._whole = whole

    def records(self) -> list[Record]:
        """The records of all rows, with the values that they have after a way through JSON."""
        records: list[Record] = self._batch.to_pylist()
        # Of a name that comes twice Arrow takes the last column.
        columns = dict(zip(self._batch.schema.names, self._batch.columns, strict=True))
        for name, column in columns.items():
            if str(column.type) not in _AS_THEY_ARE:
                values = msgspec.json.decode(_ENCODER.encode(column.to_pylist()))
                for record, value in zip(records, values, strict=True):
                    record[name] = value
        return records

    @property
    def kinds(self) -> dict[str, str]:
        """JSON Schema's name of each column's type; "" for a type that is more than that."""
        return {one.name: _KINDS.get(str(one.type), "") for one in self._batch.schema}

    def record(self, number: int) -> Record:
        """The record of one row."""
        return t.cast("Record", msgspec.json.decode(_ENCODER.encode(self._row(number))))

    def text(self, number: int) -> bytes:
        """The JSON of one row, with all its columns.

        If the file is gone, or another, it is the row without the columns that were not read.
        """
        known = self._row(number)
        row = self._whole.row(self._first + number) if self._whole else None
        if row is None or _ENCODER.encode({name: row.get(name) for name in known}) != (
            _ENCODER.encode(known)
        ):
            row = known
        return _ENCODER.encode(row)

    def _row(self, number: int) -> Record:
        row: Record = self._batch.slice(number, 1).to_pylist()[0]
        return row


class Row:
    """One row in place of a line: the line is made when it is needed, as `bytes(row)`."""

    __slots__ = ("_number", "_rows")

    def __init__(self, rows: Rows, number: int) -> None:
        """The row of this number among `rows`, from 0."""
        self._rows = rows
        self._number = number

    def __bytes__(self) -> bytes:
        """The RECORD message, with all columns of the row."""
        head = json.dumps(self._rows.head).encode()[:-1]
        return head + b', "record": ' + self._rows.text(self._number) + b"}"

    @property
    def message(self) -> Record:
        """The RECORD message, with the columns that were read."""
        return self._rows.head | {"record": self._rows.record(self._number)}


_AS_THEY_ARE: t.Final = {
    **dict.fromkeys(("string", "large_string"), "string"),
    "bool": "boolean",
    **dict.fromkeys(("int8", "int16", "int32", "int64"), "integer"),
}
"""Types whose values JSON leaves as they are, and JSON Schema's names of these types."""

_KINDS: t.Final = _AS_THEY_ARE | dict.fromkeys(("float", "double"), "number")
