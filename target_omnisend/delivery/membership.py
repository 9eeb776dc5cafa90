"""Membership as tags: confirmed contacts get their segment's tags, 250 a call."""

from __future__ import annotations

import typing as t
from functools import partial

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.batch import MAX_TAG_EMAILS, Entry, Segment
from target_omnisend.delivery.schedule import Call
from target_omnisend.outcome import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_omnisend.delivery.schedule import Scheduler

VISIBLE_AFTER: t.Final = 1.0
"""Seconds between a batch's end and its contacts' tagging. Omnisend ignores unknown e-mails
in a tag call without a word and does not say how soon a new contact is known there."""

FULL_OR_AFTER: t.Final = 10.0
"""Seconds for which confirmed contacts wait for others to fill their tag call."""

_HOPELESS: t.Final = 3
"""Refused tag calls, none taken, after which it is the tags that Omnisend refuses."""


class Enroller:
    """Confirmed entries on their way to their tags."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        settle: Callable[[Segment, list[Entry], float], None],
        refuse: Callable[[Segment, Entry, Answer, float], None],
    ) -> None:
        """`settle` gets tagged entries; `refuse` one that Omnisend will not tag."""
        self.untagged = 0
        self._scheduler = scheduler
        self._settle = settle
        self._refuse = refuse
        self._refused_calls = 0

    def enrol(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """Take confirmed entries; those of a segment without tags are settled at once."""
        if not segment.tags:
            self._settle(segment, entries, now)
        elif entries:
            segment.untagged.append((now + VISIBLE_AFTER, entries))
            self.untagged += len(entries)

    def tick(self, segments: Iterable[Segment], now: float, *, quiet: bool) -> None:
        """Queue the next tag call, if there is enough for one.

        One at a time: while it waits for its budget, more entries come to share the next.
        `quiet` says that no more will come soon.
        """
        for segment in segments:
            if self._scheduler.lanes[Endpoint.ADD_TAGS].queue:
                return
            if entries := self._take(segment, now, quiet=quiet):
                self._tag(segment, entries)

    def _take(self, segment: Segment, now: float, *, quiet: bool) -> list[Entry]:
        groups = segment.untagged
        if not groups or groups[0][0] > now:
            return []
        visible = sum(len(entries) for ready, entries in groups if ready <= now)
        overdue = groups[0][0] + FULL_OR_AFTER <= now
        if visible < MAX_TAG_EMAILS and not overdue and not (quiet and groups[-1][0] <= now):
            return []
        taken: list[Entry] = []
        while groups and groups[0][0] <= now and len(taken) < MAX_TAG_EMAILS:
            ready, entries = groups.popleft()
            room = MAX_TAG_EMAILS - len(taken)
            taken += entries[:room]
            if entries[room:]:
                groups.appendleft((ready, entries[room:]))
        return taken

    def _tag(self, segment: Segment, entries: list[Entry]) -> None:
        emails = [entry.email for entry in entries]
        self._scheduler.add(
            Call(
                Endpoint.ADD_TAGS,
                lambda api: api.add_tags(emails, segment.tags),
                partial(self._tagged, segment, entries),
            )
        )

    def _tagged(self, segment: Segment, entries: list[Entry], answer: Answer, now: float) -> None:
        if answer.kind is Kind.DONE:
            segment.tags_taken = True
            self.untagged -= len(entries)
            segment.counts.tagged += len(entries)
            self._settle(segment, entries, now)
            return
        self._refused_calls += answer.kind is Kind.INVALID
        if answer.kind is Kind.GONE or (
            self._refused_calls >= _HOPELESS and not segment.tags_taken
        ):
            raise RunFailed(
                ExitCode.SETTINGS,
                f"Omnisend does not take the tags of stream '{segment.stream}' "
                f"({answer.fault}); change 'segment' or 'tags', or the API key's scopes.",
            )
        if len(entries) == 1:
            self.untagged -= 1
            self._refuse(segment, entries[0], answer, now)
            return
        middle = len(entries) // 2
        self._tag(segment, entries[:middle])
        self._tag(segment, entries[middle:])
