"""The engine: admit → cut → look → submit → confirm → name → judge → tag → look → settle.

Many batches are open at once.

A machine without threads, clock or I/O: it says which call to make next and takes the
answer. `runner` moves it with threads and real time, tests and simulations with their own.

Each stage of its `chain` holds the next one and calls nothing back. What is to be sent once more is
a queue, `Results.again`, that the engine drains into the submitter.
"""

from __future__ import annotations

import typing as t

from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.afterwards import Afterwards
from target_omnisend.delivery.chain import READ_AHEAD, Chain
from target_omnisend.delivery.due import cut_due
from target_omnisend.delivery.exchange import Exchanges
from target_omnisend.delivery.failures import no_longer_accepted
from target_omnisend.delivery.key_check import ask_for_brand
from target_omnisend.delivery.segment_creator import SegmentCreator
from target_omnisend.errors import RunFailed

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.call import Call
    from target_omnisend.delivery.change_filter import Changes
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.leavers import Pages
    from target_omnisend.delivery.model import Origin, Segment


class Delivery:
    """The state of everything between a record's admission and its verdict.

    Attributes:
        admit: takes in a contact, see `Batcher.admit`.
        delete: takes in a record that says it was deleted. The deletion is carried out at the
            end of the input: only then it is known whether another stream of the segment has
            the person, and how many would leave in all.
        reject: takes in a record that makes no contact, see `Settlement.reject_record`.
        has_room: whether another entry may be admitted.
        room: how many more.
        chain: the stages.
        scheduler: the calls that are to be made.
        outcome: the verdicts.
        brand: Omnisend's facts about the store; empty if the key cannot read them.
        checked: the API key was found good.
        maker: makes segments in Omnisend.
        gate: lets batches out once their people were looked at.
    """

    def __init__(self, chain: Chain) -> None:
        """Start empty, with these stages."""
        self.chain = chain
        self.outcome = chain.outcome
        self.brand: Mapping[str, t.Any] = {}
        self.checked = False
        self.scheduler = chain.scheduler
        self.maker = SegmentCreator(chain.scheduler)
        self.gate = chain.gate
        self._exchanges = Exchanges(chain.scheduler)
        self._afterwards = Afterwards(chain, self.maker)
        self._by_name: dict[str, dict[Segment, None]] = {}
        self.admit = chain.batcher.admit
        self.delete = chain.leavers.delete
        self.reject = chain.settlement.reject_record
        self.has_room = chain.has_room
        self.room = chain.room

    @property
    def changes(self) -> Changes:
        """The contacts that the ledger knows; to be set before the first stream is opened."""
        return self.chain.settlement.changes

    @changes.setter
    def changes(self, changes: Changes) -> None:
        self.chain.settlement.changes = changes

    @property
    def names_contacts(self) -> bool:
        """Whether tag calls can carry contact IDs beside e-mails."""
        return self.chain.tagger.adding.takes_ids

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
        self.chain.leavers.open(origin)
        self.changes.open(origin)

    def bring(self, origin: Origin, version: t.Any, now: float) -> None:
        """From here on the stream's records carry this version."""
        for segment in self._by_name[origin.segment.name]:
            self.chain.cutter.cut(segment, now, partial=False)
        self.changes.mirrors.bring(origin, version)

    def state(self, value: t.Any) -> None:
        """Remember a STATE message; it leaves once all before it is settled."""
        self.chain.checkpoint.state(value)
        self._emit_safe()

    def flush(self, now: float) -> None:
        """Cut the pending entries that fill batches."""
        self.chain.cutter.cut_full(now)
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
        self.chain.ending.close()
        self._afterwards.plan(segments, departures)
        self.flush(now)

    def stop(self, now: float) -> None:
        """Submit nothing more; open batches get a grace, see `Ending`."""
        self.chain.ending.stop(now)
        self.chain.cancel()

    def fail(self, failure: RunFailed, now: float) -> None:
        """End the run early, for the first reason that comes."""
        self.chain.ending.fail(failure, now)
        self.chain.cancel()

    def count_not_sent(self) -> None:
        """After an early end: count the records that no call carried, which nothing confirms."""
        sent = self.chain.settlement.given_up.copy()
        for entries in self.chain.under_way():
            sent.update(entry.origin.stream for entry in entries if entry.from_record)
        for name, counts in self.outcome.streams.items():
            counts.not_sent = max(0, counts.unconfirmed - sent[name])

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
                self.chain.ending.fail(failure, now)
            else:  # the calls that settle the open batches fail as well
                self.chain.ending.fail_at_once(failure, now)
        self._emit_what_is_safe(now)

    def is_over(self, now: float) -> bool:
        """Whether nothing is left to do, or no time to do it."""
        chain = self.chain
        if chain.ending.early:
            under_way = chain.confirmer.open or chain.tagger.waiting or self.scheduler.busy
            return not (under_way or chain.proof.is_due) or chain.ending.is_due(now)
        return self._afterwards.over and not chain.batcher.held and not self.maker.busy

    def _tick(self, now: float) -> None:
        chain = self.chain
        chain.confirmer.tick(now)
        chain.leaver_check.tick(now)
        chain.proof.tick(now)
        while chain.proof.again:
            chain.tagger.tag_again(*chain.proof.again.popleft(), now)
        if chain.ending.early:
            chain.cancel()
        else:
            self._submit_due(now)
        quiet = chain.ending.early or (chain.submitter.idle and not chain.ids.reading)
        chain.tagger.tick(now, quiet=quiet, soon=not chain.ending.closing)

    def _submit_due(self, now: float) -> None:
        chain = self.chain
        self._send_again(now)
        self._let_newcomers_go(now)
        self._afterwards.tick(now)
        cut_due(chain, now)
        chain.gate.tick()
        chain.submitter.tick(now, any_accepted=chain.results.any_accepted)

    def _send_again(self, now: float) -> None:
        chain = self.chain
        while chain.results.again:
            chain.submitter.again(chain.results.again.popleft(), now)
        while chain.results.to_share:
            chain.second_tries.add(chain.results.to_share.popleft(), now)
        for batch in chain.second_tries.due(now, quiet=chain.submitter.idle):
            chain.submitter.again(batch, now)

    def _let_newcomers_go(self, now: float) -> None:
        chain = self.chain
        if chain.newcomers.looking:
            chain.newcomers.tick(
                now,
                room=READ_AHEAD - chain.unsent,
                everyone=chain.ending.closing and not chain.batcher.pending,
                full=chain.is_full,
            )

    def _emit_what_is_safe(self, now: float) -> None:
        try:
            self._emit_safe()
        except RunFailed as failure:  # what the state covers could not be put on the disk
            self.fail(failure, now)

    def _emit_safe(self) -> None:
        checkpoint, breaker = self.chain.checkpoint, self.chain.breaker
        if not checkpoint.has_safe:  # asked first: the rest looks at each stream
            return
        # As long as Omnisend rejects all for one reason, that may be a fault of the account's and
        # not of the records': no state passes them before that is clear.
        suspicious = breaker.items and not breaker.any_accepted and not self._afterwards.over
        if not suspicious and not self.outcome.nothing_arrived:
            checkpoint.emit_safe()
