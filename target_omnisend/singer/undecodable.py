"""The reason why a line cannot be decoded, and the part of it that still can."""

from __future__ import annotations

import contextlib
import json
import re
import typing as t

from singer_sdk.singerlib.exceptions import InvalidInputLine

NESTED: t.Final = "is nested too deeply"
LONG_NUMBER: t.Final = "holds an integer of too many digits"

LEVELS: t.Final = 64
"""Lists and objects within each other that are kept of a line that is nested too deeply."""

_TOKENS: t.Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
"""Possessive, and a text may lack its end: otherwise a line can be made to take for ever."""

_UTF16_MARKS: t.Final = (b"\xff\xfe", b"\xfe\xff")
_GZIP: t.Final = b"\x1f\x8b"


class Excess(InvalidInputLine):
    """A line of JSON is beyond the decoder's limits.

    Attributes:
        rest: the line's object without what is beyond them.
    """

    def __init__(self, reason: str, rest: dict[str, t.Any]) -> None:
        """Keep both."""
        super().__init__(reason)
        self.rest = rest


def fault_of(line: bytes, error: Exception) -> InvalidInputLine:
    """The reason why decoding has failed with `error`; its text never quotes the line."""
    if line.startswith(_GZIP):
        return InvalidInputLine("is compressed with gzip. Unpack it first")
    if line.startswith(_UTF16_MARKS) or _is_half_empty(line):
        return InvalidInputLine(
            "is UTF-16 and is not UTF-8. Have it written as UTF-8, or convert the file with "
            "iconv -f UTF-16 -t UTF-8"
        )
    if isinstance(error, UnicodeDecodeError):
        return InvalidInputLine(
            f"is not UTF-8 (byte {error.start + 1}). Have it written as UTF-8, or convert the "
            "file, for example with iconv -f LATIN1 -t UTF-8"
        )
    if not isinstance(error, json.JSONDecodeError):
        reason = NESTED if isinstance(error, RecursionError) else LONG_NUMBER
        with contextlib.suppress(ValueError, RecursionError):
            return Excess(reason, rest_of(line))
    return InvalidInputLine(f"is not JSON ({len(line)} bytes)")


def rest_of(line: bytes) -> dict[str, t.Any]:
    """The line's object, with null for what is nested too deeply and 0 for integers too long.

    Raises:
        ValueError: if it is not a JSON object even so.
    """
    text = _shallow(line.decode("utf-8", "surrogatepass"))
    rest = json.loads(text, parse_int=_short_integer)
    if not isinstance(rest, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as for all other faults
    return rest


def _shallow(text: str) -> str:
    """The text with null for each list or object below so many levels; no recursion."""
    kept, depth, at = [], 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == LEVELS + 1:
                kept.append(text[at : token.start()])
        elif token[0] in "]}":
            if depth == LEVELS + 1:
                kept.append("null")
                at = token.end()
            depth -= 1
    return "".join(kept) + text[at:] if depth == 0 else text


def _short_integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        return 0


def _is_half_empty(line: bytes) -> bool:
    """Whether it looks like UTF-16 without its mark: a zero beside each ASCII character."""
    return len(line) <= 3 * line.count(0) < 2 * len(line)
