"""Waiting for a thing, and never for a time: a busy machine takes longer, and still gets there."""

from __future__ import annotations

import fcntl
import struct
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PIPE_BYTES = 65_536
"""A pipe holds so many, unless it was told otherwise."""


def wait_for(come: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something has come about; a test that waits in vain fails."""
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until, "it does not come about"
        time.sleep(0.01)


def unread(descriptor: int) -> int:
    """How many bytes are in a pipe; either of its ends will do."""
    answer = fcntl.ioctl(descriptor, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
