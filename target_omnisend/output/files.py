"""Files that a run makes: a check, before the first call, that they can be made."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import typing as t

from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from pathlib import Path

_NOT_THERE: t.Final = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
"""What looking at a path may answer without the path itself being wrong."""

_NEW: t.Final = 0o666


def check_folder(folder: Path, *, purpose: str, setting: str) -> None:
    """Find out whether files can be made in a folder, without making it.

    Raises:
        RunFailed: when they cannot; it names the setting.
    """
    _check_path(folder, setting)
    existing = existing_part(folder)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise RunFailed(
            ExitCode.SETTINGS,
            f"The folder {folder} for {purpose} cannot be written to. Change '{setting}' or the "
            "folder's permissions.",
        )


def check_file(path: Path, *, purpose: str, setting: str) -> None:
    """Find out whether a file can be made or replaced, without making it.

    Raises:
        RunFailed: when it cannot; it names the setting.
    """
    check_folder(path.parent, purpose=purpose, setting=setting)
    _check_path(path, setting)
    if os.path.isdir(path):  # noqa: PTH112 - as above
        raise RunFailed(
            ExitCode.SETTINGS,
            f"{path} is a folder and cannot take {purpose}. Name a file in '{setting}'.",
        )


def replace(path: Path, text: str | bytes) -> None:
    """Write a file whole or not at all: a reader finds the old text or the new.

    The draft has a name that cannot be foreseen, follows no link, and only its owner may read it.
    In the end the file has the mode of the one it replaces.

    Raises:
        OSError: when it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # O_EXCL, O_NOFOLLOW and mode 0600. A name made of the process ID would be taken for ever by
    # the draft of a run that was killed: in a container the ID is always the same.
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".target-omnisend-", suffix=".tmp")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(text.encode() if isinstance(text, str) else text)
            file.flush()
            os.fsync(descriptor)  # otherwise a loss of power could leave neither text
            os.fchmod(descriptor, _mode_for(path))
        os.replace(draft, path)  # noqa: PTH105 - no path was made of it
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)  # noqa: PTH108 - as above
        raise


def _mode_for(path: Path) -> int:
    """The mode of the file that is there, or of one that the system would make."""
    with contextlib.suppress(OSError):
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            return stat.S_IMODE(mode)
    return _NEW & ~_umask()


def _umask() -> int:
    now = os.umask(0o077)  # it can only be read by setting it
    os.umask(now)
    return now


def existing_part(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    existing = path.absolute()
    # Not `Path.exists`, which raises before Python 3.12 where looking is forbidden.
    while not os.path.exists(existing) and existing != existing.parent:  # noqa: PTH110
        existing = existing.parent
    return existing


def _check_path(path: Path, setting: str) -> None:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return
        raise RunFailed(
            ExitCode.SETTINGS,
            f"Setting '{setting}' names no file that can be made ({error.strerror}).",
        ) from None
