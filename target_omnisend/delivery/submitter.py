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
from target_omnisend.api.failures import not_there
from target_omnisend.delivery.model import by_origin
from target_omnisend.delivery.responses import refusal_of
from target_omnisend.delivery.trimming import trim

if t.TYPE_CHECKING:
    from target_omnisend.api.protocol import Api
    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.confirmer import Confirmer
    from target_omnisend.delivery.model import Batch
    from target_omnisend.delivery.proof import Proof
    from target_omnisend.delivery.settlement import Settlement
    from target_omnisend.delivery.tag_check import TagCheck

FIRST_BATCHES: t.Final = 10
FIRST_VERDICT_SECONDS: t.Final = 3.0
"""So many batches go out before the first verdict, unless it takes longer than this: a
store that rejects every contact is found out at that price."""


class Submitter:
    """Batches on their way to Omnisend.

    Attributes:
        entries: how many entries they hold.
        posting: batches whose call has no answer that settles it.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        confirmer: Confirmer,
        proof: Proof,
        settlement: Settlement,
        tag_check: TagCheck,
    ) -> None:
        """Hand batches that Omnisend takes to `confirmer`, rejected entries to `proof`.

        `settlement` notes which batches Omnisend took.
        """
        self.entries = 0
        self.posting: set[Batch] = set()
        self._scheduler = scheduler
        self._lane = scheduler.lanes[Endpoint.POST_BATCH]
        self._confirmer = confirmer
        self._proof = proof
        self._settlement = settlement
        self._tag_check = tag_check
        self._ready: deque[Batch] = deque()
        self._first_taken: float | None = None
        self._invalid = 0

    @property
    def idle(self) -> bool:
        """Whether no batch is under way, here or at Omnisend."""
        return not self.entries and not self._confirmer.open

    @property
    def is_free(self) -> bool:
        """Whether a further batch would go out at once."""
        return not self._ready and not self._lane.queue

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

    def tick(self, now: float, *, any_accepted: bool) -> None:
        """Submit each ready batch; before any contact was accepted, `FIRST_BATCHES` at once."""
        while self._ready and self._may_submit(now, any_accepted=any_accepted):
            self._submit(self._ready.popleft())

    def cancel(self) -> None:
        """Submit nothing more."""
        self._ready.clear()
        self._scheduler.cancel(Endpoint.POST_BATCH)

    def _may_submit(self, now: float, *, any_accepted: bool) -> bool:
        if not self._tag_check.allows(self._ready[0], now):
            return False
        posting = len(self._lane.queue) + self._lane.budget.in_flight
        if any_accepted or len(self._confirmer.open) + posting < FIRST_BATCHES:
            return True
        return self._first_taken is not None and now > self._first_taken + FIRST_VERDICT_SECONDS

    def _submit(self, batch: Batch, not_before: float = 0.0) -> None:
        self._scheduler.add(self._call(batch, math.inf), not_before)

    def _call(self, batch: Batch, failing_since: float) -> Call:
        batch.went_out = batch.attempt > 0 or failing_since < math.inf
        self.posting.add(batch)

        def run(api: Api) -> Answer:
            batch.went_out = True
            return api.post_batch([entry.item or b"" for entry in batch.entries])

        return Call(
            Endpoint.POST_BATCH,
            run,
            partial(self._posted, batch),
            payload=True,
            divisible=len(batch.entries) > 1,
            stream=batch.stream,
            first_fault_at=failing_since,
            forbidden_at=batch.forbidden_at,
        )

    def _posted(self, batch: Batch, answer: Answer, now: float) -> None:
        self.posting.discard(batch)
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
        self._confirmer.watch(batch, now)
        self._settlement.changes.begin_batch(batch)

    def _take_apart(self, batch: Batch, answer: Answer, now: float) -> None:
        """Send the parts: the one that is taken shows that the other's faults are its own."""
        if answer.kind is not Kind.FORBIDDEN:
            for half in batch.halves():
                self._scheduler.add(self._call(half, now))
            return
        # Single records first: they show soonest whether Omnisend takes any call.
        known = self._lane.passes_since(batch.forbidden_at)
        for part in batch.halves() if known else batch.samples():
            self._scheduler.add_in_front(self._call(part, now))

    def _not_taken(self, batch: Batch, answer: Answer, now: float) -> None:
        self._invalid += answer.kind is Kind.INVALID
        if answer.kind is Kind.FORBIDDEN:
            batch.forbidden_at = min(batch.forbidden_at, now)
        never_any = self._first_taken is None and self._invalid >= FIRST_BATCHES
        if answer.kind is Kind.GONE or never_any:
            raise not_there(answer)
        if len(batch.entries) > 1:
            self._take_apart(batch, answer, now)
        else:
            self.entries -= 1
            self._refused_alone(batch, answer, now)

    def _refused_alone(self, batch: Batch, answer: Answer, now: float) -> None:
        entry, refusal = batch.entries[0], refusal_of(answer)
        named = answer.kind is Kind.INVALID and answer.fields
        if named and trim(entry, refusal, batch.segment):
            self.again(batch.next_attempt([entry]), now)
        else:
            self._proof.reject(entry, refusal, now)
