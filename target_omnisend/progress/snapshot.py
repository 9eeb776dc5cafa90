"""How far a run is, at one moment and over the last minute."""

from __future__ import annotations

import math
import typing as t
from collections import deque
from dataclasses import dataclass

from target_omnisend.progress.limits import TIGHT, allowed_per_minute, seconds_of_wait

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_omnisend.delivery.engine import Delivery
    from target_omnisend.delivery.outcome import StreamCounts

PACE_SECONDS: t.Final = 60.0
"""The stretch over which the pace is measured; Omnisend's limits are for as long."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Records of one stream, or of all; `sent` counts contacts that Omnisend has taken."""

    received: int = 0
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: int = 0

    @property
    def settled(self) -> int:
        """Those that have their verdict."""
        return self.accepted + self.rejected + self.duplicates + self.unchanged + self.skipped

    @property
    def sent_share(self) -> float:
        """Of the records that were sent or settled, those that took a place in a batch."""
        known = self.settled - self.accepted + max(self.sent, self.accepted)
        return self.sent / known if known else 0.0

    def numbers(self) -> dict[str, int]:
        """The counts by their names in the report."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Requests:
    """Calls of one endpoint about one stream; None for those about no single one."""

    stream: str | None
    endpoint: str
    sent: int
    seconds_waited: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment.

    Attributes:
        at: in the clock's seconds.
        share: of Omnisend's limit that is in use, where that is tightest.
        endpoint: where that is.
        read_share: of the input's bytes, where its size is known.
        allowed: contacts a minute that the run's share of Omnisend's limits admits.
        wait: seconds until Omnisend's limits let the next call out; 0 if they hold none back.
    """

    at: float
    total: Counts
    streams: Mapping[str, Counts]
    requests: tuple[Requests, ...]
    share: float
    endpoint: str
    read_share: float | None = None
    allowed: float = math.inf
    wait: float = 0.0


def take(delivery: Delivery, now: float, read_share: float | None = None) -> Snapshot:
    """Look at a delivery, of which nothing may change meanwhile but what has been read."""
    scheduler = delivery.scheduler
    # A copy first: the thread that reads may come to a stream that is not among them yet.
    streams = {name: _counts(one) for name, one in list(delivery.outcome.streams.items())}
    in_use = {endpoint: scheduler.lanes[endpoint].share_in_use(now) for endpoint in TIGHT}
    tightest = max(in_use, key=lambda endpoint: in_use[endpoint])
    requests = tuple(
        Requests(stream, endpoint.label, tally.sent, tally.seconds_waited)
        for endpoint, lane in scheduler.lanes.items()
        for stream, tally in lane.tallies.items()
    )
    share = in_use[tightest]
    total = _sum(streams.values())
    return Snapshot(
        now,
        total,
        streams,
        requests,
        share,
        tightest.label,
        read_share,
        allowed_per_minute(delivery),
        seconds_of_wait(delivery, now),
    )


class Pace:
    """How fast a run is, by the snapshots of the last minute."""

    def __init__(self) -> None:
        """Start without any."""
        self._past: deque[Snapshot] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """Take in the newest; at least one other stays, however old it is."""
        self._past.append(snapshot)
        while len(self._past) > 2 and self._past[1].at <= snapshot.at - PACE_SECONDS:
            self._past.popleft()

    @property
    def per_minute(self) -> int:
        """Accepted contacts a minute, and not more than the budget will allow.

        Omnisend's limits let a minute's calls out at once; the next ones wait.
        """
        first, last = self._ends()
        measured = 60 * _speed(first, last, last.total.accepted - first.total.accepted)
        return round(min(measured, last.allowed))

    @property
    def done_share(self) -> float | None:
        """Of all the records that are to be expected, those that are settled."""
        last = self._ends()[1]
        if not last.read_share or not last.total.received:
            return None
        return min(1.0, last.total.settled / last.total.received * last.read_share)

    @property
    def seconds_left(self) -> float | None:
        """Until all that are to be expected are settled, where that can be said.

        It is the time by the pace of the last minute, or by the budget where that is longer.
        """
        first, last = self._ends()
        speed = _speed(first, last, last.total.settled - first.total.settled)
        if not last.read_share or not speed:
            return None
        left = last.total.received / last.read_share - last.total.settled
        by_budget = last.wait + left * last.total.sent_share / last.allowed * 60
        return max(left / speed, by_budget if left else 0.0)

    def _ends(self) -> tuple[Snapshot, Snapshot]:
        return self._past[0], self._past[-1]


def _speed(first: Snapshot, last: Snapshot, records: int) -> float:
    return records / (last.at - first.at) if last.at > first.at else 0.0


def _counts(counts: StreamCounts) -> Counts:
    return Counts(*(getattr(counts, name) for name in Counts.__slots__))


def _sum(parts: Iterable[Counts]) -> Counts:
    columns = [[getattr(part, name) for name in Counts.__slots__] for part in parts]
    return Counts(*(sum(column) for column in zip(*columns, strict=True)))
