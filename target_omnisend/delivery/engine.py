"""The engine: admit → submit → confirm → enrol → settle, many batches open at once.

A machine without threads, clock or I/O: it says which call to make next and takes the
answer. `runner` moves it with threads and real time, tests and simulations with their own.
"""

from __future__ import annotations

import logging
import typing as t
from dataclasses import dataclass

from target_omnisend import waits
from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call
from target_omnisend.api.failures import fatal, not_there
from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.batcher import Intake
from target_omnisend.delivery.confirmer import Confirmer
from target_omnisend.delivery.deletions import Deletions
from target_omnisend.delivery.failures import all_refused, too_many
from target_omnisend.delivery.model import (
    LEAVES,
    MAX_ITEMS,
    Batch,
    Entry,
    Origin,
    Segment,
    by_origin,
)
from target_omnisend.delivery.refusal_breaker import Unanimity
from target_omnisend.delivery.responses import Judgement, Refusal
from target_omnisend.delivery.segment_creator import SegmentMaker
from target_omnisend.delivery.submitter import Submitter
from target_omnisend.delivery.tagger import VISIBLE_AFTER, Tagging
from target_omnisend.delivery.trimming import Trimmer, column_of
from target_omnisend.errors import RunFailed

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_omnisend.delivery.checkpoint import Checkpoint
    from target_omnisend.delivery.memory import Memory
    from target_omnisend.delivery.outcome import Outcome

logger = logging.getLogger("target-omnisend.delivery")

READ_AHEAD: t.Final = 20_000
"""Entries that may wait for their submission: more would only cost memory."""

MAX_ATTEMPTS: t.Final = 8
"""Batches that one item may be in; enough to halve a batch down to one item."""

PAYMENT_REQUIRED: t.Final = 402


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
    """The state of everything between a record's admission and its verdict.

    Attributes:
        admit: takes in a contact, see `Intake.admit`.
        brand: what Omnisend says of the store; empty if the key may not know it.
        checked: the API key was found good.
        memory: what earlier runs confirmed, if there is a ledger.
    """

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
        self.scheduler = Scheduler(limits.quota_share)
        self.outcome = outcome
        self.brand: Mapping[str, t.Any] = {}
        self.checked = False
        self.memory: Memory | None = None
        self.maker = SegmentMaker(self.scheduler)
        self._limits = limits
        self._started = now
        self._checkpoint = checkpoint
        self._rejects = rejects
        self._intake = Intake(checkpoint)
        self._by_name: dict[str, dict[Segment, None]] = {}
        self._deletions = Deletions()
        self.admit = self._intake.admit
        self._confirmer = Confirmer(
            self.scheduler,
            since=limits.since,
            timeout=limits.confirm_timeout,
            key=key,
            judged=self._judged,
            vanished=self._vanished,
            expired=self._expired,
        )
        self._submitter = Submitter(
            self.scheduler,
            taken=self._taken,
            refused=self._refuse_alone,
            nowhere=lambda answer, now: self.fail(not_there(answer), now),
        )
        self._enrolling = Tagging(
            self.scheduler,
            Endpoint.ADD_TAGS,
            call=lambda api, emails, segment: api.add_tags(emails, segment.tags),
            settle=self._enrolled,
            refuse=self._refuse_tagging,
        )
        self._leaving = Tagging(
            self.scheduler,
            Endpoint.REMOVE_TAGS,
            call=lambda api, emails, segment: api.remove_tags(emails, [segment.tag or ""]),
            settle=self._left,
            refuse=self._refuse_tagging,
        )
        self._unanimity = Unanimity()
        self._trimmer = Trimmer()
        self._departures: Iterator[tuple[Origin, list[str]]] | None = None
        self._may_leave = False
        self._wanted_segments: dict[str, list[t.Any]] = {}
        self._closing = False
        self._ended = False
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
        if answer.kind is not Kind.DONE:
            # Only its success is documented, and brands.read is not needed otherwise: see
            # whether contacts can be read.
            call = Call(Endpoint.READ_CONTACTS, lambda api: api.any_contact(), self._contact_told)
            self.scheduler.add(call)
            return
        if isinstance(answer.body, dict):
            self.brand = answer.body
        self._contact_told(answer, now)

    def _contact_told(self, answer: Answer, now: float) -> None:
        if answer.kind is Kind.DONE:
            self.checked = True
        else:
            self.fail(not_there(answer), now)

    # -- the way in --------------------------------------------------------------------

    def open(self, origin: Origin) -> None:
        """Announce a stream under one of its schemas; its entries may follow."""
        segment = origin.segment
        self._by_name.setdefault(segment.name, {})[segment] = None
        self._deletions.open(origin)
        if self.memory and segment.settings:
            self.memory.open(origin)

    def bring(self, origin: Origin, version: t.Any, now: float) -> None:
        """From here on the stream's records carry this version."""
        if self.memory:
            for segment in self._by_name[origin.segment.name]:
                self._cut(segment, now, partial=False)
            self.memory.mirrors.bring(origin, version)

    def has_room(self) -> bool:
        """Whether another entry may be admitted."""
        return (
            self._intake.held + self._deletions.count < self._limits.max_unconfirmed
            and self._intake.pending + self._submitter.entries < READ_AHEAD
        )

    def delete(self, origin: Origin, email: str, item: bytes, line: bytes, now: float) -> None:
        """Take in a record that says it was deleted.

        It is carried out at the end of the input: only then it is known whether another stream
        of the segment brings the person, and how many would leave in all.
        """
        if self.memory and origin.segment.settings:
            self.memory.mirrors.expect_deletions(origin.segment.name)
        alone = self._deletions.is_alone(origin)
        entry = self._intake.set_aside(origin, email, item, line, now, alone=alone)
        if older := self._deletions.add(entry, now):
            older.epoch.open -= 1
            origin.counts.duplicates += 1

    def reject(
        self,
        origin: Origin,
        line: bytes,
        code: str,
        field: str | None,
        message: str,
        now: float,
        email: str | None = None,
    ) -> None:
        """Take in a record that is not a contact; `email` is the person's, if it can be read."""
        self._rejects.add(
            origin.schema, line, code=code, field=field, message=message, stage="mapping"
        )
        origin.counts.reject(code)
        if email:
            origin.present.append(hash(email))
            if self.memory:
                self.memory.mirrors.see(origin.segment.name, [email])
        self._stop_if_hopeless(now)

    def state(self, value: t.Any) -> None:
        """Remember a STATE message; it leaves once all before it is settled."""
        self._checkpoint.state(value)
        self._emit_safe()

    def flush(self, now: float) -> None:
        """Cut the pending entries that fill batches."""
        for segment in list(self._intake.segments.full):
            self._cut(segment, now, partial=False)
        self._emit_safe()  # no answer may ever come, when nothing has changed

    def close(
        self,
        now: float,
        *,
        segments: Mapping[str, list[t.Any]] | None = None,
        departures: Iterator[tuple[Origin, list[str]]] | None = None,
    ) -> None:
        """There is no more input.

        `segments` are to be there in the end, with their conditions; `departures` are who
        loses the membership, if that is not for the mirrors to say.
        """
        self._closing = True
        self._wanted_segments = dict(segments or {})
        self._departures = departures
        self.flush(now)

    def stop(self, now: float) -> None:
        """Submit nothing more; what Omnisend has taken gets `waits.GRACE`."""
        self._closing = True
        self._submitter.cancel()
        if self._deadline is None:
            self._deadline = now + waits.seconds(waits.GRACE)

    def fail(self, failure: RunFailed, now: float) -> None:
        """End the run early, for the first reason that comes."""
        if self.outcome.failure is None:
            self.outcome.failure = failure
            logger.error(failure.sentence, extra={"exit_code": int(failure.exit_code)})
        self.stop(now)

    # -- what moves it -----------------------------------------------------------------

    def next_call(self, now: float) -> Call | None:
        """The call to make now, if there is one."""
        try:
            self._tick(now)
        except RunFailed as failure:  # the ledger, or the guard of a mirror
            self.fail(failure, now)
        self._emit_what_is_safe(now)
        return self.scheduler.next(now)

    def answered(self, call: Call, answer: Answer, now: float) -> None:
        """Take the answer of a call that `next_call` gave."""
        try:
            self.scheduler.answered(call, answer, now)
        except RunFailed as failure:
            self.fail(failure, now)
            if call.endpoint is not Endpoint.POST_BATCH:
                self._deadline = now  # what settles the open batches fails as well
        self._emit_what_is_safe(now)

    def is_over(self, now: float) -> bool:
        """Whether nothing is left to do, or no time to do it."""
        if self._deadline is not None:
            tagging = self._enrolling.waiting or self._leaving.waiting
            taken = self._confirmer.open or tagging or self.scheduler.busy
            return not taken or now >= self._deadline
        return self._ended and not self._intake.held and not self.maker.busy

    def _tick(self, now: float) -> None:
        self._confirmer.tick(now)
        if self._deadline is None:
            self._delete_early(now)
            self._let_leave(now)
            self._cut_due(now)
            self._submitter.tick(now, len(self._confirmer.open))
        else:
            self._submitter.cancel()
        quiet = self._deadline is not None or self._is_quiet()
        self._enrolling.tick(now, quiet=quiet)
        self._leaving.tick(now, quiet=quiet)

    def _cut_due(self, now: float) -> None:
        segments = self._intake.segments
        # At the end a batch that is not full waits for the entries that may still fill it. That
        # delays nothing, because those need a whole batch's time after it anyway.
        if self._closing:
            for segment in list(segments.complete):
                self._cut(segment, now, partial=True)
        if segments.full and not self.has_room():
            for segment in list(segments.full):
                self._cut(segment, now, partial=False)
        for segment in segments.older_than(now - waits.seconds(waits.IDLE)):
            self._cut(segment, now, partial=len(segment.pending) < MAX_ITEMS)
            segments.put_off(segment, now)
        while segments.all and self._is_stuck():
            self._cut(next(iter(segments.all)), now, partial=True)

    def _is_stuck(self) -> bool:
        if self._closing:
            return self._is_quiet()
        # Without room, what is open makes some. Only if nothing is, a batch that is not
        # full must go: otherwise each call would carry no more than the last one freed.
        return self._is_quiet() and not self._enrolling.waiting and not self.has_room()

    def _is_quiet(self) -> bool:
        return not self._confirmer.open and not self._submitter.entries

    def _cut(self, segment: Segment, now: float, *, partial: bool) -> None:
        self._intake.agree(segment)
        staying = self._take_by_hand(segment, now) if segment.pending else []
        batches = list(self._intake.cut(segment, partial=partial))
        if self.memory and batches:
            self.memory.doubt(segment, [entry for batch in batches for entry in batch.entries])
        for batch in batches:
            self._submitter.add(batch)
        # Only now: it lets in later entries of the same persons, which nobody has sifted.
        self._stay(staying, now)

    def _take_by_hand(self, segment: Segment, now: float) -> list[Entry]:
        """Take out what needs no batch: those who only lose a tag, and who needs no call at all.

        The latter are given back, still to be closed.
        """
        staying: list[Entry] = []
        entries = list(segment.pending.values())
        if self.memory:
            staying = self.memory.sift(segment, entries)
            self._intake.take_out(segment, staying)
        leaving = [e for e in entries if e.leaves and e.email in segment.pending]
        if leaving and segment.clear is None:
            self._intake.take_out(segment, leaving)
            if segment.tag is None:  # nothing shows membership that could be taken back
                staying += leaving
            else:
                if self.memory:
                    self.memory.doubt(segment, leaving)
                self._leaving.add(segment, leaving, now)
        return staying

    def _stay(self, entries: list[Entry], now: float) -> None:
        for origin, number in by_origin(entry for entry in entries if entry.line):
            origin.counts.unchanged += number
        for entry in entries:
            self._close_entry(entry, now)

    # -- the end of the input ----------------------------------------------------------

    def _let_leave(self, now: float) -> None:
        """After a clean run, those who left lose the membership; then segments are made."""
        if not self._closing or self._ended:
            return
        if not self._may_leave:
            if self._intake.held:
                return
            self._begin_leaving(now)
        while self.has_room():
            origin, emails = next(self._departures or iter(()), (None, []))
            if origin is None:
                self._ended = not self._intake.held
                if self._ended:
                    self.maker.want(self._wanted_segments)
                return
            for email in emails:
                item = origin.segment.clear(email) if origin.segment.clear else b""
                self._intake.admit(origin, email, item, b"", now, LEAVES)

    def _begin_leaving(self, now: float) -> None:
        """Everything else is settled: see who leaves, and whether so many may."""
        leaving = self._decide_deletions()
        if self.memory:
            failed = self.outcome.lost_batches or self.outcome.failed_by_rejections
            removing = self._departures is None and not failed
            departures = self.memory.mirrors.departures(_by_segment(leaving), removing=removing)
            self._departures = departures if self._departures is None else self._departures
        self._may_leave = True
        self._admit_deletions(leaving, now)

    def _delete_early(self, now: float) -> None:
        """Carry deletions out before the end of an input that is long, or has many of them."""
        if self._closing or not self._deletions.count:
            return
        if self._deletions.are_due(now) or (self._is_quiet() and not self.has_room()):
            leaving = self._decide_deletions()
            if self.memory:
                self.memory.mirrors.admit_deletions(_by_segment(leaving))
            self._admit_deletions(leaving, now)

    def _decide_deletions(self) -> list[tuple[Origin, list[Entry]]]:
        """The deletions that take a membership back; the others get their verdict."""
        leaving = []
        for decided in self._deletions.take():
            origin, gone, staying = decided.origin, decided.leaving, decided.present
            segment = origin.segment
            if segment.tag is None and segment.clear is None:
                gone, staying = [], [*staying, *gone]
            if self.memory and gone:
                strangers = self.memory.sift(segment, gone)
                staying = [*staying, *strangers]
                gone = [entry for entry in gone if entry.before is not None]
            origin.counts.unchanged += len(staying)
            origin.counts.duplicates += len(decided.superseded)
            for entry in (*staying, *decided.superseded):
                entry.epoch.open -= 1
            leaving.append((origin, gone))
        return leaving

    def _admit_deletions(self, leaving: list[tuple[Origin, list[Entry]]], now: float) -> None:
        for _, entries in leaving:
            for entry in entries:
                self._intake.admit_again(entry, now)

    # -- settle ------------------------------------------------------------------------

    def _taken(self, batch: Batch, now: float) -> None:
        self._confirmer.watch(batch, now)
        if self.memory:
            self.memory.begin_batch(batch)

    def _judged(self, batch: Batch, judgement: Judgement | None, now: float) -> None:
        segment = batch.segment
        if self.memory:
            self.memory.end_batch(batch)
        if judgement is None:
            self._unanimity.accepted()
            self._submitter.verdicts = True
            self._accepted(segment, batch.entries, now)
            return
        self._trim(batch, judgement)
        self._unanimity.judged(judgement)
        accepted, again, plan_full = [], [], None
        for entry in batch.entries:
            refusal = judgement.refused.get(entry.email)
            if entry.email in judgement.accepted:
                created = judgement.accepted[entry.email]
                entry.origin.counts.created += created is True
                entry.origin.counts.updated += created is False
                accepted.append(entry)
            elif refusal is None or refusal.transient:
                again.append(entry)
            elif refusal.status == PAYMENT_REQUIRED:
                plan_full = refusal  # no verdict on the person: another run may succeed
            else:
                self._reject(batch, entry, refusal, now)
        self._submitter.verdicts = self._unanimity.any_accepted
        self._accepted(segment, accepted, now)
        if plan_full:
            self.fail(fatal(Answer(Kind.PLAN_FULL, fault=plan_full.reason)), now)
        elif self._unanimity.is_hopeless:
            self.fail(all_refused(self._unanimity.reason), now)
        elif again:
            self._send_again(batch, again, judgement, now)

    def _trim(self, batch: Batch, judgement: Judgement) -> None:
        """Have contacts go again without the optional values that they were rejected for."""
        for entry in batch.entries:
            refusal = judgement.refused.get(entry.email)
            if refusal is None or refusal.transient or refusal.status == PAYMENT_REQUIRED:
                continue
            if self._trimmer.trim(entry, refusal, batch.segment):
                del judgement.refused[entry.email]

    def _accepted(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """The contacts are as they should be; what is left is their tags."""
        for entry in entries if self._trimmer else ():
            fields = self._trimmer.settle(entry)
            columns = {column_of(field, entry.origin.columns) for field in fields}
            entry.origin.counts.leave_out(("omnisend_refused_value", one) for one in columns)
        if self.memory or segment.clear:
            if leaving := [entry for entry in entries if entry.leaves]:
                self._left(segment, leaving, now)
                entries = [entry for entry in entries if not entry.leaves]
            if segment.tags:
                self._enrolled(segment, [e for e in entries if e.member], now, tagged=False)
                entries = [entry for entry in entries if not entry.member]
        if segment.tags:
            self._enrolling.add(segment, entries, now + VISIBLE_AFTER)
        else:
            self._enrolled(segment, entries, now, tagged=False)

    def _enrolled(
        self, segment: Segment, entries: list[Entry], now: float, *, tagged: bool = True
    ) -> None:
        if tagged:
            for origin, number in by_origin(entries):
                origin.counts.tagged += number
        self._accept(entries, now)
        if self.memory and entries:
            self.memory.confirm(segment, entries)
        for entry in entries:
            self._close_entry(entry, now)

    def _left(self, segment: Segment, entries: list[Entry], now: float) -> None:
        for origin, number in by_origin(entries):
            origin.counts.removed += number
        self._accept((entry for entry in entries if entry.line), now)
        if self.memory:
            self.memory.forget(segment, entries)
        for entry in entries:
            self._close_entry(entry, now)

    def _accept(self, entries: Iterable[Entry], now: float) -> None:
        for origin, number in by_origin(entries):
            self.outcome.accept(origin.counts, number, now - self._started)

    def _close_entry(self, entry: Entry, now: float) -> None:
        entry.epoch.open -= 1
        self._intake.release(entry.email, now)

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
            self._submitter.again(part, now)

    def _vanished(self, batch: Batch, now: float) -> None:
        logger.warning(
            "Omnisend does not know batch %s any more. Its contacts are sent once more, and newer "
            "records of the same people by the next run.",
            batch.id,
            extra=batch.about,
        )
        self._intake.give_up(entry.email for entry in batch.entries)
        if batch.vanished:
            self._expired(batch, now)
        elif self._deadline is None:
            again = Batch(batch.segment, batch.entries, batch.attempt + 1, vanished=True)
            self._submitter.again(again, now)

    def _expired(self, batch: Batch, now: float) -> None:
        """Nobody will know: the epoch of these entries stays open, so no state passes them."""
        logger.error(
            "Batch %s stays unconfirmed (%d contacts).",
            batch.id,
            len(batch.entries),
            extra=batch.about,
        )
        self.outcome.lost_batches.append(batch.id)
        self._intake.give_up(entry.email for entry in batch.entries)
        for entry in batch.entries:
            self._intake.release(entry.email, now)

    def _refuse_alone(self, batch: Batch, entry: Entry, answer: Answer, now: float) -> None:
        refusal = _whole(answer)
        named = answer.kind is Kind.INVALID and answer.fields
        if named and self._trimmer.trim(entry, refusal, batch.segment):
            again = Batch(batch.segment, [entry], batch.attempt + 1, batch.vanished)
            self._submitter.again(again, now)
        else:
            self._reject(batch, entry, refusal, now)

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
        self._trimmer.settle(entry)
        code = code or ("omnisend_unavailable" if refusal.transient else "omnisend_refused")
        if entry.line:
            if entry.consented:  # it counted as a duplicate; without it the consent would be lost
                entry.consented.origin.counts.duplicates -= 1
                self._keep_rejected(batch, entry.consented, refusal, code)
            self._keep_rejected(batch, entry, refusal, code)
        else:
            self._not_removed(entry.origin, refusal)
        self._close_entry(entry, now)
        self._stop_if_hopeless(now)

    def _keep_rejected(self, batch: Batch, entry: Entry, refusal: Refusal, code: str) -> None:
        words = (refusal.code, refusal.message)
        self._rejects.add(
            entry.origin.schema,
            entry.line,
            code=code,
            field=refusal.field,
            message=": ".join(word for word in words if word) or refusal.reason,
            stage="omnisend",
            batch_id=batch.id or None,
            item_id=refusal.item_id,
            status=refusal.status,
        )
        entry.origin.counts.reject(code)

    def _not_removed(self, origin: Origin, refusal: Refusal) -> None:
        origin.counts.not_removed += 1
        if origin.counts.not_removed == 1:
            logger.warning(
                "Omnisend did not take segment '%s' back from a member that left it (%s). Run "
                "again: the ledger still knows this member.",
                origin.segment.name,
                refusal.reason,
                extra={**origin.about, "status": refusal.status},
            )

    def _stop_if_hopeless(self, now: float) -> None:
        # While Omnisend rejects all alike, the reason for that is the better message.
        if not self._unanimity.items and self.outcome.hopelessly_rejected():
            self.fail(too_many(self.outcome), now)

    def _emit_what_is_safe(self, now: float) -> None:
        try:
            self._emit_safe()
        except RunFailed as failure:  # what the state covers could not be put on the disk
            self.fail(failure, now)

    def _emit_safe(self) -> None:
        if not self._checkpoint.has_safe:  # asked first: the rest looks at each stream
            return
        # As long as Omnisend rejects all for one reason, that may be a fault of the account's and
        # not of the records': no state passes them before that is clear.
        suspicious = self._unanimity.items and not self._unanimity.any_accepted and not self._ended
        if not suspicious and not self.outcome.nothing_arrived:
            self._checkpoint.emit_safe()


def _by_segment(leaving: list[tuple[Origin, list[Entry]]]) -> dict[str, set[str]]:
    emails: dict[str, set[str]] = {}
    for origin, entries in leaving:
        if entries:
            emails.setdefault(origin.segment.name, set()).update(entry.email for entry in entries)
    return emails


_UNSETTLED: t.Final = Refusal(None, None, "", "Omnisend did not say what became of it", None)


def _whole(answer: Answer) -> Refusal:
    """What the answer to a call says about its only item."""
    field = next(iter(answer.fields), None)
    final = answer.kind is Kind.FORBIDDEN
    message = f"Calls with this record are forbidden: {answer.fault}" if final else answer.fault
    return Refusal(answer.status, field, "", message, None, answer.fields, final=final)
