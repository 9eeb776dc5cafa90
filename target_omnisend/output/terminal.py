"""The terminal: whether it can show a live display, and text that cannot command it."""

from __future__ import annotations

import logging
import os
import typing as t
import unicodedata

if t.TYPE_CHECKING:
    from collections.abc import Mapping

NARROWEST: t.Final = 60
"""Columns below which the display would not fit."""


def has_live_display(stream: t.TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream leads to a terminal that can show one, and NO_COLOR is not set."""
    if environment.get("NO_COLOR") or environment.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        return False
    try:
        # A width of 0 is one that the terminal does not know.
        return stream.isatty() and os.get_terminal_size(stream.fileno()).columns >= NARROWEST
    except (OSError, ValueError):
        return False


def printable(text: str) -> str:
    """The text with an escape for each character that a terminal would obey or could not show.

    Names come from taps and from Omnisend. A line break in one would be a line of the log, and
    an escape sequence would be a command to the terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or unicodedata.category(one) == "Zs" else _escape(one)
        for one in text
    )


class PrintableRecord(logging.LogRecord):
    """A record of the log whose name and message are printable, whatever handler writes it."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        """As any other; the name of a sink's logger holds the stream's name."""
        super().__init__(*args, **kwargs)
        self.name = printable(self.name)

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        """The message, on one line."""
        return printable(super().getMessage())


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
