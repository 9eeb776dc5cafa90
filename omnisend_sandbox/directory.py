"""The contacts endpoints: read, upsert, patch, tag."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .cursors import limits_of, paging
from .people import sort_key
from .wire import FieldError, Reply, instant, invalid, not_found, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from .contact import Contact
    from .people import People
    from .schedule import Schedule
    from .segments import Segments
    from .wire import Request

MAX_SELECTED = 250
MAX_TAGS = 100
SELECTORS = ("emails", "phones", "contactIDs")
FILTERS = ("email", "phone", "status", "segmentID", "tag", "updatedAtFrom")


class Directory:
    """`/contacts` and `/contacts/tags` over the store's people."""

    def __init__(
        self, people: People, segments: Segments, schedule: Schedule, *, tag_latency: float
    ) -> None:
        """Take the contacts and the seconds until a tag call takes effect."""
        self.tag_latency = tag_latency
        self._people = people
        self._segments = segments
        self._schedule = schedule

    def show_all(self, request: Request) -> Reply:
        """`GET /contacts`."""
        sort = request.query.get("sort", "createdAt")
        direction = request.query.get("direction", "desc")
        if sort not in ("createdAt", "updatedAt"):
            raise invalid(FieldError("sort", "invalid_value", "sort: createdAt, updatedAt"))
        if direction not in ("asc", "desc"):
            raise invalid(FieldError("direction", "invalid_value", "direction: asc, desc"))
        limit, after, before = limits_of(request, default=100, most=250)
        one = self._named(request)
        if one is not None:
            page, more = one, False
        else:
            page, more = self._people.page(
                self._filter(request),
                limit=limit,
                sort=sort,
                descending=direction == "desc",
                after=after,
                before=before,
            )
        keys = [sort_key(contact, sort) for contact in page]
        shown = [self._shown(contact) for contact in page]
        return ok(200, {"contacts": shown, "paging": paging(request, limit, keys, more)})

    def show(self, request: Request) -> Reply:
        """`GET /contacts/{id}`."""
        return ok(200, self._shown(self._find(request)))

    def upsert(self, request: Request) -> Reply:
        """`POST /contacts`."""
        contact, created = self._people.upsert(request.json(), request.now, request.now)
        return ok(201 if created else 200, self._shown(contact))

    def patch(self, request: Request) -> Reply:
        """`PATCH /contacts/{id}` and `PATCH /contacts?email=`."""
        contact = self._find(request)
        self._people.patch(contact, request.json(), request.now)
        return ok(200, self._shown(contact))

    def tag(self, request: Request) -> Reply:
        """`POST /contacts/tags`."""
        return self._later(request, self._people.tag)

    def untag(self, request: Request) -> Reply:
        """`DELETE /contacts/tags`."""
        return self._later(request, self._people.untag)

    def _later(self, request: Request, change: Callable[..., None]) -> Reply:
        body = request.json()
        _check_tagging(body)
        if not self.tag_latency:
            self._change(body, change, request.now)
        else:
            due = request.now + self.tag_latency
            self._schedule.at(due, partial(self._change, body, change))
        return Reply(202, {}, b"")

    def _change(self, body: dict[str, Any], change: Callable[..., None], now: float) -> None:
        met = self._people.select({name: body.get(name, []) for name in SELECTORS}, now)
        segment = self._segments.by_id.get(body.get("segmentID", ""))
        if segment is not None:
            met += [one for one in self._people.all if segment.test(one)]
        change(met, body["tags"], now)

    def _shown(self, contact: Contact) -> dict[str, Any]:
        return contact.as_json(self._segments.of(contact))

    def _find(self, request: Request) -> Contact:
        if request.resource:
            contact = self._people.find(request.resource)
        elif "email" in request.query:
            contact = self._people.by_email.get(request.query["email"])
        else:
            raise invalid(FieldError("email", "required", "email: query parameter required"))
        if contact is None:
            raise not_found("Contact")
        return contact

    def _named(self, request: Request) -> list[Contact] | None:
        """The contact an e-mail or phone filter names, without a walk over all."""
        query = request.query
        if "email" in query:
            found = self._people.by_email.get(query["email"])
        elif "phone" in query:
            found = self._people.by_phone.get(query["phone"])
        else:
            return None
        matches = self._filter(request)
        return [found] if found is not None and matches(found) else []

    def _filter(self, request: Request) -> Callable[[Contact], bool]:
        given = {name: request.query[name] for name in FILTERS if name in request.query}
        if "tag" in given and "status" in given:
            raise invalid(FieldError("tag", "conflict", "tag and status exclude each other"))
        if "updatedAtFrom" in given and len(given) > 1:
            raise invalid(FieldError("updatedAtFrom", "conflict", "updatedAtFrom stands alone"))
        tests = [self._test(name, value) for name, value in given.items()]
        return lambda contact: all(test(contact) for test in tests)

    def _test(self, name: str, value: str) -> Callable[[Contact], bool]:
        if name == "segmentID":
            segment = self._segments.by_id.get(value)
            return segment.test if segment is not None else lambda _: False
        if name == "updatedAtFrom":
            since = instant(value)
            if since is None:
                raise invalid(FieldError(name, "invalid_format", f"{name} must be RFC 3339"))
            return lambda contact: contact.updated >= since
        tests: dict[str, Callable[[Contact], bool]] = {
            "email": lambda contact: contact.email == value,
            "phone": lambda contact: contact.phone == value,
            "status": lambda contact: contact.status == value,
            "tag": lambda contact: value in contact.tags,
        }
        return tests[name]


def _check_tagging(body: dict[str, Any]) -> None:
    """Raise a 400 with every fault of a tag call's body."""
    errors = [
        FieldError(name, "out_of_range", f"{name}: at most {MAX_SELECTED}")
        for name in SELECTORS
        if not _texts(body.get(name, []), 0, MAX_SELECTED)
    ]
    if not isinstance(body.get("segmentID", ""), str):
        errors.append(FieldError("segmentID", "invalid_type", "segmentID must be a string"))
    if not any(body.get(name) for name in (*SELECTORS, "segmentID")):
        errors.append(FieldError("emails", "required", "At least one selector"))
    if not _texts(body.get("tags"), 1, MAX_TAGS):
        errors.append(FieldError("tags", "out_of_range", f"tags: 1 to {MAX_TAGS} texts"))
    if errors:
        raise invalid(*errors)


def _texts(value: Any, least: int, most: int) -> bool:
    return (
        isinstance(value, list)
        and least <= len(value) <= most
        and all(isinstance(text, str) and text for text in value)
    )
