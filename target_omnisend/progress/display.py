"""The live display on a terminal."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import sys
import threading
import typing as t

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from target_omnisend.progress.lines import duration, percent, waiting

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from target_omnisend.progress.snapshot import Pace, Snapshot

_COLUMN: t.Final = 10
"""Characters of one count with its thousands, so that six stand in the narrowest terminal."""


class Display:
    """Shows progress below the log lines, as long as it is up.

    Whatever the process says on this terminal meanwhile appears above it: log lines, and STATE
    lines too where standard output is the same terminal.
    """

    def __init__(self) -> None:
        """Put it up on standard error."""
        self._lock = threading.RLock()
        self._console = Console(file=sys.stderr, force_terminal=True, highlight=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._since: float | None = None
        self._live.start()
        self._stdout, self._stderr = sys.stdout, sys.stderr
        self._handlers: list[tuple[logging.StreamHandler[t.TextIO], t.TextIO]] = []
        above = t.cast("t.TextIO", _Above(self._stderr, self._print_above))
        for handler in _handlers_to(self._stderr):
            handler.setStream(above)
            self._handlers.append((handler, self._stderr))
        sys.stderr = above
        if _same_terminal(self._stdout, self._stderr):
            sys.stdout = t.cast("t.TextIO", _Above(self._stdout, self._print_above))

    def show(self, snapshot: Snapshot, pace: Pace) -> None:
        """Show how far the run is."""
        if self._since is None:
            self._since = snapshot.at
        with self._lock:
            self._live.update(picture(snapshot, pace, snapshot.at - self._since), refresh=True)

    def close(self) -> None:
        """Take it down, without a trace."""
        with self._lock, contextlib.suppress(OSError):  # the terminal may be gone
            self._live.update("")
            self._live.stop()
        for handler, stream in self._handlers:
            handler.setStream(stream)
        sys.stdout, sys.stderr = self._stdout, self._stderr

    def _print_above(self, text: str) -> None:
        with self._lock:
            self._console.print(Text(text.removesuffix("\n")), soft_wrap=True)


class _Above:
    """Stands in for a stream; what is written to it appears above the display."""

    def __init__(self, stream: t.TextIO, write: t.Callable[[str], None]) -> None:
        """Keep both."""
        self._stream = stream
        self._write = write

    def write(self, text: str) -> int:
        """Write whole lines."""
        self._write(text)
        return len(text)

    def __getattr__(self, name: str) -> t.Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)


def picture(snapshot: Snapshot, pace: Pace, seconds: float) -> RenderableType:
    """A few lines, of 60 characters or as many as there are."""
    total = snapshot.total
    counts = {
        "received": total.received,
        "sent": total.sent,
        "accepted": total.accepted,
        "rejected": total.rejected,
        "unchanged": total.unchanged,
    }
    if total.removed:
        counts["removed"] = total.removed
    table = Table.grid()
    for _ in counts:
        table.add_column(justify="right", width=_COLUMN, no_wrap=True)
    table.add_row(*counts, style="dim")
    table.add_row(
        *(
            Text(f"{number:,}", style="bold red" if name == "rejected" and number else "bold")
            for name, number in counts.items()
        )
    )
    limit = f"limit in use {percent(snapshot.share)} ({snapshot.endpoint})"
    if snapshot.wait >= 1:
        limit = waiting(snapshot)
    speed = f" {pace.per_minute:,} a minute, {limit}"
    last = Table.grid(padding=(0, 1))
    for _ in range(3):
        last.add_column(no_wrap=True)
    time = str(dt.timedelta(seconds=int(seconds)))
    if (done := pace.done_share) is None:
        last.add_row("", f"{time} so far")
    else:
        left = pace.seconds_left
        ahead = "" if left is None else f", about {duration(left)} left"
        last.add_row("", ProgressBar(1.0, done, width=16), f"{percent(done)} after {time}{ahead}")
    return Group(table, Text(speed, no_wrap=True, overflow="ellipsis"), last)


def _handlers_to(stream: t.TextIO) -> Iterator[logging.StreamHandler[t.TextIO]]:
    known = logging.root.manager.loggerDict.values()
    for logger in (logging.root, *(one for one in known if isinstance(one, logging.Logger))):
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                yield handler


def _same_terminal(one: t.TextIO, other: t.TextIO) -> bool:
    try:
        return one.isatty() and os.ttyname(one.fileno()) == os.ttyname(other.fileno())
    except (OSError, ValueError):
        return False
