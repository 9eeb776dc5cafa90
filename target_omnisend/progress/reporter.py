"""Tells how far a run is, from a thread of its own."""

from __future__ import annotations

import logging
import threading
import typing as t

from singer_sdk.metrics import DEFAULT_LOG_INTERVAL

from target_omnisend.progress.lines import fields, sentence
from target_omnisend.progress.metrics import Meters
from target_omnisend.progress.snapshot import Pace

if t.TYPE_CHECKING:
    from collections.abc import Callable

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
    """Between `start` and `close`: pictures on a terminal, or else lines in the log; METRIC lines.

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
        self._metrics_told_at: float | None = None
        self._pace = Pace()
        self._meters = Meters()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._pace.add(self._look())
        self._thread.start()

    def close(self) -> None:
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
        if self._metrics_told_at is None:
            self._metrics_told_at = snapshot.at
        elif snapshot.at >= self._metrics_told_at + self._metric_seconds:
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
