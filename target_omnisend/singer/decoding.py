"""JSON of the input's lines, as records and as text."""

from __future__ import annotations

import json
import re
import typing as t

import msgspec
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.singer.undecodable import fault_of

if t.TYPE_CHECKING:
    from collections.abc import Iterator


_decode_quickly: t.Final = msgspec.json.Decoder().decode

NO_JSON: t.Final = (msgspec.DecodeError, UnicodeDecodeError)


def split_lines(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines of each chunk, without their ends; a line that is open waits for the next."""
    rest: list[bytes] = []  # joined once: a line of 100 MB comes in thousands of chunks
    for chunk in chunks:
        lines = chunk.split(b"\n")
        rest.append(lines.pop())
        if lines:
            lines[0], rest = b"".join([*rest[:-1], lines[0]]), rest[-1:]
        yield lines
    if any(rest):
        yield [b"".join(rest)]


def decode_object(line: bytes) -> dict[str, t.Any]:
    """Decode a line that is to hold a JSON object.

    Raises:
        InvalidInputLine: when it holds another value or no JSON; the sentence does not quote it.
    """
    try:
        value = decode(line)
    except (ValueError, RecursionError) as error:
        raise fault_of(line, error) from None
    if not isinstance(value, dict):
        raise InvalidInputLine("is not a JSON object") from None
    return value


def decode(line: bytes) -> t.Any:
    """Decode a line of JSON.

    What the fast decoder takes for no JSON the standard library may still read: half a
    surrogate pair (from a text that was cut), a number beyond every float. From bytes it would also
    read UTF-16. Among the rejects such a line would stand between lines of UTF-8, unreadable.

    Raises:
        ValueError: when it is not JSON.
    """
    try:
        return _decode_quickly(line)
    except NO_JSON:
        return json.loads(line.decode("utf-8", "surrogatepass"))


_SPACE: t.Final = re.compile(r"[ \t\r\n]*")


_VERBATIM: t.Final = json.JSONDecoder(parse_float=str, parse_int=str)
"""Reads any number: it only has to find where a value ends."""


def raw_value(line: bytes, name: str) -> bytes:
    """The text of one value of a JSON object, as it stands in the line.

    Decoding and encoding would round decimals and make `Infinity` of a number beyond every float.
    Half a surrogate pair is written as its escape, because Meltano reads UTF-8.
    `line` is one that `decode_object` reads, and has the name.
    """
    text = line.decode("utf-8", "surrogatepass")
    found = ""
    at = _after_space(text, _after_space(text, 0) + 1)
    while text[at] != "}":
        key, at = _VERBATIM.raw_decode(text, at)
        start = _after_space(text, _after_space(text, at) + 1)
        _, end = _VERBATIM.raw_decode(text, start)
        if key == name:  # of a name that comes twice the last value counts, as for every decoder
            found = text[start:end]
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return found.encode("utf-8", "backslashreplace")


def _after_space(text: str, at: int) -> int:
    return t.cast("re.Match[str]", _SPACE.match(text, at)).end()
