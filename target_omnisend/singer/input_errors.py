"""What a line of the input can do wrong, in sentences that never quote it."""

from __future__ import annotations

import traceback
import typing as t

from singer_sdk import mapper
from singer_sdk.exceptions import (
    InvalidJSONSchema,
    MapExpressionError,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
    StreamMapConfigError,
)
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from target_omnisend.singer.reader import MessageReader

INPUT_ERRORS: t.Final = (
    InvalidInputLine,
    InvalidJSONSchema,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
    RecursionError,
)
"""What a tap can do wrong; their text never quotes a record."""


def at_line(error: Exception, reader: MessageReader) -> str:
    """Say where the line is that cannot be used, and why."""
    stream = f", stream '{reader.stream}'," if reader.stream else ""
    if isinstance(error, RecordsWithoutSchemaException):
        error = RecordsWithoutSchemaException("is a record that comes before its schema")
    if isinstance(error, RecursionError):
        error = InvalidInputLine("is nested too deeply")
    return f"{reader.place[0].upper()}{reader.place[1:]}{stream} {error}."


def of_stream_maps(error: Exception, reader: MessageReader) -> RunFailed | None:
    """The failure of an expression of the operator's; the sentence does not quote the record."""
    files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
    if mapper.__file__ not in files:
        return None
    return RunFailed(
        ExitCode.SETTINGS,
        f"The setting 'stream_maps' does not work on {reader.place}, "
        f"stream '{reader.stream}' ({_reason(error)}). Correct the expression, then run again.",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, MapExpressionError):  # its text ends with the expression
        step = "parse" if str(error).startswith("Failed to parse") else "evaluate"
        return f"Failed to {step} an expression"
    if isinstance(error, StreamMapConfigError):
        return str(error)
    return type(error).__name__  # it comes from an expression, and can quote what that got
