"""Batches: taken in, processed on the schedule, shown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .batch import PREFIX, Batch, read_envelope
from .contact import serial_of
from .faults import among
from .wire import FieldError, Problem, Reply, day, invalid, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from .batch import Result
    from .schedule import Schedule
    from .wire import Request

STEPS = 4
SHARE_PENDING = 0.25


class Batches:
    """All batches.

    Attributes:
        all: In order of submission.
        latency: Seconds from submission to the end; 0 processes a batch at once.
            Can be changed at any time, for the batches submitted from then on.
    """

    def __init__(
        self,
        schedule: Schedule,
        work: Callable[[Any, float], Result],
        *,
        latency: float,
        progressive: bool,
    ) -> None:
        """Take what processes one item (`work(item, now)`) and how long a batch takes.

        Args:
            schedule: Where later is kept.
            work: Processes one item; never raises.
            latency: See the class.
            progressive: Process in quarters, rather than all at the end.
        """
        self.all: list[Batch] = []
        self.latency = latency
        self._schedule = schedule
        self._work = work
        self._progressive = progressive

    def submit(self, request: Request) -> Reply:
        """`POST /batches`."""
        envelope = read_envelope(request.body)
        total = len(envelope.items)
        batch = Batch(len(self.all), request.body, total, envelope.origin, request.now, to_do=total)
        self.all.append(batch)
        self._plan(batch, request)
        return ok(201, {"batchID": batch.id, "totalCount": total})

    def show(self, request: Request) -> Reply:
        """`GET /batches/{id}`."""
        return ok(200, self._find(request).as_json(request.faults))

    def show_items(self, request: Request) -> Reply:
        """`GET /batches/{id}/items`."""
        return ok(200, self._find(request).with_items(request.faults))

    def show_all(self, request: Request) -> Reply:
        """`GET /batches`: newest first, pages by offset."""
        if request.query.get("endpoint") != "contacts":
            raise invalid(FieldError("endpoint", "invalid_value", "endpoint must be contacts"))
        limit, offset = request.whole("limit", 100, 1, 250), request.whole("offset", 0, 0, 10**9)
        start = _midnight(request, "dateFrom")
        shown = (
            batch
            for batch in reversed(self.all)
            if batch.created >= start and batch.is_shown(request.now)
        )
        found = list(islice(shown, offset, offset + limit + 1))
        following = _link(request, limit, offset + limit) if len(found) > limit else None
        previous = _link(request, limit, max(0, offset - limit)) if offset else None
        paging = {"limit": limit, "offset": offset, "next": following, "previous": previous}
        page = [batch.as_json(request.faults) for batch in found[:limit]]
        return ok(200, {"batches": page, "paging": paging})

    def _find(self, request: Request) -> Batch:
        serial = serial_of(request.resource, PREFIX)
        if serial is None or serial >= len(self.all) or not self.all[serial].is_shown(request.now):
            raise Problem(404, "not-found", "Batch not found")
        return self.all[serial]

    def _plan(self, batch: Batch, request: Request) -> None:
        now = request.now
        if among(request.faults, "stopped") is not None:
            batch.to_do = batch.total // 2
        if (late := among(request.faults, "shown_late")) is not None:
            batch.appears = now + late.seconds
        if (vanished := among(request.faults, "vanished")) is not None:
            batch.vanishes = now + vanished.seconds
            if not vanished.acted:
                return
        stuck = among(request.faults, "stuck")
        if stuck is None:
            self._process(batch, now)
        elif stuck.seconds:
            self._schedule.at(now + stuck.seconds, partial(self._process, batch))

    def _process(self, batch: Batch, now: float) -> None:
        """Process a batch from now on."""
        if not self.latency:
            self._begin(batch, now)
            self._end(batch, now)
            return
        start, end = now + self.latency * SHARE_PENDING, now + self.latency
        self._schedule.at(start, partial(self._begin, batch))
        for step in range(1, STEPS) if self._progressive else ():
            due, upto = start + (end - start) * step / STEPS, batch.to_do * step // STEPS
            self._schedule.at(due, partial(self._advance, batch, upto))
        self._schedule.at(end, partial(self._end, batch))

    @staticmethod
    def _begin(batch: Batch, now: float) -> None:
        batch.status, batch.started = "inProgress", now

    def _advance(self, batch: Batch, upto: int, now: float) -> None:
        for item in batch.items()[len(batch.results) : upto]:
            result = self._work(item, now)
            batch.errors += isinstance(result, Problem)
            batch.results.append(result)

    def _end(self, batch: Batch, now: float) -> None:
        self._advance(batch, batch.to_do, now)
        batch.status = "finished" if batch.to_do == batch.total else "stopped"
        batch.ended = now


def _midnight(request: Request, name: str) -> float:
    """A day of the query in seconds since the epoch; 0 without it."""
    if name not in request.query:
        return 0.0
    date = day(request.query[name])
    if date is None:
        raise invalid(FieldError(name, "invalid_format", f"{name} must be yyyy-mm-dd"))
    return datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()


def _link(request: Request, limit: int, offset: int) -> str:
    return f"/batches?{urlencode({**request.query, 'limit': limit, 'offset': offset})}"
