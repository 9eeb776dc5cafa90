"""A real Omnisend segment over the tag or property that shows membership: made once."""

from __future__ import annotations

import logging
import typing as t
from functools import partial

from target_omnisend.api.answers import Answer, Kind, as_int, as_list
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_omnisend.api.scheduler import Scheduler

logger = logging.getLogger("target-omnisend.delivery")

MAX_TRIES: t.Final = 5
"""Listings before a segment that cannot be made is given up."""

RETRY_SECONDS: t.Final = 5.0


class SegmentMaker:
    """Makes the Omnisend segments that are not there yet, when their members are.

    Names are not unique in Omnisend: the list is looked through first, and again after an
    answer that was lost. A segment that is there is never changed or deleted.

    Attributes:
        made: name → {"id", "count"}; the count is None while Omnisend is building.
        busy: whether a name is still being looked after.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        """Start with nothing to make."""
        self.made: dict[str, dict[str, t.Any]] = {}
        self._scheduler = scheduler
        self._wanted: dict[str, list[t.Any]] = {}
        self._asked: set[str] = set()
        self._counting = 0
        self._tries = 0

    @property
    def busy(self) -> bool:
        """Whether a segment is still to be found, made or counted."""
        return bool(self._wanted or self._counting)

    def want(self, wanted: Mapping[str, list[t.Any]]) -> None:
        """Have a segment for each name, with these condition groups."""
        self._wanted = dict(wanted)
        if self._wanted:
            self._list()

    def _list(self, cursors: tuple[str, ...] = (), not_before: float = 0.0) -> None:
        call = Call(
            Endpoint.LIST_SEGMENTS,
            lambda api: api.list_segments(cursors[-1] if cursors else None),
            partial(self._listed, cursors),
            may_be_forbidden=True,
        )
        self._scheduler.add(call, not_before)

    def _listed(self, before: tuple[str, ...], answer: Answer, now: float) -> None:
        if answer.kind is not Kind.DONE:
            self._give_up(answer, list(self._wanted))
            return
        for segment in as_list(answer.body["segments"]):
            name = segment.get("name") if isinstance(segment, dict) else None
            if isinstance(name, str) and name in self._wanted:
                self._found(segment)
        paging = answer.body.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, dict) else None
        after = cursors.get("after") if isinstance(cursors, dict) else None
        more = self._wanted and paging and paging.get("hasMore")
        # A cursor that leads back would lead round for ever.
        if more and isinstance(after, str) and after and after not in before:
            self._list((*before, after))
        else:
            self._make_missing(now)

    def _found(self, segment: Mapping[str, t.Any]) -> None:
        name = segment["name"]
        if _plain(segment.get("conditionGroups")) != _plain(self._wanted[name]):
            logger.warning(
                "Omnisend has a segment '%s' with other conditions; it was left as it is.",
                name,
                extra={"segment": name},
            )
        del self._wanted[name]
        self._count(name, segment)

    def _make_missing(self, now: float) -> None:
        del now
        for name, groups in self._wanted.items():
            if name in self._asked:  # the answer is still to come
                continue
            self._asked.add(name)
            self._scheduler.add(
                Call(
                    Endpoint.CREATE_SEGMENT,
                    lambda api, name=name, groups=groups: api.create_segment(name, groups),  # type: ignore[misc]
                    partial(self._answered, name),
                    may_be_forbidden=True,
                    once=True,
                )
            )

    def _answered(self, name: str, answer: Answer, now: float) -> None:
        self._asked.discard(name)
        if name not in self._wanted:  # a listing has shown it meanwhile
            return
        if answer.kind is Kind.DONE:
            del self._wanted[name]
            logger.info("Made the segment '%s' in Omnisend.", name, extra={"segment": name})
            self._count(name, answer.body)
        elif answer.kind is Kind.RETRY and self._tries < MAX_TRIES:
            self._tries += 1
            self._list(not_before=now + RETRY_SECONDS)  # it may be there all the same
        else:
            self._give_up(answer, [name])

    def _give_up(self, answer: Answer, names: Collection[str]) -> None:
        for name in names:
            del self._wanted[name]
            logger.warning(
                "The segment '%s' could not be made in Omnisend (%s); its members are there. "
                "The API key needs the scopes segments.read and segments.write.",
                name,
                answer.fault,
                extra={"segment": name, "status": answer.status},
            )

    def _count(self, name: str, segment: Mapping[str, t.Any]) -> None:
        segment_id = str(segment.get("segmentID"))
        self.made[name] = {"id": segment_id, "count": None}
        if segment.get("status") == "ready":
            self._counting += 1
            self._scheduler.add(
                Call(
                    Endpoint.COUNT_SEGMENT,
                    lambda api: api.segment_statistics(segment_id),
                    partial(self._counted, name),
                    may_be_forbidden=True,
                )
            )

    def _counted(self, name: str, answer: Answer, now: float) -> None:
        del now
        self._counting -= 1
        if answer.kind is Kind.DONE and isinstance(answer.body, dict):
            self.made[name]["count"] = as_int(answer.body.get("contactsCount"))


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
