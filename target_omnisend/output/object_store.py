"""An object store, through fsspec: whole files only, each call within a time, plain sentences."""

from __future__ import annotations

import contextlib
import os
import typing as t
from concurrent.futures import Future

from fsspec.core import url_to_fs

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.threads import start_thread

if t.TYPE_CHECKING:
    from collections.abc import Callable

_Done = t.TypeVar("_Done")

SECONDS: t.Final = 120.0
"""A store gets so long for one file of a few megabytes, its package's own retries included."""

_PROBE: t.Final = ".target-omnisend-check"

_EXTRAS: t.Final = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "az"),
}
"""The extra of this package that installs the package for a protocol."""


class ObjectStore:
    """The folder of an object store that `rejects_path` names.

    Credentials and options are where the package of the store looks for them, and in fsspec's own
    settings (`FSSPEC_S3` and the like).
    """

    def __init__(self, url: str) -> None:
        """Load the package; no call is made.

        Raises:
            RunFailed: when the package is missing, or does not take the settings.
        """
        self.url = url.rstrip("/")
        protocol = url.partition("://")[0].lower()
        try:
            self._system, self._root = url_to_fs(self.url)
        except ImportError:
            raise RunFailed(ExitCode.SETTINGS, _missing(protocol)) from None
        except Exception as error:  # noqa: BLE001 - file systems are many and raise what they like
            raise self._failed("used", error, ExitCode.SETTINGS) from None

    def check(self, seconds: float) -> None:
        """Write a small file and delete it; a right to delete is not needed.

        Raises:
            RunFailed: when it cannot be written within so many seconds.
        """
        path = self._path(_PROBE)

        def probe() -> None:
            self._system.pipe_file(path, b"\n")
            with contextlib.suppress(Exception):
                self._system.rm_file(path)

        self._do("written", probe, seconds, ExitCode.SETTINGS)

    def write(self, name: str, text: bytes) -> None:
        """Write a file; it is complete when this returns.

        Raises:
            RunFailed: when the store does not take it.
        """
        self._do("written", lambda: self._system.pipe_file(self._path(name), text))

    def names(self) -> list[str]:
        """The names of the files.

        Raises:
            RunFailed: when the store does not list them.
        """

        def find() -> list[str]:
            self._system.invalidate_cache()
            with contextlib.suppress(FileNotFoundError):
                return [
                    path.rpartition("/")[2] for path in self._system.ls(self._root, detail=False)
                ]
            return []

        return self._do("read", find)

    def read(self, name: str) -> bytes:
        """A file, whole.

        Raises:
            RunFailed: when the store does not give it.
        """
        return self._do("read", lambda: bytes(self._system.cat_file(self._path(name))))

    def delete(self, name: str) -> None:
        """Delete a file.

        Raises:
            RunFailed: when the store does not let it.
        """
        self._do("deleted", lambda: self._system.rm_file(self._path(name)))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _do(
        self,
        what: str,
        work: Callable[[], _Done],
        seconds: float = SECONDS,
        code: ExitCode = ExitCode.FAULT,
    ) -> _Done:
        try:
            return _within(seconds, work)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._failed(what, error, code) from None

    def _failed(self, what: str, error: Exception, code: ExitCode) -> RunFailed:
        return RunFailed(
            code,
            f"The rejected records at {self.url} cannot be {what} ({_reason(error)}). Check "
            "'rejects_path' and the rights there, then run again.",
        )


def _within(seconds: float, work: Callable[[], _Done]) -> _Done:
    """Do the work in a thread that goes on alone when the time is over.

    Raises:
        TimeoutError: when it takes longer.
        Exception: what the work raises.
    """
    done: Future[_Done] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            done.set_exception(error)

    if not start_thread(do, "store"):
        do()
    return done.result(seconds)


def _missing(protocol: str) -> str:
    if extra := _EXTRAS.get(protocol):
        return (
            f"Rejected records at {protocol}:// need the extra '{extra}'. Install "
            f"target-omnisend[{extra}], then run again."
        )
    return (
        f"Rejected records at {protocol}:// need a package that is not installed. Install the "
        "one that fsspec names for it, then run again."
    )


def _reason(error: Exception) -> str:
    """What went wrong, without the error's text, which can quote an address with its keys."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case FileNotFoundError():
            return "the bucket or folder is not there"
        case PermissionError():
            return "permission denied"
        case OSError(errno=int(number)):
            return os.strerror(number)
    return type(error).__name__
