"""The command `target-omnisend`, from its first moment on."""

from __future__ import annotations

import os
import signal
from typing import Any, Final

_STANDARD_ERROR: Final = 2


def main() -> None:
    """Run the command; a signal ends it with its exit code also while modules are imported."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)  # until the target takes them over

    from target_omnisend.target import TargetOmnisend  # noqa: PLC0415 - it takes half a second

    TargetOmnisend.cli()


def _end(number: int, _: Any) -> None:
    code = 128 + number
    name = signal.Signals(number).name
    os.write(_STANDARD_ERROR, f"Stopped by {name} before the run; exit code {code}.\n".encode())
    os._exit(code)


if __name__ == "__main__":
    main()
