"""The engine: admit → cut → look → submit → confirm → name → judge → tag → look → settle.

Many batches are open at once.

A machine without threads, clock or I/O: it says which call to make next and takes the
answer. `runner` moves it with threads and real time, tests and simulations with their own.

Each stage holds the next one and calls nothing back. What is to be sent once more is a queue,
`Results.again`, that the engine drains into the submitter.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_omnisend import waits
from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.batcher import Batcher
from target_omnisend.delivery.confirmer import Confirmer
from target_omnisend.delivery.contact_ids import ContactIds
from target_omnisend.delivery.cutter import Cutter
from target_omnisend.delivery.ending import Ending
from target_omnisend.delivery.exchange import Exchanges
from target_omnisend.delivery.failures import no_longer_accepted
from target_omnisend.delivery.gate import Gate
from target_omnisend.delivery.key_check import ask_for_brand
from target_omnisend.delivery.leaver_check import LeaverCheck
from target_omnisend.delivery.leavers import Leavers
from target_omnisend.delivery.model import MAX_ITEMS, Entry, Origin, Segment
from target_omnisend.delivery.newcomers import UNBOUNDED, Growth, Newcomers
from target_omnisend.delivery.proof import Proof
from target_omnisend.delivery.refusal_breaker import RefusalBreaker
from target_omnisend.delivery.results import Results
from target_omnisend.delivery.second_tries import SecondTries
from target_omnisend.delivery.segment_creator import SegmentCreator
from target_omnisend.delivery.settlement import Settlement
from target_omnisend.delivery.submitter import Submitter
from target_omnisend.delivery.tag_check import TagCheck
from target_omnisend.delivery.tagger import Tagger
from target_omnisend.errors import RunFailed

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.call import Call
    from target_omnisend.delivery.change_filter import Changes
    from target_omnisend.delivery.checkpoint import Checkpoint
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.leavers import Pages
    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.delivery.protocol import Rejects

SOON: t.Final = 0.5
"""Seconds after which the entries that fill a batch go out, if no other batch waits."""

READ_AHEAD: t.Final = 20_000
"""Entries that may wait for their submission: more would only cost memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a run. Times in seconds; `quota_share` as in the setting.

    `check_tags`: see `TagCheck`.
    `growth` says which people the run may make contacts of.
    """

    quota_share: float
    confirm_timeout: float
    max_unconfirmed: int
    since: dt.date
    check_tags: bool = False
    growth: Growth = UNBOUNDED


class Delivery:
    """The state of everything between a record's admission and its verdict.

    Attributes:
        admit: takes in a contact, see `Batcher.admit`.
        delete: takes in a record that says it was deleted. The deletion is carried out at the
            end of the input: only then it is known whether another stream of the segment has
            the person, and how many would leave in all.
        reject: takes in a record that makes no contact, see `Settlement.reject_record`.
        brand: Omnisend's facts about the store; empty if the key cannot read them.
        checked: the API key was found good.
        maker: makes segments in Omnisend.
        gate: lets batches out once their people were looked at.
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
        looking: bool = False,
    ) -> None:
        """Start empty.

        `key` normalises an e-mail as the admitted ones are. With `looking`, people are looked at
        before and after a batch.
        """
        self.scheduler = Scheduler(limits.quota_share)
        self.outcome = outcome
        self.brand: Mapping[str, t.Any] = {}
        self.checked = False
        self.maker = SegmentCreator(self.scheduler)
        self._exchanges = Exchanges(self.scheduler)
        self._max_unconfirmed = limits.max_unconfirmed
        self._checkpoint = checkpoint
        self._by_name: dict[str, dict[Segment, None]] = {}
        self._wanted_segments: dict[str, list[t.Any]] = {}
        self._ended = False
        self._due: Iterator[Entry] | None = None
        self._ending = Ending(outcome)
        self._breaker = RefusalBreaker()
        self._batcher = Batcher(checkpoint)
        # The chain, from its end: each stage holds the next.
        self._settlement = Settlement(
            self._batcher, outcome, rejects, self._breaker, self._ending, started=now
        )
        self._proof = Proof(self.scheduler, self._settlement, self._ending, outcome.looks)
        self._tagger = Tagger(self.scheduler, self._proof)
        self._results = Results(
            self._tagger, self._proof, self._settlement, self._breaker, self._ending
        )
        self._ids = ContactIds(self.scheduler, self._tagger, self._results, key)
        self._confirmer = Confirmer(
            self.scheduler, self._ids, limits.since, limits.confirm_timeout, key
        )
        self._second_tries = SecondTries()
        tag_check = TagCheck(self.scheduler, wanted=limits.check_tags)
        self._submitter = Submitter(
            self.scheduler, self._confirmer, self._proof, self._settlement, tag_check
        )
        self.gate = Gate(self.scheduler, self._submitter, self._proof, looking=looking)
        self._leaver_check = LeaverCheck(self.scheduler, self._batcher, self._settlement)
        self._newcomers = Newcomers(
            self.scheduler, self._batcher, self._settlement, outcome, limits.growth
        )
        self._cutter = Cutter(
            self._batcher,
            self.gate,
            self._tagger,
            self._settlement,
            self._leaver_check,
            self._newcomers,
        )
        self._leavers = Leavers(self._batcher, self._settlement, outcome)
        self.admit = self._batcher.admit
        self.delete = self._leavers.delete
        self.reject = self._settlement.reject_record

    @property
    def changes(self) -> Changes:
        """The contacts that the ledger knows; to be set before the first stream is opened."""
        return self._settlement.changes

    @changes.setter
    def changes(self, changes: Changes) -> None:
        self._settlement.changes = changes

    @property
    def names_contacts(self) -> bool:
        """Whether tag calls can carry contact IDs beside e-mails."""
        return self._tagger.adding.takes_ids

    # -- before anything is written ----------------------------------------------------

    def check(self) -> None:
        """Ask for the store of the API key; the result is `checked` or `outcome.failure`."""
        self.start(self._check_key())

    def start(self, exchange: Exchange[None]) -> None:
        """Begin an exchange of calls of which no record needs an answer."""
        self._exchanges.start(exchange)

    def _check_key(self) -> Exchange[None]:
        self.brand = yield from ask_for_brand()
        self.checked = True

    # -- the way in --------------------------------------------------------------------

    def open(self, origin: Origin) -> None:
        """Announce a stream under one of its schemas; its entries may follow."""
        segment = origin.segment
        self._by_name.setdefault(segment.name, {})[segment] = None
        self._leavers.open(origin)
        self.changes.open(origin)

    def bring(self, origin: Origin, version: t.Any, now: float) -> None:
        """From here on the stream's records carry this version."""
        for segment in self._by_name[origin.segment.name]:
            self._cutter.cut(segment, now, partial=False)
        self.changes.mirrors.bring(origin, version)

    def has_room(self) -> bool:
        """Whether another entry may be admitted."""
        batcher = self._batcher  # asked for each record
        return (
            batcher.pending + self.gate.entries + self._submitter.entries < READ_AHEAD
            and batcher.held + self._leavers.held < self._max_unconfirmed
        )

    def state(self, value: t.Any) -> None:
        """Remember a STATE message; it leaves once all before it is settled."""
        self._checkpoint.state(value)
        self._emit_safe()

    def flush(self, now: float) -> None:
        """Cut the pending entries that fill batches."""
        self._cutter.cut_full(now)
        self._emit_safe()  # if nothing has changed, no answer will come that could do it

    def close(
        self,
        now: float,
        *,
        segments: Mapping[str, list[t.Any]] | None = None,
        departures: Pages | None = None,
    ) -> None:
        """There is no more input.

        `segments` are to be there in the end, with their conditions; `departures` are the
        members that lose the membership, in place of those that the mirrors miss.
        """
        self._ending.close()
        self._wanted_segments = dict(segments or {})
        self._leavers.replace_mirrors(departures)
        self.flush(now)

    def stop(self, now: float) -> None:
        """Submit nothing more; open batches get a grace, see `Ending`."""
        self._ending.stop(now)
        self._cancel()

    def fail(self, failure: RunFailed, now: float) -> None:
        """End the run early, for the first reason that comes."""
        self._ending.fail(failure, now)
        self._cancel()

    def _cancel(self) -> None:
        self._newcomers.cancel()
        self.gate.cancel()
        self._leaver_check.cancel()
        self._submitter.cancel()

    def count_not_sent(self) -> None:
        """After an early end: count the records that no call carried, which nothing confirms."""
        sent = self._settlement.given_up.copy()
        for entries in self._under_way():
            sent.update(entry.origin.stream for entry in entries if entry.from_record)
        for name, counts in self.outcome.streams.items():
            counts.not_sent = max(0, counts.unconfirmed - sent[name])

    def _under_way(self) -> Iterator[list[Entry]]:
        posting = (batch for batch in self._submitter.posting if batch.went_out)
        opened = (*self._confirmer.open.values(), *self._ids.reading)
        again = (*self._results.again, *self._results.to_share)
        for batch in (*opened, *again, *posting):
            yield batch.entries
        yield from self._second_tries.under_way()
        yield from self._tagger.under_way()
        yield from self._proof.under_way()

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
        except RunFailed as error:
            ended = answer.kind is Kind.UNAUTHORIZED and self.checked
            failure = no_longer_accepted(answer, self.outcome.total()) if ended else error
            if call.endpoint is Endpoint.POST_BATCH:
                self._ending.fail(failure, now)
            else:  # the calls that settle the open batches fail as well
                self._ending.fail_at_once(failure, now)
        self._emit_what_is_safe(now)

    def is_over(self, now: float) -> bool:
        """Whether nothing is left to do, or no time to do it."""
        if self._ending.early:
            under_way = self._confirmer.open or self._tagger.waiting or self.scheduler.busy
            return not (under_way or self._proof.is_due) or self._ending.is_due(now)
        return self._ended and not self._batcher.held and not self.maker.busy

    def _tick(self, now: float) -> None:
        self._confirmer.tick(now)
        self._leaver_check.tick(now)
        self._proof.tick(now)
        while self._proof.again:
            self._tagger.tag_again(*self._proof.again.popleft(), now)
        if self._ending.early:
            self._cancel()
        else:
            self._send_again(now)
            self._let_newcomers_go(now)
            self._delete_early(now)
            self._let_leave(now)
            self._cut_due(now)
            self.gate.tick()
            self._submitter.tick(now, any_accepted=self._results.any_accepted)
        quiet = self._submitter.idle and not self._ids.reading
        quiet = quiet or self._ending.early
        self._tagger.tick(now, quiet=quiet, soon=not self._ending.closing)

    def _send_again(self, now: float) -> None:
        while self._results.again:
            self._submitter.again(self._results.again.popleft(), now)
        while self._results.to_share:
            self._second_tries.add(self._results.to_share.popleft(), now)
        for batch in self._second_tries.due(now, quiet=self._submitter.idle):
            self._submitter.again(batch, now)

    def _let_newcomers_go(self, now: float) -> None:
        if not self._newcomers.looking:
            return
        batcher = self._batcher
        self._newcomers.tick(
            now,
            room=READ_AHEAD - batcher.pending - self.gate.entries - self._submitter.entries,
            everyone=self._ending.closing and not batcher.pending,
            full=batcher.held + self._leavers.held >= self._max_unconfirmed,
        )

    def _cut_due(self, now: float) -> None:
        segments = self._batcher.segments
        # At the end a batch that is not full waits for the entries that may still fill it. That
        # delays nothing, because those need a whole batch's time after it anyway.
        if self._ending.closing:
            for segment in list(segments.complete):
                if segment not in self._newcomers.ready:
                    self._cutter.cut(segment, now, partial=True)
        if segments.full and not self.has_room():
            self._cutter.cut_full(now)
        if segments.full and self._submitter.is_free and not self.gate.entries:
            self._cut_soon(now)
        for segment in segments.older_than(now - waits.seconds(waits.IDLE)):
            self._cutter.cut(segment, now, partial=len(segment.pending) < MAX_ITEMS)
            segments.put_off(segment, now)
        while segments.all and self._is_stuck():
            self._cutter.cut(next(iter(segments.all)), now, partial=True)

    def _cut_soon(self, now: float) -> None:
        """Cut the full batches of a slow tap: the next drain can be minutes away.

        A segment is cut once in `SOON` at most: a fast tap's records of a person still become
        one, and the ledger is asked about many members at once.
        """
        due = [one for one in self._batcher.segments.full if one.pending_since <= now - SOON]
        for segment in due:
            self._cutter.cut(segment, now, partial=False)
            self._batcher.segments.put_off(segment, now)

    def _is_stuck(self) -> bool:
        if self._ending.closing:
            return self._is_idle
        # Without room, open batches make some. Only if none is open, a batch that is not
        # full must go: otherwise each call would carry no more than the last one freed.
        return self._is_idle and not self._tagger.adding.waiting and not self.has_room()

    @property
    def _is_idle(self) -> bool:
        """Whether no batch is under way, and none waits to be."""
        waiting = self._ids.reading or not (self.gate.is_empty and self._second_tries.is_empty)
        return self._submitter.idle and not waiting

    def _delete_early(self, now: float) -> None:
        """Carry deletions out before the end of an input that is long, or has many of them."""
        if self._newcomers.counting:
            return
        in_the_way = self._leavers.held and self._is_idle and not self.has_room()
        if not self._ending.closing and (in_the_way or self._leavers.are_due(now)):
            self._leavers.admit_deletions(now)

    def _let_leave(self, now: float) -> None:
        """After a clean run, the members that left lose the membership; then segments are made."""
        if not self._ending.closing or self._ended:
            return
        if not self._leavers.begun:
            if self._batcher.held or self._send_once_more(now):
                return
            self._leavers.begin(now)
        while self.has_room():
            if not self._leavers.admit_page(now):
                self._ended = not self._batcher.held
                if self._ended:
                    self.maker.want(self._wanted_segments)
                return

    def _send_once_more(self, now: float) -> bool:
        """Admit contacts that earlier runs could not deliver; False if there are no more."""
        epoch, room = self._checkpoint.epoch, self.has_room()
        if self._due is None:
            self._due = self.changes.retries.due(epoch)
        while room and (entry := next(self._due, None)):
            epoch.open += 1
            entry.origin.counts.retried += 1
            self._batcher.admit_again(entry, now)
            room = self.has_room()
        return bool(self._batcher.held)

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
        suspicious = self._breaker.items and not self._breaker.any_accepted and not self._ended
        if suspicious or not self._checkpoint.has_safe:
            return
        if not self.outcome.nothing_arrived:  # last, because it looks at every stream
            self._checkpoint.emit_safe()
