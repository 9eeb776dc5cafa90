"""Tells how far a run is, from a thread of its own."""

from __future__ import annotations

import logging
import os
import sys
import threading
import typing as t

from singer_sdk.metrics import DEFAULT_LOG_INTERVAL

from target_omnisend.output.terminal import has_live_display
from target_omnisend.progress.lines import fields, sentence
from target_omnisend.progress.metrics import Meters
from target_omnisend.progress.snapshot import Pace, take

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from target_omnisend.delivery.runner import Runner
    from target_omnisend.progress.snapshot import Snapshot

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

    What goes wrong with telling ends the telling, and never the run.
    """

    def __init__(
        self,
        look: Callable[[], Snapshot],
        *,
        display: Callable[[], Display] | None = None,
        seconds: float | None = None,
        metric_seconds: float = DEFAULT_LOG_INTERVAL,
    ) -> None:
        """`look` takes a snapshot; `display` puts one up, where there is a terminal for it.

        `seconds` lie between two looks.
        """
        self._look = look
        self._display = display() if display else None
        self._seconds = seconds or (FRAME_SECONDS if display else LINE_SECONDS)
        self._metric_seconds = metric_seconds
        self._metrics_told_at = 0.0
        self._pace = Pace()
        self._meters = Meters()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Self:
        """Begin to tell."""
        first = self._look()
        self._pace.add(first)
        self._metrics_told_at = first.at
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the display down and tell the last numbers; nothing is said after that."""
        self._over.set()
        self._thread.join()
        self._take_down()
        self._meters.tell(self._look(), last=True)

    def tick(self) -> None:
        """Look, and tell."""
        snapshot = self._look()
        self._pace.add(snapshot)
        if self._display is not None:
            self._display.show(snapshot, self._pace)
        else:
            logger.info(sentence(snapshot, self._pace), extra=fields(snapshot, self._pace))
        if snapshot.at >= self._metrics_told_at + self._metric_seconds:
            self._metrics_told_at = snapshot.at
            self._meters.tell(snapshot)

    def _run(self) -> None:
        try:
            while not self._over.wait(self._seconds):
                self.tick()
        except Exception as error:  # noqa: BLE001 - a terminal that is gone, say
            self._take_down()
            logger.warning("Progress is not shown any more (%s).", type(error).__name__)

    def _take_down(self) -> None:
        display, self._display = self._display, None
        if display is not None:
            display.close()


def progress_of(runner: Runner, read_share: Callable[[], float | None]) -> Progress:
    """What tells how far a runner is; `read_share` of the input's bytes, where it is known."""

    def look() -> Snapshot:
        return runner.observe(lambda delivery, now: take(delivery, now, read_share()))

    if not has_live_display(sys.stderr, os.environ):
        return Progress(look)
    from target_omnisend.progress.display import Display  # noqa: PLC0415 - rich takes its time

    return Progress(look, display=Display)
