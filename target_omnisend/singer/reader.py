"""Reading Singer messages line by line: fast, interruptible, and without quoting any line."""

from __future__ import annotations

import codecs
import io
import os
import stat
import sys
import typing as t
from collections import Counter

import msgspec
from singer_sdk.singerlib.encoding import GenericSingerReader
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.singer.decoding import NO_JSON, decode_object, split_lines
from target_omnisend.singer.undecodable import NESTED, Excess, rest_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_omnisend.signals import Interrupt

_PARTS: t.Final = {"RECORD": "record", "SCHEMA": "schema"}

_OF_A_STREAM: t.Final = frozenset({"RECORD", "SCHEMA", "ACTIVATE_VERSION", "BATCH"})

_CHUNK: t.Final = 1 << 18
"""Bytes read at once."""


_decode_object_quickly: t.Final = msgspec.json.Decoder(dict[str, t.Any]).decode


class MessageReader(GenericSingerReader[bytes]):
    """Reads from a pipe or file, or from anything that yields lines.

    Attributes:
        source: the message under way; `bytes(source)` is the line that was read, or one like it.
        number: its line number, from 1.
        stream: the stream it names, if it could be read.
        version: the version of its stream that it belongs to, if it says so.
        excess: in which way a record is beyond the decoder's limits; it is decoded without that.
        is_fit: the columns of the file that it is from have the schema's types, so that none of
            its values can be unfit.
        kind: its type; at the end of the input, the last one's.
        is_fed_back: a rejected record of an earlier run was among the input.
        part: where in a file that the message names, if it is from there.
        read_share: of the input's bytes, if its size is known and shows how much is left to read;
            1 at its end.
    """

    def __init__(self) -> None:
        """Start before the first line."""
        super().__init__()
        self.interrupt: Interrupt | None = None
        self.source: t.SupportsBytes = b""
        self.number = 0
        self.stream: str | None = None
        self.version: t.Any = None
        self.excess: str | None = None
        self.is_fit = False
        self.kind = ""
        self.is_fed_back = False
        self.part: object | None = None
        self.read_share: float | None = None
        self._size: int | None = None

    @property
    def line(self) -> bytes:
        """The message under way, as it was read."""
        return bytes(self.source)

    @property
    def place(self) -> str:
        """Where the message under way stands, for a sentence."""
        line = f"line {self.number} of the input"
        return f"{self.part} ({line})" if self.part else line

    @property
    def default_input(self) -> t.IO[bytes]:
        """Standard input, as bytes."""
        return sys.stdin.buffer

    def process_lines(
        self,
        file_input: t.IO[bytes] | None,
        callbacks: dict[str, Callable[[dict[str, t.Any]], None]],
    ) -> Counter[str]:
        """Hand each message to the callback of its type, and count the messages by type."""
        source = file_input or self.default_input
        counts: dict[str, int] = {}
        for line in self._lines(getattr(source, "buffer", source)):
            message = self.deserialize_json(line)
            if "type" not in message:
                self.assert_line_requires(message, {"type"})
            kind = self.kind
            if callback := callbacks.get(kind):
                callback(message)
            else:
                self._process_unknown_message(message)
            counts[kind] = counts.get(kind, 0) + 1
        return Counter(counts)

    def deserialize_json(self, line: bytes) -> dict[str, t.Any]:
        """Decode a message.

        Raises:
            InvalidInputLine: when the line is not a message; the error does not quote it.
        """
        self.stream = self.excess = None
        try:
            message: dict[str, t.Any] = _decode_object_quickly(line)
        except (*NO_JSON, RecursionError):
            message = self.decode_record(line)
        stream, kind = message.get("stream"), message.get("type", "")
        self.stream = stream if isinstance(stream, str) else None
        self.version = message.get("version")
        if kind == "RECORD" and self.stream is not None and type(message.get("record")) is dict:
            self.kind = kind
            if "rejection" in message:
                self.is_fed_back = True
            return message
        self._check(message, kind)
        return message

    def _check(self, message: dict[str, t.Any], kind: t.Any) -> None:
        """Check a message, and note what matters of it.

        Raises:
            InvalidInputLine: when it cannot be used.
        """
        if not isinstance(kind, str):
            self._process_unknown_message(message)
        if self.excess and kind != "RECORD":
            raise InvalidInputLine(self.excess)
        self.kind = kind
        if "rejection" in message:
            self.is_fed_back = True
        part = _PARTS.get(kind)
        if part and not isinstance(message.get(part), dict):
            raise InvalidInputLine(f"lacks an object '{part}'")
        if self.stream is None and kind in _OF_A_STREAM and "stream" in message:
            raise InvalidInputLine("has a 'stream' that is not a text")
        keys = message.get("key_properties") if kind == "SCHEMA" else None
        if keys and not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
            raise InvalidInputLine("has 'key_properties' that are not a list of names")
        if kind == "BATCH":
            # The records are elsewhere: the size of the input says nothing any more.
            self._size = self.read_share = None

    def decode_record(self, line: bytes) -> dict[str, t.Any]:
        """Decode a line that is to hold a JSON object; see `excess`.

        Raises:
            InvalidInputLine: when it holds none; its text stays unsaid.
        """
        self.excess = None
        try:
            return decode_object(line)
        except Excess as fault:
            self.excess = str(fault)
            return fault.rest

    def decode_less(self) -> dict[str, t.Any]:
        """The record under way again, without what is nested too deeply to be processed."""
        self.excess = NESTED
        return rest_of(self.line)

    @staticmethod
    def assert_line_requires(line_dict: dict[str, t.Any], requires: set[str]) -> None:
        """Check that a message has the keys it needs.

        Raises:
            InvalidInputLine: when it has not; its text stays unsaid.
        """
        if not requires.issubset(line_dict):
            missing = ", ".join(f"'{key}'" for key in sorted(requires - set(line_dict)))
            raise InvalidInputLine(f"lacks {missing}")

    def _process_unknown_message(self, message_dict: dict[str, t.Any]) -> None:  # noqa: ARG002
        raise InvalidInputLine(
            "has a type that is not one of SCHEMA, RECORD, STATE, ACTIVATE_VERSION and BATCH"
        )

    def _lines(self, source: t.IO[bytes]) -> Iterator[bytes]:
        for lines in self._pieces(source):
            for line in lines:
                self.number += 1
                text = line if line.startswith(b"{") else line.removeprefix(codecs.BOM_UTF8)
                if text and not text.isspace():
                    self.source = text
                    yield text

    def _pieces(self, source: t.IO[bytes]) -> Iterator[list[bytes]]:
        try:
            descriptor = source.fileno()
        except (AttributeError, io.UnsupportedOperation):
            # Text, when a test hands in a StringIO.
            return ([_as_bytes(line)] for line in source)
        self._size = _size(descriptor)
        return split_lines(self._chunks(descriptor))

    def _chunks(self, descriptor: int) -> Iterator[bytes]:
        read = 0
        while chunk := self._read(descriptor):
            read += len(chunk)
            if self._size:
                self.read_share = min(1.0, read / self._size)
            yield chunk
        self.read_share = 1.0

    def _read(self, descriptor: int) -> bytes:
        # Not the buffered reader: a signal could not interrupt its wait for a silent tap.
        if self.interrupt is not None:
            self.interrupt.wait_for_input(descriptor)
        return os.read(descriptor, _CHUNK)


def _size(descriptor: int) -> int | None:
    """Bytes that are still to be read, if that is a file."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_size - os.lseek(descriptor, 0, os.SEEK_CUR)


def _as_bytes(line: bytes | str) -> bytes:
    return line.encode() if isinstance(line, str) else line
