"""Whether the files of a SQLite ledger are still those that were opened."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path


class FileWatch:
    """Remembers files by their identity; a file that is open keeps its number to itself.

    SQLite goes on writing to a file that was deleted, and says nothing.
    """

    def __init__(self, path: Path) -> None:
        """Look at the ledger for the first time."""
        path = path.absolute()
        # The log beside it holds what was committed last, until it is copied back.
        self._paths = (path, path.with_name(f"{path.name}-wal"))
        self._known: dict[Path, tuple[int, int]] = {}
        self.is_as_before()

    def is_as_before(self) -> bool:
        """Whether each file that was ever there is there, and is the same."""
        return all(map(self._is_same, self._paths))

    def _is_same(self, path: Path) -> bool:
        try:
            status = path.stat()
        except OSError:
            return path not in self._known
        identity = status.st_dev, status.st_ino
        return self._known.setdefault(path, identity) == identity
