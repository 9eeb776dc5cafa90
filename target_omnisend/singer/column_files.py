"""Files of columns: Parquet and Arrow IPC, of which only the columns are read that are wanted."""

from __future__ import annotations

import typing as t

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.singer.batch_files import FileFault
from target_omnisend.singer.rows import Rows, Whole

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import pyarrow as pa

    from target_omnisend.singer.batch_files import Source
    from target_omnisend.singer.rows import Record

    Pieces: t.TypeAlias = Iterator[tuple[Rows, list[Record]]]
    Batches: t.TypeAlias = Iterator[pa.RecordBatch]
    Read: t.TypeAlias = Callable[[t.IO[bytes], "Collection[str] | None"], Batches]

_BUFFER: t.Final = 1 << 18
"""Bytes of a column read at once."""

_PIECE_BYTES: t.Final = 200_000
"""Bytes of the rows that are read at once, uncompressed."""

_ROWS: t.Final = range(100, 2_001)
"""How many rows these can be."""

_FILE_MARK: t.Final = b"ARROW1"
"""An Arrow IPC file begins with it; a stream does not."""

_OF_MESSAGES: t.Final = frozenset({"type", "stream"})
"""Columns of a file that holds messages in place of records."""


def parquet(source: Source, columns: Collection[str] | None = None) -> Pieces:
    """The rows of a Parquet file, some at a time, and their records.

    Args:
        source: the file.
        columns: those that are wanted; None for all.

    Raises:
        FileFault: it is not such a file.
        RunFailed: the extra is missing.
    """
    return _pieces(source, columns, _read_parquet, FileFault("is not Parquet, or is damaged"))


def arrow(source: Source, columns: Collection[str] | None = None) -> Pieces:
    """The rows of an Arrow IPC file or stream; otherwise as `parquet`."""
    return _pieces(source, columns, _read_arrow, FileFault("is not Arrow IPC, or is damaged"))


def _pieces(
    source: Source, columns: Collection[str] | None, read: Read, fault: FileFault
) -> Pieces:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError:
        raise RunFailed(
            ExitCode.SETTINGS,
            "BATCH files in Arrow or Parquet need the extra 'parquet'. Install "
            "target-omnisend[parquet], then run again.",
        ) from None
    # A file far away is read whole, because reading it again could keep the delivery waiting.
    columns = columns if source.is_local else None
    whole = None if columns is None else Whole(lambda: read(source.open(), None))
    first = 0
    try:
        for batch in read(source.open(), columns):
            rows = Rows(batch, first, whole)
            yield rows, rows.records()
            first += batch.num_rows
    except pa.ArrowInvalid:
        raise fault from None


def _read_parquet(file: t.IO[bytes], columns: Collection[str] | None) -> Batches:
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - an extra

    with file:
        # With a buffer a column is read in pieces, and not by whole row groups.
        rows = ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER)
        names = _wanted(rows.schema_arrow, columns)
        metadata = rows.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        size = _rows_at_once(sum(group.total_byte_size for group in groups), metadata.num_rows)
        for batch in rows.iter_batches(size, columns=names, use_threads=False):
            yield _without_nanoseconds(batch)


def _read_arrow(file: t.IO[bytes], columns: Collection[str] | None) -> Batches:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    def begin(options: pa.ipc.IpcReadOptions | None = None) -> t.Any:
        is_file = file.read(len(_FILE_MARK)) == _FILE_MARK
        file.seek(0)
        make = pa.ipc.open_file if is_file else pa.ipc.open_stream
        return make(file, options=options)

    with file:
        reader = begin()
        if (names := _wanted(reader.schema, columns)) is not None:
            every = reader.schema.names
            file.seek(0)
            reader = begin(
                pa.ipc.IpcReadOptions(included_fields=[every.index(name) for name in names])
            )
        for batch in _batches(reader):
            size = _rows_at_once(batch.nbytes, batch.num_rows)
            for start in range(0, batch.num_rows, size):
                yield _without_nanoseconds(batch.slice(start, size))


def _batches(reader: t.Any) -> Batches:
    if hasattr(reader, "num_record_batches"):
        return (reader.get_batch(number) for number in range(reader.num_record_batches))
    return iter(reader)


def _wanted(schema: pa.Schema, columns: Collection[str] | None) -> list[str] | None:
    """The columns to read; None for all of them."""
    names = schema.names
    # pyarrow takes a name with a point for that of an inner field, and a name can come twice.
    odd = len(set(names)) < len(names) or any("." in name for name in names)
    if columns is None or odd or _OF_MESSAGES.issubset(names):
        return None
    wanted = [name for name in names if name in columns]
    # Without any column the rows would be lost.
    return wanted if 0 < len(wanted) < len(names) else None


def _rows_at_once(size: int, rows: int) -> int:
    fitting = _PIECE_BYTES * rows // max(size, 1)
    return min(max(fitting, _ROWS[0]), _ROWS[-1])


def _without_nanoseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with times that Python knows too."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    schema = pa.schema([column.with_type(_microseconds(column.type)) for column in batch.schema])
    if schema.equals(batch.schema):
        return batch
    table = pa.Table.from_batches([batch]).cast(schema, safe=False)
    return table.combine_chunks().to_batches()[0] if batch.num_rows else batch


def _microseconds(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(_microseconds(one.type)) for one in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_microseconds(kind.value_type)))
    if getattr(kind, "unit", None) != "ns":
        return kind
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if pa.types.is_time64(kind) else pa.duration("us")
