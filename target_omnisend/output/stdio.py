"""Standard input and output as they can be: closed, full, or without a reader."""

from __future__ import annotations

import os
import stat
import sys
import typing as t

import click

from target_omnisend.errors import ExitCode, RunFailed

_STANDARD_ERROR: t.Final = 2


def stand_in_for_the_log() -> None:
    """Where the shell has closed standard error, write it nowhere.

    Otherwise the next file or socket that is opened gets its number, and with it whatever
    C libraries and we say there.
    """
    if sys.stderr is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != _STANDARD_ERROR:
            os.dup2(nowhere, _STANDARD_ERROR)
            os.close(nowhere)
        sys.stderr = open(_STANDARD_ERROR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def tap() -> int | None:
    """The pipe that a tap writes to, which a failed run goes on reading.

    Meltano shows a tap's broken pipe, with two tracebacks, in front of why the target failed.
    A file or a terminal needs no reader.
    """
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or a test's own
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    return descriptor


def check_open(*, reading: bool) -> None:
    """Look before anything is sent; `reading` says that standard input is needed.

    Raises:
        click.UsageError: when the shell has closed one that a run needs.
    """
    if reading and sys.stdin is None:
        raise click.UsageError(
            "Standard input is closed. Pipe a tap into it, or name a file with --input."
        )
    if sys.stdout is None:
        raise click.UsageError(
            "Standard output is closed, and STATE goes there. Send it to a file or to /dev/null."
        )


def write_line(text: bytes) -> None:
    """Write a line to standard output, whole, at once and as it is.

    Raises:
        RunFailed: when standard output does not take it.
    """
    try:
        raw = getattr(sys.stdout, "buffer", None)
        if raw is None or sys.stdout.isatty():
            # A text stream of the SDK's own tests, or a terminal, whose display makes room for it.
            sys.stdout.write(f"{text.decode()}\n")
        else:  # not through its text layer, whose encoding is the operator's
            raw.write(text + b"\n")
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _give_up()
        reason = getattr(error, "strerror", None) or "it is closed"
        raise RunFailed(
            ExitCode.FAULT,
            f"The state cannot be written to standard output ({reason}). Check the program that "
            "reads it, or make room, then run again.",
        ) from None


def unusable_logging() -> int:
    """Say on standard error that the log cannot be set up; return the exit code."""
    sys.stderr.write(
        "The log cannot be set up. Check TARGET_OMNISEND_LOGLEVEL or LOGLEVEL (DEBUG, INFO, "
        "WARNING or ERROR), or the file that SINGER_SDK_LOG_CONFIG names; exit code 3.\n"
    )
    return ExitCode.SETTINGS


def _give_up() -> None:
    """Have Python's own end not try once more, which would end in another exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
