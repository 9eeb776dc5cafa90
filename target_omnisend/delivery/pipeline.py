"""The engine: admit → submit → confirm → enrol → settle, many batches open at once.

A machine without threads, clock or I/O: it says which call to make next and takes the
answer. `runner` moves it with threads and real time, tests and simulations with their own.
"""

from __future__ import annotations

import logging
import typing as t
from collections import deque
from dataclasses import dataclass
from functools import partial

import backoff

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.batch import MAX_ITEMS, Batch, Entry, Segment
from target_omnisend.delivery.confirm import Confirmer
from target_omnisend.delivery.intake import Intake
from target_omnisend.delivery.membership import Enroller
from target_omnisend.delivery.schedule import Call, Scheduler, fatal, waits
from target_omnisend.delivery.verdicts import Judgement, Refusal
from target_omnisend.outcome import ExitCode, RunFailed

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from target_omnisend.delivery.checkpoint import Checkpoint
    from target_omnisend.outcome import Outcome

logger = logging.getLogger("target-omnisend.delivery")

READ_AHEAD: t.Final = 20_000
"""Entries that may wait for their submission: more would only cost memory."""

IDLE_SECONDS: t.Final = 15.0
"""After so long the full batches among the pending entries go out; what has not filled one
in as long again goes out as well, so that no record waits for more than 30 s."""

GRACE_SECONDS: t.Final = 20.0
"""What open batches get when the run is stopped or fails."""

MAX_ATTEMPTS: t.Final = 8
"""Batches that one item may be in; enough to halve a batch down to one item."""

FIRST_BATCHES: t.Final = 10
FIRST_VERDICT_SECONDS: t.Final = 3.0
"""So many batches go out before the first verdict, unless it takes longer than this: a
store that refuses everybody is found out at that price."""

PAYMENT_REQUIRED: t.Final = 402

REFUSED_ALIKE: t.Final = 100
"""Items all refused for one reason, before any was accepted, that end the run."""


class Rejects(t.Protocol):
    """Where refused records are kept."""

    def add(
        self,
        schema: bytes,
        line: bytes,
        *,
        code: str,
        field: str | None,
        message: str,
        stage: str,
        batch_id: str | None = None,
        item_id: str | None = None,
        status: int | None = None,
    ) -> None:
        """Append the record that `line` holds, under the SCHEMA message `schema`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a run. Times in seconds; `quota_share` as in the setting."""

    quota_share: float
    confirm_timeout: float
    max_unconfirmed: int
    since: dt.date


class Delivery:
    """The state of everything between a record's admission and its verdict."""

    def __init__(
        self,
        limits: Limits,
        *,
        now: float,
        key: Callable[[str], str],
        checkpoint: Checkpoint,
        rejects: Rejects,
        outcome: Outcome,
    ) -> None:
        """Start empty; `key` normalises an e-mail as the admitted ones are."""
        self.scheduler = Scheduler(limits.quota_share, now)
        self.outcome = outcome
        self.checked = False
        self._limits = limits
        self._started = now
        self._checkpoint = checkpoint
        self._rejects = rejects
        self._intake = Intake(checkpoint)
        self._confirmer = Confirmer(
            self.scheduler,
            since=limits.since,
            timeout=limits.confirm_timeout,
            key=key,
            judged=self._judged,
            vanished=self._vanished,
            expired=self._expired,
        )
        self._enroller = Enroller(self.scheduler, settle=self._settle, refuse=self._refuse_tagging)
        self._ready: deque[Batch] = deque()
        self._submitting = 0
        self._first_taken: float | None = None
        self._any_accepted = False
        self._refused_alike: tuple[str, int] = ("", 0)
        self._refused_posts = 0
        self._closing = False
        self._deadline: float | None = None

    # -- before anything is written ----------------------------------------------------

    def check(self) -> None:
        """Ask who the API key belongs to; `checked` or `outcome.failure` will tell."""
        self.scheduler.add(
            Call(
                Endpoint.CHECK_BRAND,
                lambda api: api.current_brand(),
                self._brand_told,
                may_be_forbidden=True,
            )
        )

    def _brand_told(self, answer: Answer, now: float) -> None:
        if answer.kind is Kind.FORBIDDEN:
            # brands.read is not needed otherwise: see whether contacts can be read.
            call = Call(Endpoint.READ_CONTACTS, lambda api: api.any_contact(), self._contact_told)
            self.scheduler.add(call)
        else:
            self._contact_told(answer, now)

    def _contact_told(self, answer: Answer, now: float) -> None:
        if answer.kind is Kind.DONE:
            self.checked = True
        else:
            self.fail(not_there(answer), now)

    # -- the way in --------------------------------------------------------------------

    def open_segment(self, segment: Segment) -> None:
        """Announce a segment; its entries may follow."""
        self._intake.segments.append(segment)

    def has_room(self) -> bool:
        """Whether another entry may be admitted."""
        return (
            self._intake.held < self._limits.max_unconfirmed
            and self._intake.pending + self._submitting < READ_AHEAD
        )

    def admit(self, segment: Segment, email: str, item: bytes, line: bytes, now: float) -> None:
        """Take in a contact, encoded as `item`, made from the message `line`."""
        self._intake.admit(segment, email, item, line, now)

    def reject(
        self, segment: Segment, line: bytes, code: str, field: str | None, message: str, now: float
    ) -> None:
        """Take in a record that is no contact."""
        self._rejects.add(
            segment.schema, line, code=code, field=field, message=message, stage="mapping"
        )
        segment.counts.reject(code)
        self._stop_if_hopeless(now)

    def state(self, value: t.Any) -> None:
        """Remember a STATE message; it leaves once all before it is settled."""
        self._checkpoint.state(value)
        self._checkpoint.emit_safe()

    def flush(self, *, partial: bool = False) -> None:
        """Cut what is pending into batches; keep what fills none, unless `partial`."""
        for segment in self._intake.segments:
            self._cut(segment, partial=partial)

    def close(self) -> None:
        """There is no more input."""
        self._closing = True
        self.flush()

    def stop(self, now: float) -> None:
        """Submit nothing more; what Omnisend has taken gets `GRACE_SECONDS`."""
        self._closing = True
        self._ready.clear()
        self.scheduler.cancel(Endpoint.POST_BATCH)
        if self._deadline is None:
            self._deadline = now + GRACE_SECONDS

    def fail(self, failure: RunFailed, now: float) -> None:
        """End the run early, for the first reason that comes."""
        if self.outcome.failure is None:
            self.outcome.failure = failure
            logger.error(failure.sentence)
        self.stop(now)

    # -- what moves it -----------------------------------------------------------------

    def next_call(self, now: float) -> Call | None:
        """The call to make now, if there is one."""
        self._tick(now)
        return self.scheduler.next(now)

    def answered(self, call: Call, answer: Answer, now: float) -> None:
        """Take the answer of a call that `next_call` gave."""
        try:
            self.scheduler.answered(call, answer, now)
        except RunFailed as failure:
            self.fail(failure, now)
            if call.endpoint is not Endpoint.POST_BATCH:
                self._deadline = now  # what settles the open batches fails as well
        try:
            self._checkpoint.emit_safe()
        except RunFailed as failure:  # what the state covers could not be put on the disk
            self.fail(failure, now)

    def is_over(self, now: float) -> bool:
        """Whether nothing is left to do, or no time to do it."""
        if self._deadline is not None:
            taken = self._confirmer.open or self._enroller.untagged or self.scheduler.busy
            return not taken or now >= self._deadline
        return self._closing and not self._intake.held

    def _tick(self, now: float) -> None:
        self._confirmer.tick(now)
        if self._deadline is None:
            for segment in self._intake.segments:
                if segment.pending:
                    self._cut_due(segment, now)
            self._submit_ready(now)
        else:
            self.scheduler.cancel(Endpoint.POST_BATCH)
        quiet = self._deadline is not None or self._is_quiet()
        self._enroller.tick(self._intake.segments, now, quiet=quiet)

    def _cut_due(self, segment: Segment, now: float) -> None:
        if self._is_last(segment):
            self._cut(segment, partial=True)
        elif len(segment.pending) >= MAX_ITEMS and not self.has_room():
            self._cut(segment, partial=False)
        elif now - segment.pending_since >= IDLE_SECONDS:
            self._cut(segment, partial=len(segment.pending) < MAX_ITEMS)
            segment.pending_since = now

    def _is_last(self, segment: Segment) -> bool:
        if not self._closing:
            # Without room, what is open makes some. Only if nothing is, a batch that is not
            # full must go: otherwise each call would carry no more than the last one freed.
            return self._is_quiet() and not self._enroller.untagged and not self.has_room()
        # At the end a batch that is not full waits for those who may still fill it, which
        # delays nothing: they need a whole batch's time after it anyway.
        return not segment.waiting or self._is_quiet()

    def _is_quiet(self) -> bool:
        return not self._confirmer.open and not self._submitting

    # -- submit ------------------------------------------------------------------------

    def _cut(self, segment: Segment, *, partial: bool) -> None:
        for batch in self._intake.cut(segment, partial=partial):
            self._submitting += len(batch.entries)
            self._ready.append(batch)

    def _submit_ready(self, now: float) -> None:
        while self._ready and self._may_submit(now):
            self._submit(self._ready.popleft())

    def _may_submit(self, now: float) -> bool:
        under_way = (
            len(self._confirmer.open) + len(self._posts.queue) + self._posts.budget.in_flight
        )
        if self._any_accepted or under_way < FIRST_BATCHES:
            return True
        return self._first_taken is not None and now > self._first_taken + FIRST_VERDICT_SECONDS

    @property
    def _posts(self) -> t.Any:
        return self.scheduler.lanes[Endpoint.POST_BATCH]

    def _submit(self, batch: Batch, not_before: float = 0.0) -> None:
        self.scheduler.add(
            Call(
                Endpoint.POST_BATCH,
                lambda api: api.post_batch([entry.item or b"" for entry in batch.entries]),
                partial(self._posted, batch),
            ),
            not_before,
        )

    def _posted(self, batch: Batch, answer: Answer, now: float) -> None:
        if answer.kind is not Kind.DONE:
            self._not_taken(batch, answer, now)
            return
        self._submitting -= len(batch.entries)
        if self._first_taken is None:
            self._first_taken = now
        for entry in batch.entries:
            entry.item = None
        batch.id, batch.submitted_at = answer.body["batchID"], now
        self._confirmer.watch(batch, now)

    def _not_taken(self, batch: Batch, answer: Answer, now: float) -> None:
        self._refused_posts += answer.kind is Kind.INVALID
        nothing_taken = self._first_taken is None and self._refused_posts >= FIRST_BATCHES
        if answer.kind is Kind.GONE or nothing_taken:
            self.fail(not_there(answer), now)
        elif len(batch.entries) > 1:
            for half in batch.halves():
                self._submit(half)
        else:
            self._submitting -= 1
            self._reject(batch, batch.entries[0], _whole(answer), now)

    # -- settle ------------------------------------------------------------------------

    def _judged(self, batch: Batch, judgement: Judgement | None, now: float) -> None:
        if judgement is None:
            self._refused_alike = ("", 0)
            self._any_accepted = True
            self._enroller.enrol(batch.segment, batch.entries, now)
            return
        self._count_alike(judgement)
        counts = batch.segment.counts
        accepted, again, plan_full = [], [], None
        for entry in batch.entries:
            refusal = judgement.refused.get(entry.email)
            if entry.email in judgement.accepted:
                created = judgement.accepted[entry.email]
                counts.created += created is True
                counts.updated += created is False
                accepted.append(entry)
            elif refusal is None or refusal.transient:
                again.append(entry)
            elif refusal.status == PAYMENT_REQUIRED:
                plan_full = refusal  # no verdict on the person: another run may succeed
            else:
                self._reject(batch, entry, refusal, now)
        self._any_accepted = self._any_accepted or bool(accepted)
        self._enroller.enrol(batch.segment, accepted, now)
        if plan_full:
            self.fail(fatal(Answer(Kind.PLAN_FULL, fault=plan_full.reason)), now)
        elif self._refused_alike[1] >= REFUSED_ALIKE and not self._any_accepted:
            self.fail(all_refused(self._refused_alike[0]), now)
        elif again:
            self._send_again(batch, again, judgement, now)

    def _send_again(
        self, batch: Batch, entries: list[Entry], judgement: Judgement, now: float
    ) -> None:
        if batch.attempt + 1 >= MAX_ATTEMPTS:
            for entry in entries:
                refusal = judgement.refused.get(entry.email, _UNSETTLED)
                self._reject(batch, entry, refusal, now, code="omnisend_unavailable")
            return
        if self._deadline is not None:
            return
        again = Batch(batch.segment, entries, batch.attempt + 1, batch.vanished)
        stuck = len(entries) == len(batch.entries) > 1 and len(judgement.undone) == len(entries)
        # A batch of which nothing is known will not tell more in one piece.
        for part in again.halves() if stuck else (again,):
            self._resubmit(part, now)

    def _resubmit(self, batch: Batch, now: float) -> None:
        for entry in batch.entries:
            entry.item = batch.segment.remake(entry.line)
        self._submitting += len(batch.entries)
        longest = [wait for _, wait in zip(range(batch.attempt), waits(), strict=False)][-1]
        self._submit(batch, now + backoff.full_jitter(longest))

    def _vanished(self, batch: Batch, now: float) -> None:
        logger.warning("Batch %s is gone from Omnisend.", batch.id)
        if batch.vanished:
            self._expired(batch, now)
        elif self._deadline is None:
            again = Batch(batch.segment, batch.entries, batch.attempt + 1, vanished=True)
            self._resubmit(again, now)

    def _expired(self, batch: Batch, now: float) -> None:
        """Nobody will know: the epoch of these entries stays open, so no state passes them."""
        logger.error("Batch %s stays unconfirmed (%d contacts).", batch.id, len(batch.entries))
        self.outcome.lost_batches.append(batch.id)
        for entry in batch.entries:
            self._intake.release(entry.email, now)

    def _settle(self, segment: Segment, entries: list[Entry], now: float) -> None:
        self.outcome.accept(segment.counts, len(entries), now - self._started)
        for entry in entries:
            entry.epoch.open -= 1
            self._intake.release(entry.email, now)

    def _refuse_tagging(self, segment: Segment, entry: Entry, answer: Answer, now: float) -> None:
        self._reject(Batch(segment, [entry]), entry, _whole(answer), now)

    def _reject(
        self,
        batch: Batch,
        entry: Entry,
        refusal: Refusal,
        now: float,
        *,
        code: str | None = None,
    ) -> None:
        code = code or ("omnisend_unavailable" if refusal.transient else "omnisend_refused")
        words = (refusal.code, refusal.message)
        self._rejects.add(
            batch.segment.schema,
            entry.line,
            code=code,
            field=refusal.field,
            message=": ".join(word for word in words if word) or refusal.reason,
            stage="omnisend",
            batch_id=batch.id or None,
            item_id=refusal.item_id,
            status=refusal.status,
        )
        batch.segment.counts.reject(code)
        entry.epoch.open -= 1
        self._intake.release(entry.email, now)
        self._stop_if_hopeless(now)

    def _stop_if_hopeless(self, now: float) -> None:
        # While Omnisend refuses everybody alike, the reason for that is the better message.
        if not self._refused_alike[1] and self.outcome.too_many_rejected():
            self.fail(too_many(self.outcome), now)

    def _count_alike(self, judgement: Judgement) -> None:
        reasons = {refusal.reason for refusal in judgement.refused.values()}
        if judgement.accepted or judgement.undone or len(reasons) != 1:
            self._refused_alike = ("", 0)
            return
        reason = reasons.pop()
        before = self._refused_alike[1] if reason == self._refused_alike[0] else 0
        self._refused_alike = (reason, before + len(judgement.refused))


_UNSETTLED: t.Final = Refusal(None, None, "", "Omnisend did not say what became of it", None)


def _whole(answer: Answer) -> Refusal:
    """What the answer to a call says about its only item."""
    return Refusal(answer.status, next(iter(answer.fields), None), "", answer.fault, None)


def not_there(answer: Answer) -> RunFailed:
    """What to tell the user when the other end does not speak this API."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"There is no Omnisend API that takes our calls at this address ({answer.fault}); "
        "check 'api_url' and 'api_version'.",
    )


def all_refused(reason: str) -> RunFailed:
    """What to tell the user when Omnisend refuses each single item for the same reason."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"Omnisend refuses every contact for the same reason ({reason}); nothing more is sent. "
        "Check the plan's number of contacts, the API key's scopes and the mapping.",
    )


def too_many(outcome: Outcome) -> RunFailed:
    """What to tell the user when the share of refused records is too high."""
    total = outcome.total()
    return RunFailed(
        ExitCode.REJECTED,
        f"{total.rejected} of {total.received} records were refused, more than "
        f"max_rejected_percent ({outcome.max_rejected_percent:g} %) allows; mend them or the "
        "mapping and run again.",
    )
