"""Rejected records, kept as Singer messages so that they can be corrected and sent again."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import typing as t
import weakref

import msgspec

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.files import check_folder

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path


_NEW: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW

_OURS: t.Final = re.compile(r"\d{8}T\d{6}Z-\w+\.(jsonl|csv)")


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
        self._schemas: dict[str, bytes] = {}
        self._end = self._synced = 0  # bytes in whole lines; bytes that are on the disk
        check_folder(folder, purpose="rejected records", setting="rejects_path")

    def add(
        self,
        schema: bytes,
        line: bytes,
        *,
        code: str,
        field: str | None,
        message: str,
        stage: str,
        batch_id: str | None = None,
        item_id: str | None = None,
        status: int | None = None,
    ) -> None:
        """Append the record that `line` holds, under the SCHEMA message `schema`.

        Raises:
            RunFailed: when the disk does not take it.
        """
        rejection = {
            "code": code,
            "field": field,
            "message": message,
            "stage": stage,
            "batch_id": batch_id,
            "item_id": item_id,
            "status": status,
            "at": self._utc_now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        lines = [_with_rejection(line, rejection)]
        stream = _stream(schema)
        if self._schemas.get(stream) != schema:
            lines.insert(0, schema.strip())
        self._write(b"\n".join(lines) + b"\n")
        self._schemas[stream] = schema

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


def _with_rejection(line: bytes, rejection: dict[str, t.Any]) -> bytes:
    if b'"rejection"' in line:  # an earlier run can have rejected it
        with contextlib.suppress(ValueError, RecursionError):
            return msgspec.json.encode({**msgspec.json.decode(line), "rejection": rejection})
    # Otherwise not one character of the message changes.
    return line.rstrip()[:-1] + b',"rejection":' + msgspec.json.encode(rejection) + b"}"


@functools.lru_cache(maxsize=64)
def _stream(schema: bytes) -> str:
    # Not the fast decoder: a schema may hold half a character, or a number beyond every float.
    return str(json.loads(schema.decode("utf-8", "surrogatepass"))["stream"])


def _create(path: Path) -> io.FileIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep_out_of_git(path.parent)
    # Unbuffered: a process that is killed leaves no half line behind. Each write goes to the end
    # that the file has then, also after a part of it was cut off.
    file = io.FileIO(os.open(path, _NEW | os.O_APPEND, 0o600), "a")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # otherwise a loss of power could take the whole file along
    finally:
        os.close(folder)
    return file


def _keep_out_of_git(folder: Path) -> None:
    """Have git ignore a folder that holds nothing but files of ours: they are personal data."""
    with contextlib.suppress(OSError):
        if all(map(_OURS.fullmatch, os.listdir(folder))):  # noqa: PTH208 - names are all it takes
            with io.FileIO(os.open(folder / ".gitignore", _NEW, 0o600), "w") as file:
                file.write(b"*\n")
