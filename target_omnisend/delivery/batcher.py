"""The way in: one open entry a person, the others merged or waiting; batches cut to size."""

from __future__ import annotations

import typing as t

from target_omnisend.delivery.model import LEAVES, MAX_BYTES, MAX_ITEMS, Batch, Entry, Segment

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_omnisend.delivery.checkpoint import Checkpoint


class Intake:
    """Entries from their admission to their batch.

    Omnisend does not say in which order two open batches are applied, so a person is never
    in two: a later record replaces one that no batch holds yet, or else waits for it.

    Attributes:
        held: entries without a verdict.
        pending: those of them that no batch holds and no other entry blocks.
        held_back: records that are not sent, because an older batch can still overwrite them.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Start empty."""
        self.segments: list[Segment] = []
        self.held = 0
        self.pending = 0
        self.held_back = 0
        self._checkpoint = checkpoint
        self._open: set[str] = set()
        self._later: dict[str, dict[Segment, Entry]] = {}
        self._given_up: set[str] = set()

    def admit(
        self,
        segment: Segment,
        email: str,
        item: bytes,
        line: bytes,
        now: float,
        fingerprint: bytes | None = None,
    ) -> None:
        """Take a contact in; of one person's records in a segment the last wins."""
        epoch = self._checkpoint.epoch
        epoch.open += 1
        self.admit_again(segment, Entry(email, line, item, epoch, fingerprint), now)

    def set_aside(
        self, segment: Segment, email: str, item: bytes, line: bytes, now: float
    ) -> Entry:
        """Take a deletion in that `admit_again` will admit; no state passes it until then.

        An older entry of the person that no batch holds yet is dropped: the deletion is newer.
        """
        epoch = self._checkpoint.epoch
        epoch.open += 1
        waiting = self._later.get(email, {})
        if older := waiting.pop(segment, None):
            self._merge(segment, older)
            segment.waiting -= 1
            self.held -= 1
            if not waiting:
                del self._later[email]
        if email not in self._later and (older := segment.pending.get(email)):
            self.take_out(segment, [older])
            self._merge(segment, older)
            self.release(email, now)
        return Entry(email, line, item, epoch, LEAVES)

    def admit_again(self, segment: Segment, entry: Entry, now: float) -> None:
        """Admit an entry whose epoch counts it already."""
        email = entry.email
        if self._given_up and email in self._given_up and entry.line:
            self.held_back += 1  # its epoch stays open: no state passes it
            return
        older = segment.pending.get(email)
        if older is not None and email not in self._later:
            segment.pending[email] = entry
            self._merge(segment, older)
        elif email in self._open:
            self._wait(segment, entry)
        else:
            self._open.add(email)
            self.held += 1
            self.pending += 1
            if not segment.pending:
                segment.pending_since = now
            segment.pending[email] = entry

    def release(self, email: str, now: float) -> None:
        """A person's entry has its verdict: let the next one of that person in."""
        self.held -= 1
        if email in self._given_up:
            self._hold_back(email)
        waiting = self._later.get(email)
        if waiting is None:
            self._open.discard(email)
            return
        segment = next(iter(waiting))  # the one that came first: the last to be sent wins
        entry = waiting.pop(segment)
        if not waiting:
            del self._later[email]
        segment.waiting -= 1
        self._to_pending(segment, entry, now)

    def give_up(self, emails: Iterable[str]) -> None:
        """A batch of these people was given up, and Omnisend can carry it out at any time.

        No newer record of them is sent by this run: the older one might be the last to arrive.
        """
        self._given_up.update(emails)

    def _hold_back(self, email: str) -> None:
        waiting = self._later.pop(email, {})
        for segment, entry in waiting.items():
            segment.waiting -= bool(entry.line)
            self.held -= bool(entry.line)
            self.held_back += bool(entry.line)
        if leaving := {segment: entry for segment, entry in waiting.items() if not entry.line}:
            self._later[email] = leaving

    def take_out(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """Have entries go another way than in a batch; their persons stay open."""
        for entry in entries:
            del segment.pending[entry.email]
            self.pending -= 1

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

    def _to_pending(self, segment: Segment, entry: Entry, now: float) -> None:
        if not segment.pending:
            segment.pending_since = now
        segment.pending[entry.email] = entry
        self.pending += 1

    def _wait(self, segment: Segment, entry: Entry) -> None:
        waiting = self._later.setdefault(entry.email, {})
        older = waiting.pop(segment, None)
        waiting[segment] = entry
        if older is not None:
            self._merge(segment, older)
        else:
            segment.waiting += 1
            self.held += 1

    def _merge(self, segment: Segment, older: Entry) -> None:
        older.epoch.open -= 1
        segment.counts.duplicates += 1
