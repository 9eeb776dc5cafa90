"""The contacts endpoints: read and tag."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .cursors import page_of
from .faults import among
from .wire import FieldError, Reply, instant, invalid, ok, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .contact import Contact
    from .people import People
    from .schedule import Schedule
    from .segments import Segments
    from .wire import Request

MAX_SELECTED = 250
MAX_TAGS = 100
SELECTORS = ("emails", "phones", "contactIDs")
FILTERS = ("email", "status", "segmentID", "tag", "updatedAtFrom")


class Directory:
    """`/contacts` and `/contacts/tags` over the store's people."""

    def __init__(self, people: People, segments: Segments, schedule: Schedule) -> None:
        """Take the contacts, the segments, and where later is kept."""
        self._people = people
        self._segments = segments
        self._schedule = schedule

    def show_all(self, request: Request) -> Reply:
        """`GET /contacts`: newest first, pages by cursor."""
        given = {name: request.query[name] for name in FILTERS if name in request.query}
        _check_filters(given)
        tests = [self._test(name, value) for name, value in given.items()]
        held = self._people.all
        if "email" in given:
            # Without a walk over all of them.
            found = self._people.by_email.get(given["email"])
            held = [] if found is None else [found]
        shown, paging = page_of(
            request, held, lambda one: all(test(one) for test in tests), default=100, most=250
        )
        contacts = [one.as_json(self._segments.of(one)) for one in shown]
        return ok(200, {"contacts": contacts, "paging": paging})

    def tag(self, request: Request) -> Reply:
        """`POST /contacts/tags`."""
        return self._take(request, self._people.tag)

    def untag(self, request: Request) -> Reply:
        """`DELETE /contacts/tags`."""
        return self._take(request, self._people.untag)

    def _take(self, request: Request, change: Callable[..., None]) -> Reply:
        body = request.json()
        _check_tagging(body)
        work = partial(self._change, body, change)
        late = among(request.faults, "tags_late")
        if late is not None and late.calls:
            self._schedule.after_calls(late.calls, work)
        elif late is not None:
            self._schedule.at(request.now + late.seconds, work)
        elif among(request.faults, "ignores_tags") is None:
            work(request.now)
        return Reply(202, {}, b"")

    def _change(self, body: dict[str, Any], change: Callable[..., None], now: float) -> None:
        met = self._people.select(body, now)
        segment = self._segments.by_id.get(body.get("segmentID", ""))
        if segment is not None:
            met |= {one.serial: one for one in self._people.all if segment.test(one)}
        change(met.values(), body["tags"], now)

    def _test(self, name: str, value: str) -> Callable[[Contact], bool]:
        if name == "segmentID":
            segment = self._segments.by_id.get(value)
            return segment.test if segment is not None else lambda _: False
        if name == "updatedAtFrom":
            since = instant(value)
            if since is None:
                raise invalid(FieldError(name, "invalid_format", f"{name} must be RFC 3339"))
            return lambda contact: contact.updated >= since
        if name == "tag":
            folded = value.casefold()
            return lambda contact: contact.has_tag(folded)
        return lambda contact: getattr(contact, name) == value


def _check_filters(given: Mapping[str, str]) -> None:
    if "tag" in given and "status" in given:
        raise invalid(FieldError("tag", "conflict", "tag and status exclude each other"))
    if "updatedAtFrom" in given and len(given) > 1:
        raise invalid(FieldError("updatedAtFrom", "conflict", "updatedAtFrom stands alone"))


def _check_tagging(body: dict[str, Any]) -> None:
    """Raise a 400 with every fault of a tag call's body."""
    errors = [
        FieldError(name, "out_of_range", f"{name}: at most {MAX_SELECTED}")
        for name in SELECTORS
        if not texts(body.get(name, []), 0, MAX_SELECTED)
    ]
    if not isinstance(body.get("segmentID", ""), str):
        errors.append(FieldError("segmentID", "invalid_type", "segmentID must be a string"))
    if not any(body.get(name) for name in (*SELECTORS, "segmentID")):
        errors.append(FieldError("emails", "required", "At least one selector"))
    if not texts(body.get("tags"), 1, MAX_TAGS):
        errors.append(FieldError("tags", "out_of_range", f"tags: 1 to {MAX_TAGS} texts"))
    if errors:
        raise invalid(*errors)
