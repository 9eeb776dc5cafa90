"""How a run can end: exit codes, and the one exception that ends a run early."""

from __future__ import annotations

import enum
import traceback
from pathlib import Path


class ExitCode(enum.IntEnum):
    """Exit codes of the command; 128 + signal number when it was stopped."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    SETTINGS = 3
    REJECTED = 4
    UNCONFIRMED = 5
    GUARD = 6
    READ_BACK = 7


class RunFailed(Exception):  # noqa: N818 - not an error of the program's
    """A failure that ends a run before its input does.

    Attributes:
        exit_code: of the command.
        sentence: what happened, and what to do; it holds no personal data.
    """

    def __init__(self, exit_code: ExitCode, sentence: str) -> None:
        """Keep both."""
        super().__init__(sentence)
        self.exit_code = exit_code
        self.sentence = sentence


def unexpected(error: BaseException) -> RunFailed:
    """A fault of this program's: where it is, and not the error's text, which may quote data."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return RunFailed(
        ExitCode.FAULT,
        f"An unexpected fault ({type(error).__name__}{where}) ended the run. This is a bug in "
        "target-omnisend: please report it. Run again: the run continues from the last state.",
    )
