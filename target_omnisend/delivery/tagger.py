"""Membership as tags: given or taken back by e-mail, 250 a call."""

from __future__ import annotations

import math
import typing as t
from collections import Counter, deque
from functools import partial

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call
from target_omnisend.delivery.model import (
    LEAVE,
    MAX_TAG_EMAILS,
    Entry,
    Segment,
    common_stream,
    halves,
    samples,
)
from target_omnisend.delivery.responses import refusal_of
from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_omnisend.api.protocol import Api
    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.proof import Proof

VISIBLE_AFTER: t.Final = 1.0
"""Seconds between a batch's end and its contacts' tagging. Omnisend ignores unknown e-mails
in a tag call without a word and does not say how soon a new contact is known there."""

FULL_OR_AFTER: t.Final = 10.0
"""Seconds for which entries wait for others to fill their tag call."""

_HOPELESS: t.Final = 8
"""Failed tag calls, none taken, after which Omnisend is taken to forbid the tags themselves.

Two bad e-mails among the first 250 cost fewer calls before the halves separate them.
"""


class TagChange(t.NamedTuple):
    """The work of tag calls.

    Attributes:
        endpoint: of the calls.
        call: makes one.
        removes: the people lose the membership.
    """

    endpoint: Endpoint
    call: Callable[[Api, Sequence[str], Segment], Answer]
    removes: bool


ADD: t.Final = TagChange(
    Endpoint.ADD_TAGS,
    lambda api, emails, segment: api.add_tags(emails, segment.tags),
    removes=False,
)
REMOVE: t.Final = TagChange(
    Endpoint.REMOVE_TAGS,
    lambda api, emails, segment: api.remove_tags(emails, [segment.tag or ""]),
    removes=True,
)


class Tagger:
    """Gives accepted contacts their tags, and takes the tags of members that left back.

    Attributes:
        adding: entries that wait for their tags.
        removing: entries that wait to lose the tag that shows membership.
    """

    def __init__(self, scheduler: Scheduler, proof: Proof) -> None:
        """Hand entries on to `proof`."""
        self._proof = proof
        self.adding = TagCalls(scheduler, ADD, proof)
        self.removing = TagCalls(scheduler, REMOVE, proof)

    @property
    def waiting(self) -> int:
        """Entries that wait for a tag call or its answer."""
        return self.adding.waiting + self.removing.waiting

    def under_way(self) -> Iterator[list[Entry]]:
        """The entries that wait."""
        yield from self.adding.under_way()
        yield from self.removing.under_way()

    def accept(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """Take contacts that are in Omnisend; their tags may be missing."""
        if leaving := [entry for entry in entries if entry.action is LEAVE]:
            self._proof.remove(segment, leaving, now)
            entries = [entry for entry in entries if not entry.leaves]
        if not segment.tags:
            self._proof.accept(segment, entries, now)
            return
        if tagged := [entry for entry in entries if entry.member]:
            self._proof.accept(segment, tagged, now)
            entries = [entry for entry in entries if not entry.member]
        self.adding.add(segment, entries, now + VISIBLE_AFTER)

    def tag_again(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """Take contacts whose tags Omnisend took and does not show."""
        self.adding.add(segment, entries, now)

    def remove(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """Take people whose tag shows a membership that they lose."""
        self.removing.add(segment, entries, now)

    def tick(self, now: float, *, quiet: bool) -> None:
        """Queue the next calls; `quiet` says that no more entries will come soon."""
        self.adding.tick(now, quiet=quiet)
        self.removing.tick(now, quiet=quiet)


class TagCalls:
    """Entries on their way to one change of their tags.

    Attributes:
        waiting: how many there are.
    """

    def __init__(self, scheduler: Scheduler, change: TagChange, proof: Proof) -> None:
        """Make calls of one kind, and hand their entries on to `proof`."""
        self.waiting = 0
        self._scheduler = scheduler
        self._change = change
        self._proof = proof
        # None is empty: a run can have thousands of segments, and `tick` follows each call.
        self._queues: dict[Segment, deque[tuple[float, list[Entry]]]] = {}
        self._sizes: Counter[Segment] = Counter()
        self._full: dict[Segment, None] = {}
        self._calls: dict[int, list[Entry]] = {}
        """The entries of calls that have no answer, by the identity of their list."""
        self._any_taken = False
        self._refused_calls = 0

    def under_way(self) -> Iterator[list[Entry]]:
        """The entries that wait, here or for an answer."""
        yield from self._calls.values()
        for queue in self._queues.values():
            yield from (entries for _, entries in queue)

    def add(self, segment: Segment, entries: list[Entry], ready_at: float) -> None:
        """Queue entries, to be sent at that time or later."""
        if entries:
            self._queues.setdefault(segment, deque()).append((ready_at, entries))
            self._resize(segment, len(entries))
            self.waiting += len(entries)

    def tick(self, now: float, *, quiet: bool) -> None:
        """Queue the next call, if there is enough for one.

        One at a time: while it waits for its budget, more entries come to share the next.
        `quiet` says that no more will come soon.
        """
        lane = self._scheduler.lanes[self._change.endpoint]
        while not lane.queue and (segment := self._due(now, quiet=quiet)):
            self._scheduler.add(self._made(segment, self._take(segment, now)))

    def _due(self, now: float, *, quiet: bool) -> Segment | None:
        for segment in self._full:
            if _ready(self._queues[segment], now) >= MAX_TAG_EMAILS:
                return segment
        for segment, queue in self._queues.items():
            oldest, newest = queue[0][0], queue[-1][0]
            if oldest + FULL_OR_AFTER <= now or (quiet and newest <= now):
                return segment
            if not quiet or oldest > now:  # the next ones came later
                return None
        return None

    def _take(self, segment: Segment, now: float) -> list[Entry]:
        queue = self._queues.pop(segment)
        taken: list[Entry] = []
        while queue and queue[0][0] <= now and len(taken) < MAX_TAG_EMAILS:
            ready_at, entries = queue.popleft()
            room = MAX_TAG_EMAILS - len(taken)
            taken += entries[:room]
            if entries[room:]:
                queue.appendleft((ready_at, entries[room:]))
        if queue:
            self._queues[segment] = queue
        self._resize(segment, -len(taken))
        return taken

    def _resize(self, segment: Segment, entries: int) -> None:
        self._sizes[segment] += entries
        if self._sizes[segment] >= MAX_TAG_EMAILS:
            self._full[segment] = None
        else:
            self._full.pop(segment, None)

    def _made(
        self,
        segment: Segment,
        entries: list[Entry],
        failing_since: float = math.inf,
        forbidden_at: float = math.inf,
    ) -> Call:
        emails = [entry.email for entry in entries]
        self._calls[id(entries)] = entries
        return Call(
            self._change.endpoint,
            lambda api: self._change.call(api, emails, segment),
            partial(self._answered, segment, entries, forbidden_at),
            payload=True,
            divisible=len(entries) > 1,
            stream=common_stream(entries),
            first_fault_at=failing_since,
            forbidden_at=forbidden_at,
        )

    def _answered(
        self,
        segment: Segment,
        entries: list[Entry],
        forbidden_at: float,
        answer: Answer,
        now: float,
    ) -> None:
        del self._calls[id(entries)]
        if answer.kind is Kind.DONE:
            self._any_taken = True
            self.waiting -= len(entries)
            self._settle(segment, entries, now)
            return
        self._refused_calls += answer.kind is Kind.INVALID
        if answer.kind is Kind.FORBIDDEN:
            forbidden_at = min(forbidden_at, now)
        if answer.kind is Kind.GONE or (self._refused_calls >= _HOPELESS and not self._any_taken):
            raise RunFailed(
                ExitCode.SETTINGS,
                f"Omnisend does not take the tags of segment '{segment.name}' "
                f"({answer.fault}); change 'segment' or 'tags', or the API key's scopes.",
            )
        if len(entries) == 1:
            self.waiting -= 1
            self._proof.reject(entries[0], refusal_of(answer), now)
            return
        if answer.kind is not Kind.FORBIDDEN:
            for half in halves(entries):
                self._scheduler.add(self._made(segment, half, now))
            return
        known = self._scheduler.lanes[self._change.endpoint].passes_since(forbidden_at)
        for part in halves(entries) if known else samples(entries):
            self._scheduler.add_in_front(self._made(segment, part, now, forbidden_at))

    def _settle(self, segment: Segment, entries: list[Entry], now: float) -> None:
        if self._change.removes:
            self._proof.remove(segment, entries, now)
        else:
            self._proof.accept(segment, entries, now, tagged=True)


def _ready(queue: deque[tuple[float, list[Entry]]], now: float) -> int:
    """Entries of a queue that can be sent now."""
    return sum(len(entries) for ready_at, entries in queue if ready_at <= now)
