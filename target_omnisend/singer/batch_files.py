"""Files that BATCH messages name: a piece at a time, never a file whole."""

from __future__ import annotations

import gzip
import logging
import os
import stat
import typing as t
import zlib
from urllib.parse import unquote

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.singer.decoding import split_lines

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_omnisend.signals import Interrupt

    Lines: t.TypeAlias = Iterator[list[bytes]]

_Done = t.TypeVar("_Done")
_Piece = t.TypeVar("_Piece")

_CHUNK: t.Final = 1 << 18
"""Bytes read at once."""

_GZIP: t.Final = b"\x1f\x8b"
"""What such a file begins with, and no JSON does."""

_TALKATIVE: t.Final = (
    *("fsspec", "s3fs", "botocore", "aiobotocore", "boto3", "s3transfer"),
    *("gcsfs", "google", "adlfs", "azure", "msal", "paramiko", "smbprotocol", "httpx", "httpcore"),
)
"""They log whole addresses at level DEBUG, with what is to be kept secret of them."""


class FileFault(InvalidInputLine):
    """A file cannot be read, or not to its end; the text names neither it nor what it holds."""


class Source(t.NamedTuple):
    """A file.

    Attributes:
        open: opens it, as often as it is called.
        is_local: it is on this machine.
    """

    open: Callable[[], t.IO[bytes]]
    is_local: bool


class BatchFiles:
    """Reads local files, and all for which fsspec has a file system.

    They stay where they are, as with the SDK: a run may have to be repeated.
    """

    def __init__(self, config: Mapping[str, t.Any], interrupt: Interrupt) -> None:
        """`config` is the setting `batch_config`: its `storage` says where to look instead."""
        storage = config.get("storage") or {}
        self._root: str | None = storage.get("root")
        self._options: dict[str, t.Any] = storage.get("params") or {}
        self._interrupt = interrupt
        self._system: object = None
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)

    def read(self, url: str, decode: Callable[[Source], Iterator[_Piece]]) -> Iterator[_Piece]:
        """The records of a file, some at a time, as `decode` makes them.

        Raises:
            FileFault: when it cannot be read, or not to its end.
            RunFailed: when a package is missing.
            Stopped: when a signal comes first.
        """
        pieces = self._patiently(lambda: decode(self._source(url)))
        while (piece := self._patiently(lambda: next(pieces, None))) is not None:
            yield piece

    def _patiently(self, work: Callable[[], _Done]) -> _Done:
        # In a thread that a signal leaves alone: a store far away may not answer for minutes.
        return self._interrupt.wait_for(lambda: _with_plain_faults(work))

    def _source(self, url: str) -> Source:
        if self._root is not None:
            url = f"{self._root.rstrip('/')}/{url.rpartition('/')[2]}"
        files, path = url_to_fs(url, **self._options)
        is_local = isinstance(files, LocalFileSystem)
        if is_local:
            if not files.exists(path):
                path = unquote(path)  # the SDK's taps quote blanks, which fsspec does not know
            _check_ends(path)
        self._system = files  # without a reference, zip's file system closes its files' source
        return Source(lambda: t.cast("t.IO[bytes]", files.open(path, "rb")), is_local)


def name_of(url: str) -> str:
    """The file's name alone: neither a folder, which may be a host, nor a key, nor contents."""
    if "::data:" in f"::{url}":  # also as the end of a chain, as in simplecache::data:
        return "data:"
    name = url.partition("?")[0].rpartition("/")[2].rpartition("@")[2]
    return "".join(one if one.isprintable() else "?" for one in name)


def _check_ends(path: str) -> None:
    """Check that a path is not a device: /dev/zero has no end, not even of a line.

    Raises:
        FileFault: when it is one.
        OSError: when there is nothing.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116 - fsspec has made it a text
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise FileFault("is a device and not a file")


def _with_plain_faults(work: Callable[[], _Done]) -> _Done:
    """Do the work; an error becomes a sentence without the error's text, which can quote data.

    Raises:
        FileFault: in place of nearly everything.
        RunFailed: when a package is missing.
    """
    try:
        return work()
    except RunFailed:
        raise
    except ImportError as error:
        raise RunFailed(
            ExitCode.SETTINGS,
            f"A BATCH file needs a package that is not installed ({error}). Install it beside "
            "target-omnisend, then run again.",
        ) from None
    except Exception as error:  # noqa: BLE001 - file systems are many and raise what they like
        raise FileFault(_reason(error)) from None


def _reason(error: Exception) -> str:
    match error:
        case FileFault():
            return str(error)
        case EOFError():
            return "is cut short"
        case gzip.BadGzipFile() | zlib.error():
            return "is not gzip, or is damaged"
        case FileNotFoundError():
            return "is not there"
        case OSError(errno=int(number)):
            return f"cannot be read ({os.strerror(number)})"
    return f"cannot be read ({type(error).__name__})"


def plain(source: Source) -> Lines:
    """JSON lines as they are; lines may be blank."""
    file = source.open()
    zipped = file.read(len(_GZIP)) == _GZIP  # the SDK's taps always zip
    file.seek(0)
    if zipped:
        yield from _unzipped(file)
        return
    yield from split_lines(iter(lambda: file.read(_CHUNK), b""))
    file.close()


def gzipped(source: Source) -> Lines:
    """JSON lines under gzip."""
    return _unzipped(source.open())


def _unzipped(file: t.IO[bytes]) -> Lines:
    # `read1` gives what comes before the damage in a damaged file, and `read` does not.
    unzipped = gzip.GzipFile(fileobj=file)
    yield from split_lines(iter(lambda: unzipped.read1(_CHUNK), b""))
    if not file.tell():
        raise FileFault("is empty and is not a gzip file")
    file.close()
