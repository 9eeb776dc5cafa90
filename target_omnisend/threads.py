"""The one way in which this program starts a thread."""

from __future__ import annotations

import signal
import threading
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

    Start: t.TypeAlias = Callable[[Callable[[], None], str], bool]


_FOR_THE_MAIN_THREAD: t.Final = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM}
"""Python handles a signal in the main thread alone, whichever thread the system gives it to."""


def start_thread(work: Callable[[], None], name: str) -> bool:
    """Start a daemon thread; False if the system has no room for one.

    A daemon, so that a thread that hangs cannot keep a stopped process alive. It takes none of the
    signals that stop a run: a main thread that hangs in a write would not hear of one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_THE_MAIN_THREAD)  # a thread inherits it
    try:
        threading.Thread(target=work, name=name, daemon=True).start()
    except (RuntimeError, MemoryError, OSError):
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return True
