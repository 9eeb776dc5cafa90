"""The next step of each entry of a batch, by its verdict."""

from __future__ import annotations

import logging
import typing as t
from collections import deque

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.failures import fatal
from target_omnisend.delivery.failures import all_refused
from target_omnisend.delivery.responses import Refusal
from target_omnisend.delivery.trimming import columns_left_out, trim
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from target_omnisend.delivery.ending import Ending
    from target_omnisend.delivery.model import Batch, Entry
    from target_omnisend.delivery.proof import Proof
    from target_omnisend.delivery.refusal_breaker import RefusalBreaker
    from target_omnisend.delivery.responses import Judgement
    from target_omnisend.delivery.settlement import Settlement
    from target_omnisend.delivery.tagger import Tagger

logger = logging.getLogger("target-omnisend.delivery")

MAX_ATTEMPTS: t.Final = 8
"""Batches that one item may be in; enough to halve a batch down to one item."""

PAYMENT_REQUIRED: t.Final = 402

_UNSETTLED: t.Final = Refusal(None, None, "", "Omnisend did not say what became of it", None)


class Results:
    """Passes accepted contacts on to the tagger, and settles rejected ones.

    Attributes:
        again: batches that are to be sent once more; the engine hands them to the submitter.
        to_share: the same, but their entries can go out together with others.
    """

    def __init__(
        self,
        tagger: Tagger,
        proof: Proof,
        settlement: Settlement,
        breaker: RefusalBreaker,
        ending: Ending,
    ) -> None:
        """Pass contacts on to `tagger`, and those that it does not get to `proof`.

        `settlement` notes what becomes of a batch; `ending` ends the run.
        """
        self.again: deque[Batch] = deque()
        self.to_share: deque[Batch] = deque()
        self._tagger = tagger
        self._proof = proof
        self._settlement = settlement
        self._breaker = breaker
        self._ending = ending

    @property
    def any_accepted(self) -> bool:
        """Whether Omnisend has accepted a contact yet."""
        return self._breaker.any_accepted

    def judged(self, batch: Batch, judgement: Judgement | None, now: float) -> None:
        """Take a batch that is over; without a judgement, every item succeeded."""
        self._settlement.changes.end_batch(batch)
        if judgement is None:
            self._breaker.accepted()
            self._accept(batch, batch.entries, now)
        else:
            _trim_refused(batch, judgement)
            self._breaker.judged(judgement)
            self._judge_each(batch, judgement, now)

    def vanished(self, batch: Batch, now: float) -> None:
        """Take a batch that Omnisend does not know any more."""
        logger.warning(
            "Omnisend does not know batch %s any more. Its contacts are sent once more, and newer "
            "records of the same people by the next run.",
            batch.id,
            extra=event("batch_vanished", **batch.about),
        )
        self._settlement.hold_back_newer(batch)
        if batch.vanished:
            self.expired(batch, now)
        else:
            self.again.append(batch.next_attempt(batch.entries, vanished=True))

    def expired(self, batch: Batch, now: float) -> None:
        """Take a batch of which no verdict will come."""
        self._proof.leave_unconfirmed(batch, now)

    def _judge_each(self, batch: Batch, judgement: Judgement, now: float) -> None:
        accepted, again, plan_full = [], [], None
        for entry in batch.entries:
            refusal = judgement.refused.get(entry.email)
            if entry.email in judgement.accepted:
                created = judgement.accepted[entry.email]
                if created is not None and entry.from_record:
                    entry.origin.counts.created += created
                    entry.origin.counts.updated += not created
                    entry.known = None  # counted; it weighs more than a look before the batch
                entry.contact_id = judgement.contact_ids.get(entry.email)
                accepted.append(entry)
            elif refusal is None or refusal.transient:
                again.append(entry)
            elif refusal.status == PAYMENT_REQUIRED:
                plan_full = refusal  # no verdict on the person: another run may succeed
            else:
                self._proof.reject(entry, refusal, now, batch_id=batch.id)
        self._accept(batch, accepted, now)
        if plan_full:
            self._ending.fail(fatal(Answer(Kind.PLAN_FULL, fault=plan_full.reason)), now)
        elif self._breaker.is_hopeless:
            self._ending.fail(all_refused(self._breaker.reason), now)
        elif again:
            self._send_again(batch, again, judgement, now)

    def _accept(self, batch: Batch, entries: list[Entry], now: float) -> None:
        for entry in [entry for entry in entries if entry.left_out]:
            columns = columns_left_out(entry)
            entry.origin.counts.leave_out(("omnisend_refused_value", one) for one in columns)
        self._tagger.accept(batch.segment, entries, now)

    def _send_again(
        self, batch: Batch, entries: list[Entry], judgement: Judgement, now: float
    ) -> None:
        if batch.attempt + 1 >= MAX_ATTEMPTS:
            for entry in entries:
                refusal = judgement.refused.get(entry.email, _UNSETTLED)
                self._proof.reject(
                    entry, refusal, now, batch_id=batch.id, code="omnisend_unavailable"
                )
            return
        again = batch.next_attempt(entries)
        stuck = len(entries) == len(batch.entries) > 1 and len(judgement.undone) == len(entries)
        if not judgement.undone:
            self.to_share.append(again)
        else:  # sending an unknown batch again in one piece would show no more
            self.again.extend(again.halves() if stuck else [again])


def _trim_refused(batch: Batch, judgement: Judgement) -> None:
    """Have contacts go again without the optional values that they were rejected for."""
    for entry in batch.entries:
        refusal = judgement.refused.get(entry.email)
        if refusal is None or refusal.transient or refusal.status == PAYMENT_REQUIRED:
            continue
        if trim(entry, refusal, batch.segment):
            del judgement.refused[entry.email]
