"""BATCH messages as the RECORD messages that they stand for."""

from __future__ import annotations

import codecs
import json
import typing as t
from functools import partial

from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.singer.batch_files import FileFault, gzipped, name_of, plain
from target_omnisend.singer.column_files import arrow, parquet
from target_omnisend.singer.rows import Row

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from target_omnisend.singer.batch_files import BatchFiles, Source
    from target_omnisend.singer.reader import MessageReader
    from target_omnisend.singer.rows import Record, Rows

    Piece: t.TypeAlias = list[bytes] | tuple[Rows, list[Record]]
    Decode: t.TypeAlias = Callable[[Source], Iterator[Piece]]

_KEPT: t.Final = ("version", "time_extracted")
"""What a BATCH message says of each of its records."""


_MESSAGES: t.Final = ("RECORD", "SCHEMA")


class Position:
    """Where in a file the record under way stands."""

    def __init__(self, name: str, unit: str) -> None:
        """Before its first line, or row."""
        self._name = name
        self._unit = unit
        self.number = 0

    def __str__(self) -> str:
        """For a sentence."""
        file = f"the BATCH file {self._name}"
        return f"{self._unit} {self.number} of {file}" if self.number else file

    def of_the_file(self, fault: FileFault) -> FileFault:
        """The fault of the whole file, with how far it could be read."""
        after, self.number = self.number, 0
        return FileFault(f"{fault} after its {self._unit} {after}") if after else fault


def head_of(message: dict[str, t.Any]) -> dict[str, t.Any]:
    """The RECORD message that each record of a BATCH message stands for, less the record."""
    head = {"type": "RECORD", "stream": message["stream"]}
    return head | {key: message[key] for key in _KEPT if key in message}


def records_of(
    message: dict[str, t.Any],
    files: BatchFiles,
    reader: MessageReader,
    columns: Collection[str] | None = None,
    fits_all: Callable[[dict[str, str]], bool] = lambda _: False,
) -> Iterator[Record]:
    """The records that a BATCH message names; `reader` holds the message of the one under way.

    So a record that is rejected can be sent again. A record needs no other than these columns;
    without `columns` it needs all of them. `fits_all` says whether columns of these types hold
    no unfit value, see `ColumnCheck.fits_all`.

    Raises:
        InvalidInputLine: when the message, a file or a line cannot be used.
        RunFailed: when a package is missing.
        Stopped: when a signal comes first.
    """
    unit, decoder = _encoding(message["encoding"], columns)
    head = head_of(message)
    for url in _manifest(message["manifest"]):
        reader.part = position = Position(name_of(url), unit)
        try:
            for piece in files.read(url, decoder):
                if isinstance(piece, tuple):
                    reader.is_fit = fits_all(piece[0].kinds)
                    yield from _of_rows(piece, head, reader, position)
                else:
                    yield from _of_lines(piece, head, reader, position)
        except FileFault as fault:
            raise position.of_the_file(fault) from None
        finally:
            reader.is_fit = False
    reader.part = None


def _of_lines(
    lines: list[bytes], head: Record, reader: MessageReader, position: Position
) -> Iterator[Record]:
    opening = json.dumps(head).encode()[:-1] + b', "record": '
    for line in lines:
        position.number += 1
        text = line.removeprefix(codecs.BOM_UTF8).strip()
        if text:
            record = reader.decode_record(text)
            _check_is_no_message(record)
            reader.source = opening + text + b"}"
            yield record


def _of_rows(
    piece: tuple[Rows, list[Record]], head: Record, reader: MessageReader, position: Position
) -> Iterator[Record]:
    rows, records = piece
    rows.head = head
    reader.excess = None
    # All rows have the same columns.
    may_be_messages = bool(records) and "type" in records[0] and "stream" in records[0]
    for number, record in enumerate(records):
        position.number += 1
        if may_be_messages:
            _check_is_no_message(record)
        reader.source = Row(rows, number)
        yield record


def _check_is_no_message(record: dict[str, t.Any]) -> None:
    """A file of messages would be records without an address, each of them rejected.

    Raises:
        InvalidInputLine: when it is one.
    """
    kind = record.get("type")
    if kind in _MESSAGES and "stream" in record and isinstance(record.get(kind.lower()), dict):
        raise InvalidInputLine(
            f"holds a {kind} message in place of a record. Have the tap write the records alone, "
            "or send the file with --input"
        )


def _encoding(encoding: t.Any, columns: Collection[str] | None) -> tuple[str, Decode]:
    match encoding:
        case {"format": "parquet"}:  # its compression is its own affair
            return "row", partial(parquet, columns=columns)
        case {"format": "arrow"}:
            return "row", partial(arrow, columns=columns)
        case {"format": "jsonl", "compression": "gzip"}:
            return "line", gzipped
        case {"format": "jsonl", "compression": None | "none"}:
            return "line", plain
        case {"format": "jsonl", **others} if "compression" not in others:
            return "line", plain
    raise InvalidInputLine(
        "is a BATCH message whose 'encoding' is neither jsonl, plain or with gzip, nor parquet "
        "nor arrow"
    )


def _manifest(manifest: t.Any) -> list[str]:
    if isinstance(manifest, list) and all(isinstance(url, str) for url in manifest):
        return manifest
    raise InvalidInputLine("is a BATCH message whose 'manifest' is not a list of files")
