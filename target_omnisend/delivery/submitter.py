"""Sending batches: in their turn, again, or in halves."""

from __future__ import annotations

import math
import typing as t
from collections import deque
from functools import partial

import backoff

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call, waits
from target_omnisend.delivery.model import by_origin

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.model import Batch, Entry

FIRST_BATCHES: t.Final = 10
FIRST_VERDICT_SECONDS: t.Final = 3.0
"""So many batches go out before the first verdict, unless it takes longer than this: a
store that refuses everybody is found out at that price."""


class Submitter:
    """Batches on their way to Omnisend.

    Attributes:
        entries: how many entries they hold.
        verdicts: whether anything was accepted yet.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        taken: Callable[[Batch, float], None],
        refused: Callable[[Batch, Entry, Answer, float], None],
        nowhere: Callable[[Answer, float], None],
    ) -> None:
        """`taken` gets a batch with its ID, `refused` the only entry of one that is never taken.

        `nowhere` is called when Omnisend takes no batch at all.
        """
        self.entries = 0
        self.verdicts = False
        self._scheduler = scheduler
        self._lane = scheduler.lanes[Endpoint.POST_BATCH]
        self._taken = taken
        self._refused = refused
        self._nowhere = nowhere
        self._ready: deque[Batch] = deque()
        self._first_taken: float | None = None
        self._invalid = 0

    def add(self, batch: Batch) -> None:
        """Queue a batch."""
        self.entries += len(batch.entries)
        self._ready.append(batch)

    def again(self, batch: Batch, now: float) -> None:
        """Queue entries that were sent before, after a while that grows with their attempts."""
        for entry in batch.entries:
            entry.make_item()
        self.entries += len(batch.entries)
        longest = [wait for _, wait in zip(range(batch.attempt), waits(), strict=False)][-1]
        self._submit(batch, now + backoff.full_jitter(longest))

    def tick(self, now: float, open_batches: int) -> None:
        """Submit what is ready, as far as the first verdicts allow."""
        while self._ready and self._may_submit(now, open_batches):
            self._submit(self._ready.popleft())

    def cancel(self) -> None:
        """Submit nothing more."""
        self._ready.clear()
        self._scheduler.cancel(Endpoint.POST_BATCH)

    def _may_submit(self, now: float, open_batches: int) -> bool:
        under_way = open_batches + len(self._lane.queue) + self._lane.budget.in_flight
        if self.verdicts or under_way < FIRST_BATCHES:
            return True
        return self._first_taken is not None and now > self._first_taken + FIRST_VERDICT_SECONDS

    def _submit(self, batch: Batch, not_before: float = 0.0) -> None:
        self._scheduler.add(self._call(batch, math.inf), not_before)

    def _call(self, batch: Batch, failing_since: float) -> Call:
        return Call(
            Endpoint.POST_BATCH,
            lambda api: api.post_batch([entry.item or b"" for entry in batch.entries]),
            partial(self._posted, batch),
            payload=True,
            divisible=len(batch.entries) > 1,
            stream=batch.stream,
            first_fault_at=failing_since,
            forbidden_at=batch.forbidden_at,
        )

    def _posted(self, batch: Batch, answer: Answer, now: float) -> None:
        if answer.kind is not Kind.DONE:
            self._not_taken(batch, answer, now)
            return
        self.entries -= len(batch.entries)
        if not batch.attempt:
            for origin, number in by_origin(batch.entries):
                origin.counts.sent += number
        if self._first_taken is None:
            self._first_taken = now
        for entry in batch.entries:
            entry.free_item()
        batch.id, batch.submitted_at = answer.body["batchID"], now
        self._taken(batch, now)

    def _take_apart(self, batch: Batch, answer: Answer, now: float) -> None:
        """Send the parts: the one that is taken shows that the other's faults are its own."""
        if answer.kind is not Kind.FORBIDDEN:
            for half in batch.halves():
                self._scheduler.add(self._call(half, now))
            return
        # Single records first: they tell soonest whether any call is taken.
        known = self._lane.passes_since(batch.forbidden_at)
        for part in batch.halves() if known else batch.samples():
            self._scheduler.add_in_front(self._call(part, now))

    def _not_taken(self, batch: Batch, answer: Answer, now: float) -> None:
        self._invalid += answer.kind is Kind.INVALID
        if answer.kind is Kind.FORBIDDEN:
            batch.forbidden_at = min(batch.forbidden_at, now)
        never_any = self._first_taken is None and self._invalid >= FIRST_BATCHES
        if answer.kind is Kind.GONE or never_any:
            self._nowhere(answer, now)
        elif len(batch.entries) > 1:
            self._take_apart(batch, answer, now)
        else:
            self.entries -= 1
            self._refused(batch, batch.entries[0], answer, now)
