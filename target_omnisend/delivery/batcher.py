"""The way in: one open entry a person; the others become part of it or wait."""

from __future__ import annotations

import typing as t

from target_omnisend.delivery.model import (
    MAX_BYTES,
    MAX_ITEMS,
    Action,
    Batch,
    Entry,
    Origin,
    Segment,
)
from target_omnisend.delivery.pending import PendingSegments
from target_omnisend.mapping.contact import UNDATED
from target_omnisend.mapping.merging import consent_of, in_turn, with_consent

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_omnisend.delivery.checkpoint import Checkpoint


_NOTED_AFTER: t.Final = (0, MAX_ITEMS - 1)
"""Pending entries of a segment before the one that begins a batch, or fills one."""


class Batcher:
    """Entries from their admission to their batch.

    Omnisend does not say in which order it applies two open batches, so a person is never in two.
    A later record joins an entry that no batch holds yet, or waits for it.
    Whatever the order, the newest consent of a person's open records goes out with each of them.

    Attributes:
        held: entries without a verdict.
        pending: those of them that no batch holds and no other entry blocks.
        segments: the segments that have such entries.
        held_back: records that are not sent, because an older batch can still overwrite them.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Start empty."""
        self.segments = PendingSegments()
        self.held = 0
        self.pending = 0
        self.held_back = 0
        self._checkpoint = checkpoint
        self._open: dict[str, str] = {}
        """The newest consent of each person with an open entry."""
        self._disagreeing: set[str] = set()
        """Those of them whose records give different consents, which is rare."""
        self._set_aside: dict[str, Entry] = {}
        """Entries that a deletion replaced, by e-mail: a newer record keeps their values."""
        self._later: dict[str, dict[Segment, Entry]] = {}
        self._given_up: set[str] = set()

    def admit(
        self,
        origin: Origin,
        email: str,
        item: bytes,
        line: t.SupportsBytes,
        now: float,
        fingerprint: bytes | None = None,
        consent: str = UNDATED,
    ) -> None:
        """Take a contact in; a person's records in a segment become one, as if sent in turn."""
        epoch = self._checkpoint.epoch
        epoch.open += 1
        entry = Entry(origin, email, line, item, epoch, fingerprint)
        if email in self._open or self._given_up or self._set_aside:
            self.admit_again(entry, now, consent)
        else:  # the usual case, without a further call
            self._open[email] = consent
            self.held += 1
            segment = origin.segment
            if len(segment.pending) in _NOTED_AFTER:
                self._to_pending(segment, entry, now)
            else:
                segment.pending[email] = entry
                self.pending += 1

    def admit_leaver(self, origin: Origin, email: str, item: bytes, now: float) -> None:
        """Take in a member that leaves without a record; no state passes it before it left."""
        epoch = self._checkpoint.epoch
        epoch.open += 1
        self.admit_again(Entry(origin, email, None, item, epoch, None, Action.LEAVE), now)

    def admit_again(self, entry: Entry, now: float, consent: str = UNDATED) -> None:
        """Admit an entry whose epoch counts it already."""
        email, segment = entry.email, entry.origin.segment
        if self._given_up and email in self._given_up and entry.from_record:
            self.held_back += 1  # its epoch stays open: no state passes it
            return
        if self._set_aside and not entry.leaves:
            self._recall(entry)
        newest = self._open.get(email)
        if newest is None:
            self._open[email] = consent
            self.held += 1
            self._to_pending(segment, entry, now)
            return
        if consent != newest:
            self._learn(email, consent, newest)
        older = segment.pending.get(email)
        replaces = not entry.leaves or newest == UNDATED
        if older is not None and replaces and email not in self._later:
            segment.pending[email] = entry
            self._merge(older, entry)
        else:
            self._wait(segment, entry)

    def set_aside(
        self,
        origin: Origin,
        email: str,
        item: bytes,
        line: t.SupportsBytes,
        now: float,
        *,
        alone: bool,
    ) -> Entry:
        """Take a deletion in that `admit_again` will admit; no state passes it until then.

        If no other stream feeds the segment, the deletion stands for an older entry of the
        person too that no batch holds yet. `alone` says so. An entry with a dated consent goes
        out in any case: leaving the segment does not take an opt-out back.
        """
        epoch = self._checkpoint.epoch
        epoch.open += 1
        deletion = Entry(origin, email, line, item, epoch, None, Action.LEAVE)
        if alone and self._open.get(email) == UNDATED:
            self._replace(origin.segment, deletion, now)
        return deletion

    def _replace(self, segment: Segment, deletion: Entry, now: float) -> None:
        email = deletion.email
        waiting = self._later.get(email, {})
        if older := waiting.pop(segment, None):
            self._merge(older, deletion)
            segment.waiting -= 1
            self.held -= 1
            if not waiting:
                del self._later[email]
            self.segments.note(segment)
        if email not in self._later and (older := segment.pending.get(email)):
            self.take_out(segment, [older])
            self._merge(older, deletion)
            self._set_aside[email] = older
            self.release(email, now)

    def _recall(self, entry: Entry) -> None:
        """Have an entry say what one said beyond it that a deletion between the two replaced."""
        older = self._set_aside.pop(entry.email, None)
        if older is not None and older.origin.segment is entry.origin.segment:
            merge(older, entry)

    def release(self, email: str, now: float) -> None:
        """A person's entry has its verdict: let the next one of that person in."""
        self.held -= 1
        if email in self._given_up:
            self._hold_back(email)
        waiting = self._later.get(email)
        if waiting is None:
            self._open.pop(email, None)
            self._disagreeing.discard(email)
            return
        segment = next(iter(waiting))  # the one that came first: the last to be sent wins
        entry = waiting.pop(segment)
        if not waiting:
            del self._later[email]
        segment.waiting -= 1
        self._to_pending(segment, entry, now)
        self.segments.note(segment)

    def release_all(self, emails: list[str], now: float) -> None:
        """The same for many people; for most of them no other entry waits."""
        if self._later or self._given_up or self._disagreeing:
            for email in emails:
                self.release(email, now)
            return
        self.held -= len(emails)
        for email in emails:
            self._open.pop(email, None)

    def is_open(self, email: str) -> bool:
        """Whether an entry of the person is on its way."""
        return email in self._open

    def agree(self, segment: Segment) -> None:
        """Have the newest consent of each person go out with the pending entries."""
        if not self._disagreeing:
            return
        for email in self._disagreeing & segment.pending.keys():
            entry = segment.pending[email]
            if entry.item and not entry.leaves:
                entry.change(with_consent(entry.item, self._open[email]))

    def give_up(self, emails: Iterable[str]) -> None:
        """A batch of these people was given up, and Omnisend can carry it out at any time.

        No newer record of them is sent by this run: the older one might be the last to arrive.
        """
        self._given_up.update(emails)

    def _hold_back(self, email: str) -> None:
        waiting = self._later.pop(email, {})
        for segment, entry in waiting.items():
            segment.waiting -= entry.from_record
            self.held -= entry.from_record
            self.held_back += entry.from_record
        if leaving := {s: entry for s, entry in waiting.items() if not entry.from_record}:
            self._later[email] = leaving

    def take_out(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """Have entries go another way than in a batch; their persons stay open."""
        for entry in entries:
            del segment.pending[entry.email]
            self.pending -= 1
        self.segments.note(segment)

    def put_back(self, entry: Entry, now: float) -> None:
        """Have an entry that `take_out` took go in a batch after all."""
        segment = entry.origin.segment
        self._to_pending(segment, entry, now)
        self.segments.note(segment)

    def cut(self, segment: Segment, *, partial: bool) -> Iterator[Batch]:
        """Take the pending entries as batches; the last, not full one only if `partial`."""
        batch: list[Entry] = []
        size = 0
        for entry in segment.pending.values():
            length = len(entry.item or b"") + 1
            if batch and (len(batch) == MAX_ITEMS or size + length > MAX_BYTES):
                yield Batch(segment, batch)
                batch, size = [], 0
            batch.append(entry)
            size += length
        if batch and (partial or len(batch) == MAX_ITEMS):
            yield Batch(segment, batch)
            batch = []
        self.pending -= len(segment.pending) - len(batch)
        segment.pending = {entry.email: entry for entry in batch}
        self.segments.note(segment)

    def _to_pending(self, segment: Segment, entry: Entry, now: float) -> None:
        pending = segment.pending
        if not pending:
            segment.pending_since = now
        pending[entry.email] = entry
        self.pending += 1
        if len(pending) == 1 or len(pending) == MAX_ITEMS:
            self.segments.note(segment)

    def _wait(self, segment: Segment, entry: Entry) -> None:
        waiting = self._later.setdefault(entry.email, {})
        older = waiting.pop(segment, None)
        waiting[segment] = entry
        if older is not None:
            self._merge(older, entry)
        else:
            segment.waiting += 1
            self.held += 1
            self.segments.note(segment)

    def _learn(self, email: str, consent: str, newest: str) -> None:
        if UNDATED not in {consent, newest}:
            self._disagreeing.add(email)
        self._open[email] = max(consent, newest)

    def _merge(self, older: Entry, entry: Entry) -> None:
        """Have one entry stand for both. Until it is settled, no state passes the older one."""
        entry.epoch.open -= 1
        entry.epoch = older.epoch
        older.origin.counts.duplicates += 1
        merge(older, entry)


def merge(older: Entry, entry: Entry) -> None:
    """Put into an entry what an older one of the person says beyond it."""
    if older.leaves or entry.leaves or not older.item or not entry.item:
        return
    own = entry.item
    item = in_turn(older.item, own)
    if len(item) > MAX_BYTES:
        item = with_consent(own, consent_of(older.item))
    entry.change(item)
    if entry.merged and consent_of(item) != consent_of(own):
        entry.consented = older.consented or older
        entry.consented.item = None
