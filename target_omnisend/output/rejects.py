"""Refused records, kept as Singer messages so that they can be mended and sent again."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import typing as t
import weakref

import msgspec

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.files import check_folder

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path


class RejectsFile:
    """`<folder>/<UTC start>-<run id>.jsonl`, made with mode 0600 at the first refusal.

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
        self._unsynced = False
        check_folder(folder, purpose="refused records", setting="rejects_path")

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
        if self._schemas.get(stream := _stream(schema)) != schema:
            self._schemas[stream] = schema
            lines.insert(0, schema.strip())
        self._write(b"\n".join(lines) + b"\n")

    def sync(self) -> None:
        """Have what was appended on the disk, before a state passes it.

        Raises:
            RunFailed: when the disk does not take it.
        """
        if self._file is not None and self._unsynced:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._unwritable(error) from None
            self._unsynced = False

    def _write(self, text: bytes) -> None:
        try:
            if self._file is None:
                self._file = _create(self.path)
                weakref.finalize(self, self._file.close)
            while text:  # a disk that is nearly full takes a part, and says so only here
                text = text[self._file.write(text) :]
        except OSError as error:
            raise self._unwritable(error) from None
        self._unsynced = True

    def _unwritable(self, error: OSError) -> RunFailed:
        return RunFailed(
            ExitCode.FAULT,
            f"The rejects file {self.path} cannot be written ({error.strerror}); make room or "
            "change 'rejects_path', then run again.",
        )


def _with_rejection(line: bytes, rejection: dict[str, t.Any]) -> bytes:
    if b'"rejection"' in line:  # it may have been refused before
        with contextlib.suppress(ValueError):
            return msgspec.json.encode({**msgspec.json.decode(line), "rejection": rejection})
    # Otherwise not one character of the message changes.
    return line.rstrip()[:-1] + b',"rejection":' + msgspec.json.encode(rejection) + b"}"


@functools.lru_cache(maxsize=64)
def _stream(schema: bytes) -> str:
    return str(msgspec.json.decode(schema)["stream"])


def _create(path: Path) -> io.FileIO:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Unbuffered: a process that is killed leaves no half line behind.
    file = io.FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # otherwise a loss of power could take the whole file along
    finally:
        os.close(folder)
    return file
