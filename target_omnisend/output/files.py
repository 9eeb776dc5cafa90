"""Files that a run makes: whether they can be made, told before anything is sent."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from pathlib import Path

_NOT_THERE: t.Final = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
"""What looking at a path may answer without the path itself being wrong."""


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
            f"The folder {folder} for {purpose} cannot be written to; change '{setting}' or the "
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
            f"{path} is a folder and cannot take {purpose}; name a file in '{setting}'.",
        )


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: whoever reads it finds the old text or the new.

    Raises:
        OSError: when it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".target-omnisend-{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


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
