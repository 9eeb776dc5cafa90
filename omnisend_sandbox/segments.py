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
    groups: list[Any]
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
        test = _joined("conditionGroups", groups, _group, any)
        segment = Segment(len(self.by_id), name, groups or [], test, now, now + self._build_time)
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


def _joined(
    path: str,
    parts: Any,
    read: Callable[[str, dict[str, Any]], Test],
    join: Callable[[list[bool]], bool],
) -> Test:
    """The test that a list of parts makes.

    Raises:
        Problem: Any of it is not of the documented shapes (400).
    """
    if not isinstance(parts, list) or not parts:
        raise invalid(FieldError(path, "required", f"{path} must be a list with entries"))
    tests = []
    for at, part in enumerate(parts):
        if not isinstance(part, dict):
            raise invalid(FieldError(f"{path}.{at}", "invalid_type", "Must be an object"))
        tests.append(read(f"{path}.{at}", part))
    return tests[0] if len(tests) == 1 else lambda contact: join([t(contact) for t in tests])


def _group(path: str, group: dict[str, Any]) -> Test:
    return _joined(f"{path}.conditions", group.get("conditions"), _condition, all)


def _condition(path: str, condition: dict[str, Any]) -> Test:
    if condition.get("entity") != "contact":
        raise invalid(FieldError(f"{path}.entity", "invalid_value", "entity must be contact"))
    junction = condition.get("junction")
    if junction not in ("and", "or"):
        raise invalid(FieldError(f"{path}.junction", "invalid_value", "junction: and, or"))
    join = all if junction == "and" else any
    return _joined(f"{path}.filters", condition.get("filters"), _filter, join)


def _filter(path: str, given: dict[str, Any]) -> Test:
    value, name = given.get("value"), given.get("name")
    if given.get("property") == "tags" and given.get("operator") == "anyOf" and texts(value, 1, 99):
        wanted = [tag.casefold() for tag in value or ()]
        return lambda contact: any(map(contact.has_tag, wanted))
    kind = (given.get("property"), given.get("valueType"), given.get("operator"))
    if kind == ("custom", "bool", "equals") and isinstance(value, bool) and isinstance(name, str):
        return lambda contact: (contact.properties or {}).get(name) is value
    message = "This sandbox knows the filters `tags` anyOf and `custom` bool equals"
    raise invalid(FieldError(path, "invalid_value", message))
