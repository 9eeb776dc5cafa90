"""METRIC lines in the SDK's format."""

from __future__ import annotations

import enum
import os
import typing as t
from collections import Counter

from singer_sdk import metrics

if t.TYPE_CHECKING:
    from target_omnisend.progress.snapshot import Snapshot

VERDICTS: t.Final = ("accepted", "rejected", "unchanged")


class Metric(enum.StrEnum):
    """What the SDK has no name for."""

    ACCEPTED = "records_accepted"
    REJECTED = "records_rejected"
    UNCHANGED = "records_unchanged"
    WAIT = "http_request_wait"


class Meters:
    """Writes, as the SDK's counters do, what was added since the last line.

    The SDK's own `record_count` counts records that were read; these count verdicts and calls.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self._logger = metrics.get_metrics_logger()
        self._told: Counter[tuple[str, str | None, str | None]] = Counter()

    def tell(self, snapshot: Snapshot, *, last: bool = False) -> None:
        """A line for each number that has grown, and in the end for each stream's verdicts."""
        for stream, counts in snapshot.streams.items():
            for name in VERDICTS:
                metric = Metric[name.upper()]
                self._tell("counter", metric, getattr(counts, name), stream, always=last)
        for calls in snapshot.requests:
            about = calls.stream, calls.endpoint
            self._tell("counter", metrics.Metric.HTTP_REQUEST_COUNT, calls.sent, *about)
            self._tell("timer", Metric.WAIT, calls.seconds_waited, *about)

    def _tell(
        self,
        kind: str,
        metric: Metric | metrics.Metric,
        value: float,
        stream: str | None,
        endpoint: str | None = None,
        *,
        always: bool = False,
    ) -> None:
        key = (metric.value, stream, endpoint)
        grown = round(value - self._told[key], 3)
        if not grown and not always:
            return
        self._told[key] = value  # type: ignore[assignment]
        tags = {metrics.Tag.STREAM: stream, metrics.Tag.ENDPOINT: endpoint}
        point = metrics.Point(
            kind,
            t.cast("metrics.Metric", metric),
            grown,
            {tag.value: value for tag, value in tags.items() if value is not None}
            | {metrics.Tag.PID.value: os.getpid()},
        )
        metrics.log(self._logger, point)
