"""A real Omnisend segment over the tag or property that shows membership: made once."""

from __future__ import annotations

import logging
import typing as t

from target_omnisend.api.answers import Answer, Kind, as_int, as_list
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.exchange import Ask, Exchange, Exchanges
from target_omnisend.delivery.paging import cursor_of
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_omnisend.api.protocol import Api
    from target_omnisend.api.scheduler import Scheduler

logger = logging.getLogger("target-omnisend.delivery")

MAX_TRIES: t.Final = 5
"""Listings before a segment that cannot be made is given up."""

RETRY_SECONDS: t.Final = 5.0


class SegmentCreator:
    """Makes the Omnisend segments that are not there yet, when their members are.

    Names are not unique in Omnisend: the list is looked through first, and again after an
    answer that was lost. A segment that is there is never changed or deleted.

    Attributes:
        made: name → {"id", "count"}; the count is None while Omnisend is building.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        """Start with nothing to make."""
        self.made: dict[str, dict[str, t.Any]] = {}
        self._exchanges = Exchanges(scheduler)

    @property
    def busy(self) -> bool:
        """Whether a segment is still to be found, made or counted."""
        return bool(self._exchanges.open)

    def want(self, wanted: Mapping[str, list[t.Any]]) -> None:
        """Have a segment for each name, with these condition groups."""
        if wanted:
            self._exchanges.start(self._find_all(wanted))

    def _find_all(self, wanted: Mapping[str, list[t.Any]]) -> Exchange[None]:
        """Look all names up in one walk through the list, then see to each of them."""
        found = yield from _find(wanted)
        for name, groups in wanted.items():
            if isinstance(found, Answer):
                _give_up(name, found)
            else:
                self._exchanges.start(self._provide(name, groups, found.get(name)))

    def _provide(
        self, name: str, groups: list[t.Any], segment: Mapping[str, t.Any] | None
    ) -> Exchange[None]:
        """Make a segment, unless the list has it, and count its contacts."""
        if segment is None:
            segment = yield from _create(name, groups)
        else:
            _compare(segment, groups)
        if segment is not None:
            yield from self._count(name, segment)

    def _count(self, name: str, segment: Mapping[str, t.Any]) -> Exchange[None]:
        self.made[name] = {"id": str(segment.get("segmentID")), "count": None}
        self.made[name]["count"] = yield from count_of(segment)


def count_of(segment: Mapping[str, t.Any]) -> Exchange[int | None]:
    """How many contacts Omnisend counts in a segment; None while it builds the segment."""
    if segment.get("status") != "ready":
        return None
    name = str(segment.get("segmentID"))
    answer = yield _ask(Endpoint.COUNT_SEGMENT, lambda api: api.segment_statistics(name))
    if answer.kind is Kind.DONE and isinstance(answer.body, dict):
        return as_int(answer.body.get("contactsCount"))
    return None


def find(name: str, groups: list[t.Any]) -> Exchange[Mapping[str, t.Any] | None]:
    """The segment of this name, if it is there with these conditions and can be read."""
    found = yield from _find([name])
    segment = None if isinstance(found, Answer) else found.get(name)
    same = segment and _plain(segment.get("conditionGroups")) == _plain(groups)
    return segment if same else None


def _find(
    names: Collection[str], wait: float = 0.0
) -> Exchange[dict[str, Mapping[str, t.Any]] | Answer]:
    """The segments of these names, or the answer that kept the list back."""
    found: dict[str, Mapping[str, t.Any]] = {}
    cursors: list[str] = []
    while True:
        answer = yield _page(cursors, 0.0 if cursors else wait)
        if answer.kind is not Kind.DONE:
            return answer
        for segment in as_list(answer.body["segments"]):
            name = segment.get("name") if isinstance(segment, dict) else None
            if isinstance(name, str) and name in names:
                found.setdefault(name, segment)
        after = cursor_of(answer.body.get("paging"))
        # A cursor that leads back would lead round for ever.
        if len(found) == len(names) or after is None or after in cursors:
            return found
        cursors.append(after)


def _page(cursors: list[str], wait: float) -> Ask:
    cursor = cursors[-1] if cursors else None
    return _ask(Endpoint.LIST_SEGMENTS, lambda api: api.list_segments(cursor), wait=wait)


def _ask(endpoint: Endpoint, run: Callable[[Api], Answer], **options: t.Any) -> Ask:
    # Omnisend's "no" to such a call says nothing about members, so it ends no run.
    return Ask(endpoint, run, may_be_refused=True, **options)


def _create(name: str, groups: list[t.Any]) -> Exchange[Mapping[str, t.Any] | None]:
    """The new segment; None if Omnisend does not make it."""
    ask = _ask(Endpoint.CREATE_SEGMENT, lambda api: api.create_segment(name, groups), once=True)
    for tries in range(MAX_TRIES + 1):
        answer = yield ask
        if answer.kind is Kind.DONE:
            logger.info(
                "Made the segment '%s' in Omnisend.",
                name,
                extra=event("segment_made", segment=name),
            )
            body: Mapping[str, t.Any] = answer.body
            return body
        if answer.kind is not Kind.RETRY or tries == MAX_TRIES:
            break
        found = yield from _find([name], RETRY_SECONDS)  # it may be there all the same
        if isinstance(found, Answer):
            answer = found
            break
        if name in found:
            _compare(found[name], groups)
            return found[name]
    _give_up(name, answer)
    return None


def _compare(segment: Mapping[str, t.Any], groups: list[t.Any]) -> None:
    """Say so if a segment that is there has other conditions."""
    if _plain(segment.get("conditionGroups")) != _plain(groups):
        logger.warning(
            "Omnisend has a segment '%s' with other conditions; it was left as it is.",
            segment["name"],
            extra=event("segment_differs", segment=segment["name"]),
        )


def _give_up(name: str, answer: Answer) -> None:
    # The call carries nothing personal, so that Omnisend's own words can be logged.
    logger.warning(
        "The segment '%s' could not be made in Omnisend (%s); its members are there. Give the API "
        "key the scopes segments.read and segments.write, or make the segment in Omnisend.",
        name,
        ": ".join(words for words in (answer.fault, answer.detail) if words),
        extra=event("segment_not_made", segment=name, status=answer.status),
    )


def has_tag(tag: str) -> list[t.Any]:
    """Condition groups: the contact has a tag."""
    return _one({"property": "tags", "operator": "anyOf", "value": [tag]})


def has_property(name: str) -> list[t.Any]:
    """Condition groups: a boolean custom property is true."""
    return _one(
        {
            "property": "custom",
            "name": name,
            "valueType": "bool",
            "operator": "equals",
            "value": True,
        }
    )


def _one(condition: dict[str, t.Any]) -> list[t.Any]:
    return [{"conditions": [{"entity": "contact", "junction": "and", "filters": [condition]}]}]


def _plain(groups: t.Any) -> t.Any:
    """Conditions without what Omnisend may add to them: the filters alone."""
    return [
        [
            {key: one.get(key) for key in ("property", "name", "operator", "value")}
            for condition in as_list(group.get("conditions"))
            if isinstance(condition, dict)
            for one in as_list(condition.get("filters"))
            if isinstance(one, dict)
        ]
        for group in as_list(groups)
        if isinstance(group, dict)
    ]
