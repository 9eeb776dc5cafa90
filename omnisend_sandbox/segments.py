"""Segments: conditions over contacts, checked and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contact import hex_id
from .cursors import page_of
from .wire import FieldError, Problem, Reply, invalid, ok, stamp, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from .contact import Contact
    from .people import People
    from .wire import Request

    Test = Callable[[Contact], bool]

PREFIX = 0x6A1D2C5E
MAX_NAME = 256


@dataclass(slots=True, eq=False)
class Segment:
    """One segment; dates are seconds since the epoch."""

    serial: int
    name: str
    groups: Any
    test: Test
    created: float
    ready: float
    counted: tuple[int, int] = (-1, 0)

    @property
    def id(self) -> str:
        """The 24-hex identifier."""
        return hex_id(self.serial, PREFIX)

    def as_json(self, now: float) -> dict[str, Any]:
        """The segment of the API."""
        return {
            "segmentID": self.id,
            "name": self.name,
            "status": "ready" if self.ready <= now else "building",
            "conditionGroups": self.groups,
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.created),
        }

    def count(self, people: People) -> int:
        """How many contacts it has."""
        version, count = self.counted
        if version != people.version:
            count = sum(map(self.test, people.all))
            self.counted = (people.version, count)
        return count


class Segments:
    """All segments by id, in order of creation."""

    def __init__(self, people: People, *, build_time: float) -> None:
        """Take the contacts, and the seconds a segment is building."""
        self.by_id: dict[str, Segment] = {}
        self._build_time = build_time
        self._people = people

    def of(self, contact: Contact) -> list[str]:
        """Ids of the segments a contact is in."""
        return [segment.id for segment in self.by_id.values() if segment.test(contact)]

    def create(self, request: Request) -> Reply:
        """`POST /segments`; names need not be unique."""
        body, now = request.json(), request.now
        name, groups = body.get("name"), body.get("conditionGroups")
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
            raise invalid(FieldError("name", "required", f"name: 1 to {MAX_NAME} characters"))
        test = _test_of(groups)
        segment = Segment(len(self.by_id), name, groups, test, now, now + self._build_time)
        self.by_id[segment.id] = segment
        return ok(201, segment.as_json(now))

    def show_all(self, request: Request) -> Reply:
        """`GET /segments`: newest first, pages by cursor."""
        shown, paging = page_of(request, [*self.by_id.values()], default=10, most=50)
        return ok(200, {"segments": [one.as_json(request.now) for one in shown], "paging": paging})

    def statistics(self, request: Request) -> Reply:
        """`GET /segments/{id}/statistics`."""
        segment = self.by_id.get(request.resource)
        if segment is None:
            raise Problem(404, "not-found", "Segment not found")
        return ok(200, {"contactsCount": segment.count(self._people)})


def _test_of(groups: Any) -> Test:
    """The test that condition groups make.

    Raises:
        Problem: They are not of the shape that the target sends (400).
    """
    match groups:
        case [{"conditions": [{"entity": "contact", "junction": "and", "filters": [found]}]}]:
            test = _filter(found)
        case _:
            test = None
    if test is None:
        message = (
            "This sandbox knows one filter in one condition: `tags` anyOf, `custom` bool equals"
        )
        raise invalid(FieldError("conditionGroups", "invalid_value", message))
    return test


def _filter(found: Any) -> Test | None:
    match found:
        case {"property": "tags", "operator": "anyOf", "value": value} if texts(value, 1, 250):
            wanted = [tag.casefold() for tag in value]
            return lambda contact: any(map(contact.has_tag, wanted))
        case {
            "property": "custom",
            "name": str(name),
            "valueType": "bool",
            "operator": "equals",
            "value": bool(value),
        }:
            return lambda contact: (contact.properties or {}).get(name) is value
    return None
