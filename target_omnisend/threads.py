"""The one way in which this program starts a thread."""

from __future__ import annotations

import threading
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Start: t.TypeAlias = Callable[[Callable[[], None], str], bool]


def start_thread(work: Callable[[], None], name: str) -> bool:
    """Start a daemon thread; False if the system has no room for one.

    A daemon, so that a thread that hangs cannot keep a stopped process alive.
    """
    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except (RuntimeError, MemoryError, OSError):
        return False
    return True
