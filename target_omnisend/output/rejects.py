"""Rejected records, kept as Singer messages so that they can be corrected and sent again."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import typing as t
import weakref

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.files import check_folder
from target_omnisend.output.rejected import Schemas, in_file, rejection, with_rejection

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from target_omnisend.output.rejected import Reason, Where


_NEW: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW

OURS: t.Final = re.compile(r"\d{8}T\d{6}Z-\w+(-\d+)?\.jsonl")
"""The name of a file, in an object store with its number."""

TABLES: t.Final = re.compile(r"(\d{8}T\d{6}Z-\w+)\.csv(\.tmp)?")
"""The name of a table beside a file, or of one that is not ready."""


class RejectsFile:
    """`<folder>/<UTC start>-<run id>.jsonl`, made with mode 0600 at the first rejection.

    A folder that holds nothing else gets a `.gitignore`.

    Each record's RECORD message stands as it was read, with one more key, `rejection`;
    before the first of a stream (and after a change of its schema) stands its SCHEMA message.
    """

    def __init__(self, folder: Path, run_id: str, utc_now: Callable[[], dt.datetime]) -> None:
        """Name the file; nothing is made yet.

        Raises:
            RunFailed: when the folder cannot be written to.
        """
        self.path = folder / f"{utc_now():%Y%m%dT%H%M%SZ}-{run_id}.jsonl"
        self._utc_now = utc_now
        self._file: io.FileIO | None = None
        self._schemas = Schemas()
        self._end = self._synced = 0  # bytes in whole lines; bytes that are on the disk
        check_folder(folder, purpose="rejected records", setting="rejects_path")

    @property
    def where(self) -> Where:
        """The file."""
        return in_file(self.path)

    def check(self, seconds: float) -> None:
        """Find nothing more out: the folder was looked at."""

    def add(
        self,
        schema: bytes,
        line: bytes,
        *,
        segment: str = "",  # noqa: ARG002 - the stream is enough
        email: str | None = None,  # noqa: ARG002 - the same
        **reason: t.Unpack[Reason],
    ) -> None:
        """Append the record that `line` holds, under the SCHEMA message `schema`.

        Raises:
            RunFailed: when the disk does not take it.
        """
        message = with_rejection(line, rejection(reason, self._utc_now()))
        self._write(b"\n".join([*self._schemas.before(schema), message]) + b"\n")
        self._schemas.wrote(schema)

    def sent_again(self, line: bytes, segment: str, email: str) -> None:
        """Keep the file as it is: its owner deletes it."""

    def settled(self, entries: Iterable[object]) -> None:
        """Keep the file as it is."""

    def sync(self) -> None:
        """Have what was appended on the disk, before a state passes it.

        Raises:
            RunFailed: when the disk does not take it.
        """
        if self._file is not None and self._synced != self._end:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                self._cut_back(self._synced)
                raise self._unwritable(error) from None
            self._synced = self._end

    def _write(self, text: bytes) -> None:
        size = len(text)
        try:
            if self._file is None:
                self._file = _create(self.path)
                weakref.finalize(self, self._file.close)
            while text:  # a disk that is nearly full takes a part, and says so only here
                text = text[self._file.write(text) :]
        except OSError as error:
            self._cut_back(self._end)
            raise self._unwritable(error) from None
        self._end += size

    def _cut_back(self, end: int) -> None:
        """Leave whole lines only, so that the file stays Singer input."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            self._end = end
            self._schemas.clear()  # what is cut off may have been a SCHEMA message

    def _unwritable(self, error: OSError) -> RunFailed:
        return RunFailed(
            ExitCode.FAULT,
            f"The rejects file {self.path} cannot be written ({error.strerror}). Make room or "
            "change 'rejects_path', then run again.",
        )


def _create(path: Path) -> io.FileIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep_out_of_git(path.parent)
    # Unbuffered: a process that is killed leaves no half line behind. Each write goes to the end
    # that the file has then, also after a part of it was cut off.
    file = io.FileIO(os.open(path, _NEW | os.O_APPEND, 0o600), "a")
    with contextlib.suppress(OSError):  # `--forget` replaces no file that a run still writes
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # otherwise a loss of power could take the whole file along
    finally:
        os.close(folder)
    return file


def _keep_out_of_git(folder: Path) -> None:
    """Have git ignore a folder that holds nothing but files of ours: they are personal data."""
    with contextlib.suppress(OSError):
        names = os.listdir(folder)  # noqa: PTH208 - names are all it takes
        if all(OURS.fullmatch(name) or TABLES.fullmatch(name) for name in names):
            with io.FileIO(os.open(folder / ".gitignore", _NEW, 0o600), "w") as file:
                file.write(b"*\n")
