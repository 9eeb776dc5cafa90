"""Which mapped columns a stream has: its schema need not name them all."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ENOUGH: t.Final = 100
"""Records after which a column that none of them has is missing."""


class ColumnWatch:
    """Looks for the mapped columns of a stream in its schemas, then in its first records.

    Attributes:
        is_open: whether some are still to be found.
    """

    def __init__(self, needed: Iterable[str], report: Callable[[set[str]], None]) -> None:
        """Begin with none found; `report` gets the columns there are if some stay missing."""
        self.is_open = True
        self._needed = frozenset(needed)
        self._report = report
        self._found: set[str] = set()
        self._records = 0

    def find(self, columns: Iterable[str]) -> None:
        """Note columns that a schema names."""
        self._found.update(columns)
        if self._needed <= self._found:
            self.is_open = False

    def look(self, record: dict[str, t.Any]) -> None:
        """Note the columns of a record, the last of which decides."""
        self._records += 1
        self.find(record)
        if self._records == ENOUGH:
            self.end()

    def end(self) -> None:
        """Report what stayed missing; without any record there is nothing to report."""
        if self.is_open and self._records:
            self.is_open = False
            self._report(self._found)
