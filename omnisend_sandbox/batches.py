"""Batches: taken in, worked off on the schedule, shown."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from .batch import MAX_ITEMS, PREFIX, Batch, read_envelope
from .contact import serial_of
from .faults import among
from .wire import FieldError, Refused, Reply, day, decode, invalid, not_found, ok, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .batch import Result
    from .schedule import Schedule
    from .wire import Request

MAX_BYTES = 1_000_000
RETENTION = 7 * 86_400.0
STEPS = 4
SHARE_PENDING = 0.25
ENDPOINTS = frozenset({"products", "contacts", "events"})
STATUSES = frozenset({"pending", "inProgress", "finished", "stopped"})


class Batches:
    """All batches.

    Attributes:
        all: In order of submission.
        latency: Seconds from submission to the end; 0 works a batch off at once.
            May be changed at any time, for the batches submitted from then on.
    """

    def __init__(
        self,
        schedule: Schedule,
        work: Callable[[Any, float], Result],
        *,
        latency: float,
        progressive: bool,
    ) -> None:
        """Take what works off one item (`work(item, now)`) and how long a batch takes.

        Args:
            schedule: Where later is kept.
            work: Works off one item; never raises.
            latency: See the class.
            progressive: Work off in quarters, rather than all at the end.
        """
        self.all: list[Batch] = []
        self.latency = latency
        self._schedule = schedule
        self._work = work
        self._progressive = progressive

    def submit(self, request: Request) -> Reply:
        """`POST /batches`."""
        if len(request.body) > MAX_BYTES:
            raise Refused(413, "payload-too-large", "A batch may be 1 MB at most")
        total, origin = _read(request)
        batch = Batch(len(self.all), request.body, total, origin, request.now, total)
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
        query = request.query
        limit = whole(query, "limit", 100, 1, 250)
        offset = whole(query, "offset", 0, 0, 10**9 - 1)
        found = self._filtered(query, request.now)
        for _ in range(offset):
            next(found, None)
        page = [batch for batch, _ in zip(found, range(limit), strict=False)]
        more = next(found, None) is not None
        struck = request.faults
        return ok(
            200,
            {
                "batches": [batch.as_json(struck) for batch in page],
                "paging": {
                    "limit": limit,
                    "offset": offset,
                    "next": _link(query, offset + limit, limit) if more else None,
                    "previous": _link(query, max(0, offset - limit), limit) if offset else None,
                },
            },
        )

    def _filtered(self, query: Mapping[str, str], now: float) -> Iterator[Batch]:
        endpoint, status = query.get("endpoint"), query.get("status")
        if endpoint not in ENDPOINTS:
            code = "required" if endpoint is None else "invalid_value"
            raise invalid(FieldError("endpoint", code, "endpoint: products, contacts or events"))
        if status is not None and status not in STATUSES:
            raise invalid(FieldError("status", "invalid_value", "Unknown batch status"))
        start, end = _midnight(query, "dateFrom"), _midnight(query, "dateTo")
        return (
            batch
            for batch in (reversed(self.all) if endpoint == "contacts" else ())
            if (status is None or batch.status == status)
            and (start is None or batch.created >= start)
            and (end is None or batch.created < end + 86_400)
            and not _hidden(batch, now)
        )

    def _find(self, request: Request) -> Batch:
        serial = serial_of(request.resource, PREFIX)
        if serial is None or serial >= len(self.all) or _hidden(self.all[serial], request.now):
            raise not_found("Batch")
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
        held = 0.0
        if (stuck := among(request.faults, "stuck")) is not None:
            if not stuck.seconds:
                return
            held = stuck.seconds
        if not self.latency and not held:
            self._begin(batch, now)
            self._end(batch, now)
            return
        start = now + held + self.latency * SHARE_PENDING
        end = now + held + self.latency
        self._schedule.at(start, partial(self._begin, batch))
        for step in range(1, STEPS) if self._progressive else ():
            due, upto = start + (end - start) * step / STEPS, batch.to_do * step // STEPS
            self._schedule.at(due, partial(self._advance, batch, upto))
        self._schedule.at(end, partial(self._end, batch))

    @staticmethod
    def _begin(batch: Batch, now: float) -> None:
        batch.status, batch.started = "inProgress", now

    def _advance(self, batch: Batch, upto: int, now: float) -> None:
        try:
            items = decode(batch.body)["items"]
        except msgspec.DecodeError:  # such as 1e999, which only a second look finds
            items = [None] * batch.total
        for item in items[len(batch.results) : upto]:
            result = self._work(item, now)
            batch.errors += isinstance(result, Refused)
            batch.results.append(result)

    def _end(self, batch: Batch, now: float) -> None:
        self._advance(batch, batch.to_do, now)
        batch.status = "finished" if batch.to_do == batch.total else "stopped"
        batch.ended = now


def _read(request: Request) -> tuple[int, str]:
    """How many items a batch of contacts holds, and its origin.

    Raises:
        Refused: Anything about its envelope is wrong (400).
    """
    try:
        envelope = read_envelope(request.body)
    except msgspec.ValidationError:
        raise _complaint(request.json()) from None
    except msgspec.DecodeError as broken:
        raise Refused(400, "invalid-json", f"Body is not JSON: {broken}") from None
    return len(envelope.items), envelope.origin


def _complaint(body: dict[str, Any]) -> Refused:
    """Every fault of an envelope."""
    errors = []
    if body.get("method") != "POST":
        errors.append(FieldError("method", "invalid_value", "method must be POST for contacts"))
    if body.get("endpoint") != "contacts":
        message = "endpoint must be contacts: this sandbox models no other"
        errors.append(FieldError("endpoint", "invalid_value", message))
    items = body.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        errors.append(FieldError("items", "out_of_range", f"items must be 1 to {MAX_ITEMS}"))
    return invalid(*(errors or [FieldError("origin", "invalid_type", "origin must be a string")]))


def _hidden(batch: Batch, now: float) -> bool:
    last = batch.created + RETENTION if batch.vanishes is None else batch.vanishes
    return not batch.appears <= now < last


def _midnight(query: Mapping[str, str], name: str) -> float | None:
    if name not in query:
        return None
    date = day(query[name])
    if date is None:
        raise invalid(FieldError(name, "invalid_format", f"{name} must be yyyy-mm-dd"))
    return datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()


def _link(query: Mapping[str, str], offset: int, limit: int) -> str:
    kept = "&".join(f"{k}={v}" for k, v in query.items() if k not in ("offset", "limit"))
    return f"/batches?{kept}&limit={limit}&offset={offset}"
