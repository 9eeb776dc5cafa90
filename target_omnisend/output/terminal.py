"""Whether there is a terminal for a live display."""

from __future__ import annotations

import os
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

NARROWEST: t.Final = 60
"""Columns below which the display would not fit."""


def has_live_display(stream: t.TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream leads to a terminal that can show one, and nobody asked for none."""
    if environment.get("NO_COLOR") or environment.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        return False
    try:
        # A width of 0 is one that the terminal does not know.
        return stream.isatty() and os.get_terminal_size(stream.fileno()).columns >= NARROWEST
    except (OSError, ValueError):
        return False
