"""Segments: conditions over contacts, checked and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contact import hex_id
from .cursors import limits_of, paging
from .wire import FieldError, Refused, Reply, invalid, not_found, ok, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .contact import Contact
    from .people import People
    from .wire import Request

    Test = Callable[[Contact], bool]

PREFIX = 0x6A1D2C5E
MAX_NAME = 256
VALUE_TYPES: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "number": (int, float),
    "bool": bool,
    "date": str,
}


@dataclass(slots=True, eq=False)
class Segment:
    """One segment; dates are seconds since the epoch."""

    id: str
    name: str
    groups: list[Any]
    test: Test
    created: float
    updated: float
    ready: float
    counted: tuple[int, int] = (-1, 0)

    def as_json(self, now: float) -> dict[str, Any]:
        """The segment of the API."""
        return {
            "segmentID": self.id,
            "name": self.name,
            "status": "ready" if self.ready <= now else "building",
            "conditionGroups": self.groups,
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.updated),
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
        self.build_time = build_time
        self._people = people
        self._made = 0

    def of(self, contact: Contact) -> list[str]:
        """Ids of the segments a contact is in."""
        return [segment.id for segment in self.by_id.values() if segment.test(contact)]

    def create(self, request: Request) -> Reply:
        """`POST /segments`; names need not be unique."""
        name, groups, test = _read(request.json())
        segment = Segment(
            hex_id(self._made, PREFIX),
            name,
            groups,
            test,
            request.now,
            request.now,
            request.now + self.build_time,
        )
        self._made += 1
        self.by_id[segment.id] = segment
        return ok(201, segment.as_json(request.now))

    def show_all(self, request: Request) -> Reply:
        """`GET /segments`: newest first, pages by cursor."""
        limit, after, before = limits_of(request, default=10, most=50)
        held = list(reversed(self.by_id.values()))
        if after is not None:
            rest = [one for one in held if one.id < after[0]]
        elif before is not None:
            rest = [one for one in held if one.id > before[0]][-limit - 1 :]
        else:
            rest = held
        page = rest[-limit:] if before is not None else rest[:limit]
        return ok(
            200,
            {
                "segments": [one.as_json(request.now) for one in page],
                "paging": paging(request, limit, [[one.id] for one in page], len(rest) > limit),
            },
        )

    def show(self, request: Request) -> Reply:
        """`GET /segments/{id}`."""
        return ok(200, self._find(request).as_json(request.now))

    def statistics(self, request: Request) -> Reply:
        """`GET /segments/{id}/statistics`."""
        return ok(200, {"contactsCount": self._find(request).count(self._people)})

    def replace(self, request: Request) -> Reply:
        """`PUT /segments/{id}`."""
        segment = self._find_built(request)
        segment.name, segment.groups, segment.test = _read(request.json())
        segment.updated, segment.counted = request.now, (-1, 0)
        segment.ready = request.now + self.build_time
        return ok(200, segment.as_json(request.now))

    def delete(self, request: Request) -> Reply:
        """`DELETE /segments/{id}`."""
        del self.by_id[self._find_built(request).id]
        return Reply(204, {}, b"")

    def _find(self, request: Request) -> Segment:
        segment = self.by_id.get(request.resource)
        if segment is None:
            raise not_found("Segment")
        return segment

    def _find_built(self, request: Request) -> Segment:
        segment = self._find(request)
        if segment.ready > request.now:
            raise Refused(409, "conflict", "Segment is still building")
        return segment


def _read(body: dict[str, Any]) -> tuple[str, list[Any], Test]:
    """Name, condition groups and the test they make.

    Raises:
        Refused: Any of it is not of the documented shapes (400).
    """
    name, groups = body.get("name"), body.get("conditionGroups")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
        raise invalid(FieldError("name", "required", f"name must be 1 to {MAX_NAME} characters"))
    test = _joined("conditionGroups", groups, _group, any)
    return name, groups or [], test


def _joined(
    path: str,
    parts: Any,
    read: Callable[[str, dict[str, Any]], Test],
    join: Callable[[list[bool]], bool],
) -> Test:
    if not isinstance(parts, list) or not parts:
        raise invalid(FieldError(path, "required", f"{path} must be a list with entries"))
    tests = []
    for at, part in enumerate(parts):
        if not isinstance(part, dict):
            raise invalid(FieldError(f"{path}.{at}", "invalid_type", "Must be an object"))
        tests.append(read(f"{path}.{at}", part))
    if len(tests) == 1:
        return tests[0]
    return lambda contact: join([test(contact) for test in tests])


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
    read = {"tags": _tags, "custom": _custom, "subscriptionStatus": _subscription}
    kind = given.get("property")
    if not isinstance(kind, str) or kind not in read:
        message = "property must be tags, custom or subscriptionStatus in this sandbox"
        raise invalid(FieldError(f"{path}.property", "invalid_value", message))
    test = read[kind](given.get("operator"), given.get("value"), given)
    if test is None:
        message = f"Operator and value do not suit {kind}"
        raise invalid(FieldError(path, "invalid_value", message))
    return test


def _tags(operator: Any, value: Any, _: dict[str, Any]) -> Test | None:
    if not isinstance(value, list) or not value or not all(isinstance(tag, str) for tag in value):
        return None
    wanted = frozenset(value)
    if operator == "anyOf":
        return lambda contact: not wanted.isdisjoint(contact.tags)
    if operator == "noneOf":
        return lambda contact: wanted.isdisjoint(contact.tags)
    return None


def _custom(operator: Any, value: Any, given: dict[str, Any]) -> Test | None:
    name, kind = given.get("name"), VALUE_TYPES.get(str(given.get("valueType")))
    if not isinstance(name, str) or not name or kind is None or value is None:
        return None
    wanted = value if operator in ("anyOf", "noneOf") else [value]
    if not isinstance(wanted, list) or not all(isinstance(one, kind) for one in wanted):
        return None

    def held(contact: Contact) -> Any:
        # A value of another type than the filter's is not found by it.
        found = (contact.properties or {}).get(name)
        right = isinstance(found, kind) and (kind is bool or not isinstance(found, bool))
        return found if right else None

    tests: dict[Any, Test] = {
        "anyOf": lambda contact: held(contact) in wanted,
        "noneOf": lambda contact: held(contact) not in wanted,
        "equals": lambda contact: held(contact) == value,
        "moreThan": lambda contact: (found := held(contact)) is not None and found > value,
        "lessThan": lambda contact: (found := held(contact)) is not None and found < value,
    }
    return tests.get(operator) if isinstance(operator, str) else None


def _subscription(operator: Any, value: Any, given: dict[str, Any]) -> Test | None:
    channels = given.get("channels")
    if operator != "equals" or channels not in (["email"], ["sms"], ["email", "sms"]):
        return None
    return lambda contact: any(
        block["status"] == value for name, block in contact.channels.items() if name in channels
    )
