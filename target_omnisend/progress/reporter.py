"""Shows how far a run is, from a thread of its own."""

from __future__ import annotations

import logging
import os
import sys
import threading
import typing as t
from contextlib import contextmanager, suppress

from singer_sdk.metrics import DEFAULT_LOG_INTERVAL

from target_omnisend.events import event
from target_omnisend.output.terminal import has_live_display
from target_omnisend.progress.lines import fields, sentence
from target_omnisend.progress.metrics import Meters
from target_omnisend.progress.snapshot import Pace, take
from target_omnisend.threads import start_thread

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from target_omnisend.delivery.runner import Runner
    from target_omnisend.progress.snapshot import Snapshot
    from target_omnisend.threads import Start

logger = logging.getLogger("target-omnisend.progress")

LINE_SECONDS: t.Final = 10.0
"""Between two lines in the log."""

FRAME_SECONDS: t.Final = 0.5
"""Between two pictures on a terminal."""


class Display(t.Protocol):
    """What is on a terminal."""

    def show(self, snapshot: Snapshot, pace: Pace) -> None:
        """Show how far the run is."""

    def close(self) -> None:
        """Take it down."""


class Progress:
    """While it is entered: pictures on a terminal, or else lines in the log; METRIC lines.

    A fault in showing progress ends the showing, and never the run.
    """

    def __init__(
        self,
        look: Callable[[], Snapshot],
        *,
        display: Callable[[], Display] | None = None,
        seconds: float | None = None,
        metric_seconds: float = DEFAULT_LOG_INTERVAL,
        start: Start = start_thread,
    ) -> None:
        """`look` takes a snapshot; `display` puts one up, if there is a terminal for it.

        `seconds` lie between two looks; `start` starts the thread.
        """
        self._look = look
        self._make_display = display
        self._display: Display | None = None
        self._seconds = seconds or (FRAME_SECONDS if display else LINE_SECONDS)
        self._metric_seconds = metric_seconds
        self._metrics_told_at = 0.0
        self._pace = Pace()
        self._meters = Meters()
        self._start = start
        self._over = threading.Event()
        self._ended = threading.Event()
        self._ended.set()

    def __enter__(self) -> Self:
        """Begin to show progress."""
        first = self._look()
        self._pace.add(first)
        self._metrics_told_at = first.at
        with self._no_harm():
            self._display = self._make_display() if self._make_display else None
            self._begin()
        return self

    def _begin(self) -> None:
        self._ended.clear()
        if not self._start(self._run, "progress"):
            self._ended.set()
            self._take_down()
            logger.warning(
                "Progress is not shown, because the system has no room for a thread.",
                extra=event("progress_not_shown"),
            )

    def __exit__(self, *_: object) -> None:
        """Take the display down and write the last METRIC lines; nothing comes after that."""
        self._over.set()
        self._ended.wait()
        with self._no_harm():
            self._take_down()
            self._meters.tell(self._look(), last=True)

    def tick(self) -> None:
        """Take a snapshot, and show it."""
        snapshot = self._look()
        self._pace.add(snapshot)
        if self._display is not None:
            self._display.show(snapshot, self._pace)
        else:
            about = fields(snapshot, self._pace)
            logger.info(sentence(snapshot, self._pace), extra=event("progress", **about))
        if snapshot.at >= self._metrics_told_at + self._metric_seconds:
            self._metrics_told_at = snapshot.at
            self._meters.tell(snapshot)

    def _run(self) -> None:
        try:
            with self._no_harm():
                while not self._over.wait(self._seconds):
                    self.tick()
        finally:
            self._ended.set()

    @contextmanager
    def _no_harm(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a terminal that is gone, say
            with suppress(Exception):
                self._take_down()
            logger.warning(
                "Progress is not shown any more (%s).",
                type(error).__name__,
                extra=event("progress_not_shown"),
            )

    def _take_down(self) -> None:
        display, self._display = self._display, None
        if display is not None:
            display.close()


def progress_of(runner: Runner, read_share: Callable[[], float | None]) -> Progress:
    """The progress of a runner; `read_share` is that of the input's bytes, if it is known."""

    def look() -> Snapshot:
        return runner.observe(lambda delivery, now: take(delivery, now, read_share()))

    if not has_live_display(sys.stderr, os.environ):
        return Progress(look)
    from target_omnisend.progress.display import Display  # noqa: PLC0415 - rich takes its time

    return Progress(look, display=Display)
