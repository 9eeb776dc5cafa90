"""Tag calls: 250 people a call by e-mail, and 250 others by contact ID.

`contact_ids` reads the IDs where that saves time. A run goes on by e-mail alone from the first
call with IDs that Omnisend does not take.
"""

from __future__ import annotations

import logging
import math
import typing as t
from collections import Counter
from functools import partial

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call
from target_omnisend.delivery.model import (
    MAX_TAG_EMAILS,
    MAX_TAG_IDS,
    Entry,
    Segment,
    common_stream,
    halves,
    samples,
)
from target_omnisend.delivery.responses import refusal_of
from target_omnisend.delivery.tag_queue import TagQueue
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_omnisend.api.protocol import Api
    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.proof import Proof

logger = logging.getLogger("target-omnisend.delivery")

FULL_OR_AFTER: t.Final = 10.0
"""Seconds for which entries wait for others to fill their tag call."""

SOON_AFTER: t.Final = 1.2
"""The same while input comes, so that the states of a tap that never pauses follow its records.

A tap of 100 records a second takes 31 of the 60 calls a minute so, because a call has two batches.
"""

_HOPELESS: t.Final = 8
"""Failed tag calls, none taken, after which Omnisend is taken to forbid the tags themselves.

Two bad e-mails among the first 250 cost fewer calls before the halves separate them.
"""


class TagChange(t.NamedTuple):
    """The work of tag calls.

    Attributes:
        endpoint: of the calls.
        call: makes one, for people by e-mail and others by contact ID.
        removes: the people lose the membership.
    """

    endpoint: Endpoint
    call: Callable[[Api, Sequence[str], Sequence[str], Segment], Answer]
    removes: bool


ADD: t.Final = TagChange(
    Endpoint.ADD_TAGS,
    lambda api, emails, ids, segment: api.add_tags(emails, segment.tags, ids),
    removes=False,
)
REMOVE: t.Final = TagChange(
    Endpoint.REMOVE_TAGS,
    lambda api, emails, _, segment: api.remove_tags(emails, [segment.tag or ""]),
    removes=True,
)


class TagCalls:
    """Entries on their way to one change of their tags.

    Attributes:
        waiting: how many there are.
        takes_ids: calls can carry contact IDs.
    """

    def __init__(self, scheduler: Scheduler, change: TagChange, proof: Proof) -> None:
        """Make calls of one kind, and hand their entries on to `proof`."""
        self.waiting = 0
        self.takes_ids = not change.removes
        self._scheduler = scheduler
        self._lane = scheduler.lanes[change.endpoint]
        self._change = change
        self._proof = proof
        # None is empty: a run can have thousands of segments, and `tick` follows each call.
        self._queues: dict[Segment, TagQueue] = {}
        self._full: dict[Segment, None] = {}
        self._calls: dict[int, list[Entry]] = {}
        """The entries of calls that have no answer, by the identity of their list."""
        self._expected: Counter[Segment] = Counter()
        """Entries that come soon, with contact IDs."""
        self._any_taken = False
        self._refused_calls = 0

    def under_way(self) -> Iterator[list[Entry]]:
        """The entries that wait, here or for an answer."""
        yield from self._calls.values()
        for queue in self._queues.values():
            yield from queue

    def add(self, segment: Segment, entries: list[Entry], ready_at: float) -> None:
        """Queue entries, to be sent at that time or later."""
        if entries:
            queue = self._queues.setdefault(segment, TagQueue())
            queue.add(ready_at, entries, ids=self.takes_ids)
            self._note_size(segment, queue)
            self.waiting += len(entries)

    def expect(self, segment: Segment, entries: int) -> None:
        """Take in that so many more entries come with contact IDs soon, or fewer if negative."""
        self._expected[segment] += entries
        if not self._expected[segment]:
            del self._expected[segment]

    def wants_ids(self, segment: Segment, coming: int) -> bool:
        """Whether contact IDs of further entries of a segment would save time.

        They would if tags are the slower lane, and as long as entries with an ID are fewer than
        those without. `coming` entries are expected within a minute.
        """
        queue = self._queues.get(segment)
        if queue is None or not self.takes_ids or not self._is_slow(coming):
            return False
        plain = queue.by_email.size
        return plain >= MAX_TAG_EMAILS and queue.by_id.size + self._expected[segment] < plain

    def stop_ids(self, reason: str) -> None:
        """From here on all goes by e-mail; the reason is for the log."""
        if not self.takes_ids:
            return
        self.takes_ids = False
        for queue in self._queues.values():
            queue.forget_ids()
        logger.warning(
            "Tags go out by e-mail alone from here on, because %s. Nothing is lost; the tags of "
            "many members take up to twice the time.",
            reason,
            extra=event("tags_by_email", endpoint=self._change.endpoint.label),
        )

    def _is_slow(self, coming: int = 0) -> bool:
        """Whether more entries wait than a minute's calls take by e-mail."""
        waiting = self.waiting + self._expected.total() + coming
        return waiting > self._lane.budget.per_minute * MAX_TAG_EMAILS

    def tick(self, now: float, *, quiet: bool, soon: bool = False) -> None:
        """Queue the next call, if there is enough for one.

        One at a time: while it waits for its budget, more entries come to share the next.
        `quiet` says that no more will come soon; with `soon` they wait less for each other.
        """
        while not self._lane.queue and (segment := self._due(now, quiet=quiet, soon=soon)):
            emails, named = self._take(segment, now)
            self._scheduler.add(self._made(segment, emails, named))

    def _due(self, now: float, *, quiet: bool, soon: bool) -> Segment | None:
        for segment in self._full:
            queue = self._queues[segment]
            enough = queue.ready(now, MAX_TAG_EMAILS) >= MAX_TAG_EMAILS
            if enough and not self._waits_for_ids(segment, queue, now):
                return segment
        for segment, queue in self._queues.items():
            hurried = soon and not self._waits_for_ids(segment, queue, now)
            patience = SOON_AFTER if hurried else FULL_OR_AFTER
            if queue.oldest + patience <= now or (quiet and queue.newest <= now):
                return segment
            if not quiet or queue.oldest > now:  # the next ones came later
                return None
        return None

    def _waits_for_ids(self, segment: Segment, queue: TagQueue, now: float) -> bool:
        """Whether entries that come soon fill the other half of the call."""
        coming = self._expected[segment] or (queue.by_id.newest > now and self._is_slow())
        return bool(coming) and queue.by_id.ready(now, MAX_TAG_IDS) < MAX_TAG_IDS

    def _take(self, segment: Segment, now: float) -> tuple[list[Entry], list[Entry]]:
        queue = self._queues.pop(segment)
        taken = queue.take(now)
        if len(queue):
            self._queues[segment] = queue
        self._note_size(segment, queue)
        return taken

    def _note_size(self, segment: Segment, queue: TagQueue) -> None:
        if len(queue) >= MAX_TAG_EMAILS:
            self._full[segment] = None
        else:
            self._full.pop(segment, None)

    def _made(
        self,
        segment: Segment,
        by_email: list[Entry],
        by_id: Sequence[Entry] = (),
        failing_since: float = math.inf,
        forbidden_at: float = math.inf,
    ) -> Call:
        emails = [entry.email for entry in by_email]
        ids = [entry.contact_id or "" for entry in by_id]
        entries = [*by_email, *by_id]
        self._calls[id(entries)] = entries
        return Call(
            self._change.endpoint,
            lambda api: self._change.call(api, emails, ids, segment),
            partial(self._answered, segment, entries, bool(ids), forbidden_at),
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
        with_ids: bool,  # noqa: FBT001 - `partial` fills it
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
        if answer.kind is Kind.FORBIDDEN:
            forbidden_at = min(forbidden_at, now)
        if with_ids:
            self.stop_ids(f"Omnisend did not take a call with contact IDs ({answer.fault})")
            self._divide(segment, entries, forbidden_at, answer, now)
            return
        self._refused_calls += answer.kind is Kind.INVALID
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
        self._divide(segment, entries, forbidden_at, answer, now)

    def _divide(
        self,
        segment: Segment,
        entries: list[Entry],
        forbidden_at: float,
        answer: Answer,
        now: float,
    ) -> None:
        """Send the parts of a call that was not taken, by e-mail."""
        if answer.kind is not Kind.FORBIDDEN:
            for half in halves(entries):
                self._scheduler.add(self._made(segment, half, failing_since=now))
            return
        known = self._lane.passes_since(forbidden_at)
        for part in halves(entries) if known else _in_calls(samples(entries)):
            call = self._made(segment, part, failing_since=now, forbidden_at=forbidden_at)
            self._scheduler.add_in_front(call)

    def _settle(self, segment: Segment, entries: list[Entry], now: float) -> None:
        if self._change.removes:
            self._proof.remove(segment, entries, now)
        else:
            self._proof.accept(segment, entries, now, tagged=True)


def _in_calls(parts: Iterable[list[Entry]]) -> Iterator[list[Entry]]:
    """The parts, each in pieces that one call takes by e-mail."""
    for part in parts:
        for start in range(0, len(part), MAX_TAG_EMAILS):
            yield part[start : start + MAX_TAG_EMAILS]
