"""BATCH messages as the RECORD messages that they stand for."""

from __future__ import annotations

import codecs
import json
import typing as t

from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.singer.batch_files import FileFault, gzipped, name_of, parquet, plain

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.singer.batch_files import BatchFiles, Decode
    from target_omnisend.singer.reader import MessageReader

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


def records_of(
    message: dict[str, t.Any], files: BatchFiles, reader: MessageReader
) -> Iterator[dict[str, t.Any]]:
    """The RECORD messages that a BATCH message stands for; `reader` holds the one under way.

    So they go the way of all records and, if they are rejected, can be sent again.

    Raises:
        InvalidInputLine: when the message, a file or a line cannot be used.
        RunFailed: when a package is missing.
        Stopped: when a signal comes first.
    """
    unit, decoder = _encoding(message["encoding"])
    head = {"type": "RECORD", "stream": message["stream"]}
    head |= {key: message[key] for key in _KEPT if key in message}
    opening = json.dumps(head).encode()[:-1] + b', "record": '
    for url in _manifest(message["manifest"]):
        reader.part = position = Position(name_of(url), unit)
        try:
            for lines in files.read(url, decoder):
                for line in lines:
                    position.number += 1
                    text = line.removeprefix(codecs.BOM_UTF8).strip()
                    if text:
                        record = reader.decode_record(text)
                        _check_is_no_message(record)
                        reader.line = opening + text + b"}"
                        yield {**head, "record": record}
        except FileFault as fault:
            raise position.of_the_file(fault) from None
    reader.part = None


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


def _encoding(encoding: t.Any) -> tuple[str, Decode]:
    match encoding:
        case {"format": "parquet"}:  # its compression is its own affair
            return "row", parquet
        case {"format": "jsonl", "compression": "gzip"}:
            return "line", gzipped
        case {"format": "jsonl", "compression": None | "none"}:
            return "line", plain
        case {"format": "jsonl", **others} if "compression" not in others:
            return "line", plain
    raise InvalidInputLine(
        "is a BATCH message whose 'encoding' is neither jsonl, plain or with gzip, nor parquet"
    )


def _manifest(manifest: t.Any) -> list[str]:
    if isinstance(manifest, list) and all(isinstance(url, str) for url in manifest):
        return manifest
    raise InvalidInputLine("is a BATCH message whose 'manifest' is not a list of files")
