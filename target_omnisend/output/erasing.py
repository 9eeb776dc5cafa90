"""Files of rejected records, from which the records of a person are erased."""

from __future__ import annotations

import fcntl
import typing as t
from contextlib import closing, suppress

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output import files
from target_omnisend.output.rejected import read
from target_omnisend.output.rejects import OURS, TABLES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


class Files(t.Protocol):
    """Files by name; all methods raise RunFailed."""

    def names(self) -> Iterable[str]:
        """Their names."""

    def read(self, name: str) -> bytes:
        """A file, whole."""

    def write(self, name: str, text: bytes) -> None:
        """Replace a file, whole or not at all."""

    def delete(self, name: str) -> None:
        """Delete a file."""


class Folder:
    """The files of a folder on this machine."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder = folder

    def names(self) -> list[str]:
        """Their names; none without the folder.

        Raises:
            RunFailed: when the folder cannot be read, or a run is writing one of them.
        """
        try:
            names = [path.name for path in self._folder.iterdir()]
            for name in filter(OURS.fullmatch, names):
                self._check_free(self._folder / name)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed(error) from None
        return names

    def read(self, name: str) -> bytes:
        """A file, whole.

        Raises:
            RunFailed: when it cannot be read.
        """
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise self._failed(error) from None

    def write(self, name: str, text: bytes) -> None:
        """Replace a file, whole or not at all; it keeps its mode.

        Raises:
            RunFailed: when it cannot be replaced.
        """
        try:
            files.replace(self._folder / name, text)
        except OSError as error:
            raise self._failed(error) from None

    def delete(self, name: str) -> None:
        """Delete a file.

        Raises:
            RunFailed: when it cannot be deleted.
        """
        try:
            (self._folder / name).unlink()
        except OSError as error:
            raise self._failed(error) from None

    def _check_free(self, path: Path) -> None:
        """A run that writes a file would go on writing into the one that was replaced."""
        with suppress(FileNotFoundError), closing(path.open("rb")) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunFailed(
                    ExitCode.FAULT,
                    f"A run is writing rejected records to {path}. Wait for its end and run again.",
                ) from None

    def _failed(self, error: OSError) -> RunFailed:
        return RunFailed(
            ExitCode.FAULT,
            f"The rejects folder {self._folder} cannot be changed ({error.strerror}). Check "
            "'rejects_path' and the permissions there, then run again.",
        )


def erase(stored: Files, is_about: Callable[[t.Any], bool]) -> int:
    """Erase the records of which `is_about` says so; how many there were.

    A file that has no other record is deleted, and so is a table that has the person.

    Raises:
        RunFailed: when a file cannot be read or replaced.
    """
    names = sorted(stored.names())
    erased = {name: _erase_from(stored, name, is_about) for name in filter(is_ours, names)}
    for found in filter(None, map(TABLES.fullmatch, names)):
        of_file = erased.get(f"{found[1]}.jsonl", 0)
        # A table is deleted whole: the file beside it holds the records of the others.
        if of_file or is_about(stored.read(found[0]).decode("utf-8", "replace")):
            stored.delete(found[0])
            erased[found[0]] = 0 if of_file else 1
    return sum(erased.values())


def is_ours(name: str) -> bool:
    """Whether a run gave a file this name."""
    return OURS.fullmatch(name) is not None


def _erase_from(stored: Files, name: str, is_about: Callable[[t.Any], bool]) -> int:
    lines = stored.read(name).splitlines(keepends=True)
    kept = [line for line in lines if not _is_about(line, is_about)]
    if len(kept) < len(lines):
        if any(_is_record(line) for line in kept):
            stored.write(name, b"".join(kept))
        else:
            stored.delete(name)
    return len(lines) - len(kept)


def _is_about(line: bytes, is_about: Callable[[t.Any], bool]) -> bool:
    try:
        message = read(line)
    except (ValueError, RecursionError):
        return is_about(line.decode("utf-8", "replace"))
    return message.get("type") != "SCHEMA" and is_about(message)


def _is_record(line: bytes) -> bool:
    try:
        return read(line).get("type") == "RECORD"
    except (ValueError, RecursionError):
        return True
