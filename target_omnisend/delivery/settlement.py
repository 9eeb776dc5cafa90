"""The end of the chain: each entry gets its verdict here."""

from __future__ import annotations

import logging
import typing as t
from collections import Counter

from target_omnisend.delivery.change_filter import NoChangeFilter
from target_omnisend.delivery.failures import too_many
from target_omnisend.delivery.model import by_origin
from target_omnisend.delivery.retries import MOST_TRIES
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from target_omnisend.delivery.batcher import Batcher
    from target_omnisend.delivery.change_filter import Changes
    from target_omnisend.delivery.ending import Ending
    from target_omnisend.delivery.model import Batch, Entry, Origin, Segment
    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.delivery.protocol import Rejects
    from target_omnisend.delivery.refusal_breaker import RefusalBreaker
    from target_omnisend.delivery.responses import Refusal

logger = logging.getLogger("target-omnisend.delivery")


class Settlement:
    """Counts verdicts, keeps rejected records, writes the ledger, and frees the people.

    Attributes:
        changes: the contacts that the ledger knows; `NoChangeFilter` without one.
        given_up: records by stream whose batch was given up.
    """

    def __init__(
        self,
        batcher: Batcher,
        outcome: Outcome,
        rejects: Rejects,
        breaker: RefusalBreaker,
        ending: Ending,
        *,
        started: float,
    ) -> None:
        """Settle the entries of `batcher`; `started` is when the run began."""
        self.changes: Changes = NoChangeFilter()
        self.given_up: Counter[str] = Counter()
        self._batcher = batcher
        self._outcome = outcome
        self._rejects = rejects
        self._breaker = breaker
        self._ending = ending
        self._started = started
        self._created: set[int] = set()
        """Hashes of people that were not in Omnisend before one of their entries was accepted."""

    def accept(
        self, segment: Segment, entries: list[Entry], now: float, *, tagged: bool = False
    ) -> None:
        """Omnisend has these contacts; `tagged`: a call gave them their tags."""
        if tagged:
            for origin, number in by_origin(entries):
                origin.counts.tagged += number
        self._count_accepted(self._from_records(entries), now)
        self.changes.confirm(segment, entries)
        self._rejects.settled(entries)
        self._close(entries, now)

    def remove(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """These people have lost the membership."""
        for origin, number in by_origin(entries):
            origin.counts.removed += number
        self._count_accepted(self._from_records(entries, leaving=True), now)
        self.changes.forget(segment, entries)
        self._rejects.settled(entries)
        self._close(entries, now)

    def leave_unchanged(self, entries: list[Entry], now: float) -> None:
        """Omnisend has these contacts already."""
        for origin, number in by_origin(entry for entry in entries if entry.from_record):
            origin.counts.unchanged += number
        self._rejects.settled(entries)
        self._close(entries, now)

    def skip(self, entries: list[Entry], now: float) -> None:
        """There is nothing to do for these contacts."""
        for origin, number in by_origin(entry for entry in entries if entry.from_record):
            origin.counts.skipped += number
        self._rejects.settled(entries)
        self._close(entries, now)

    def reject_record(
        self,
        origin: Origin,
        line: bytes,
        code: str,
        field: str | None,
        message: str,
        now: float,
        email: str | None = None,
    ) -> None:
        """Keep a record that makes no contact; `email` is the person's, if it can be read."""
        self._rejects.add(
            origin.schema,
            line,
            segment=origin.segment.name,
            email=email,
            code=code,
            field=field,
            message=message,
            stage="mapping",
        )
        origin.counts.reject(code)
        if email:
            origin.present.append(hash(email))
            self.changes.mirrors.see(origin.segment.name, [email])
        self._fail_if_hopeless(now)

    def reject(
        self, entry: Entry, refusal: Refusal, now: float, *, batch_id: str = "", code: str = ""
    ) -> None:
        """Omnisend does not take a contact; `code` stands in for the one that is usual."""
        code = code or ("omnisend_unavailable" if refusal.transient else "omnisend_refused")
        if entry.from_record:
            if entry.consented:  # it counted as a duplicate; without it the consent would be lost
                entry.consented.origin.counts.duplicates -= 1
                self._keep_rejected(entry.consented, refusal, batch_id, code)
            self._keep_rejected(entry, refusal, batch_id, code)
        elif entry.leaves:
            self._count_not_removed(entry.origin, refusal)
            code = "not_removed"
        if entry.from_record and code != "omnisend_unavailable":
            self._close([entry], now)
        else:
            self._keep_for_next_run(entry, code)
            self._release([entry], now)
        self._fail_if_hopeless(now)

    def hold_back_newer(self, batch: Batch) -> None:
        """Send no newer record of these people: Omnisend can still carry the batch out."""
        self._batcher.give_up(entry.email for entry in batch.entries)

    def leave_unconfirmed(self, batch: Batch, now: float) -> None:
        """Give a batch up: the epoch of its entries stays open, so no state passes them."""
        logger.error(
            "Batch %s stays unconfirmed (%d contacts).",
            batch.id,
            len(batch.entries),
            extra=event("batch_unconfirmed", **batch.about),
        )
        self._outcome.lost_batches.append(batch.id)
        self.given_up.update(one.origin.stream for one in batch.entries if one.from_record)
        self.hold_back_newer(batch)
        for entry in batch.entries:
            self._keep_for_next_run(entry, "unconfirmed")
            self._batcher.release(entry.email, now)

    def _from_records(self, entries: list[Entry], *, leaving: bool = False) -> list[Entry]:
        """The entries that are a record of this run's."""
        if leaving or self.changes.retries.sending:
            return [entry for entry in entries if entry.from_record]
        return entries

    def _keep_for_next_run(self, entry: Entry, code: str) -> None:
        """Have the next run send an entry once more, or keep its record among the rejects."""
        given_up = self.changes.retries.keep(entry, code)
        if given_up is None or not given_up.line:
            return
        self._rejects.add(
            given_up.schema.encode(),
            given_up.line.encode(),
            segment=entry.origin.segment.name,
            email=entry.email,
            code="omnisend_unavailable",
            field=None,
            message=f"{MOST_TRIES} runs have sent it in vain.",
            stage="omnisend",
        )

    def _count_accepted(self, entries: list[Entry], now: float) -> None:
        for origin, number in by_origin(entries):
            self._outcome.accept(origin.counts, number, now - self._started)
        for entry in entries:
            if entry.known is not None:
                self._count_created(entry)

    def _count_created(self, entry: Entry) -> None:
        person = hash(entry.email)
        created = not entry.known and person not in self._created
        if created:  # in a second segment it is an update
            self._created.add(person)
        entry.origin.counts.created += created
        entry.origin.counts.updated += not created

    def _close(self, entries: list[Entry], now: float) -> None:
        self.changes.retries.close(entries)
        self._release(entries, now)

    def _release(self, entries: Iterable[Entry], now: float) -> None:
        emails = []
        for entry in entries:
            entry.epoch.open -= 1
            emails.append(entry.email)
        self._batcher.release_all(emails, now)

    def _keep_rejected(self, entry: Entry, refusal: Refusal, batch_id: str, code: str) -> None:
        words = (refusal.code, refusal.message)
        self._rejects.add(
            entry.origin.schema,
            bytes(entry.line or b""),
            segment=entry.origin.segment.name,
            email=entry.email,
            code=code,
            field=refusal.field,
            message=": ".join(word for word in words if word) or refusal.reason,
            stage="omnisend",
            batch_id=batch_id or None,
            item_id=refusal.item_id,
            status=refusal.status,
        )
        entry.origin.counts.reject(code)

    def _count_not_removed(self, origin: Origin, refusal: Refusal) -> None:
        origin.counts.not_removed += 1
        if origin.counts.not_removed == 1:
            logger.warning(
                "Omnisend did not take segment '%s' back from a member that left it (%s). Run "
                "again: the ledger still knows this member.",
                origin.segment.name,
                refusal.reason,
                extra=event("member_not_removed", **origin.about, status=refusal.status),
            )

    def _fail_if_hopeless(self, now: float) -> None:
        # While Omnisend rejects all alike, the reason for that is the better message.
        if not self._breaker.items and self._outcome.hopelessly_rejected():
            self._ending.fail(too_many(self._outcome), now)
