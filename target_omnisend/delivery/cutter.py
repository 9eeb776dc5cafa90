"""Pending entries become batches; those that need no batch go another way."""

from __future__ import annotations

import typing as t

from target_omnisend.delivery.model import LEAVE

if t.TYPE_CHECKING:
    from target_omnisend.delivery.batcher import Batcher
    from target_omnisend.delivery.gate import Gate
    from target_omnisend.delivery.leaver_check import LeaverCheck
    from target_omnisend.delivery.model import Entry, Segment
    from target_omnisend.delivery.newcomers import Newcomers
    from target_omnisend.delivery.settlement import Settlement
    from target_omnisend.delivery.tagger import Tagger


class Cutter:
    """Sorts a segment's pending entries: to gate, tagger or look-ups, or settled at once.

    Those that must wait until it is known how many people are new go to the newcomers.
    """

    def __init__(
        self,
        batcher: Batcher,
        gate: Gate,
        tagger: Tagger,
        settlement: Settlement,
        leaver_check: LeaverCheck,
        newcomers: Newcomers,
    ) -> None:
        """Cut what `batcher` holds."""
        self._batcher = batcher
        self._gate = gate
        self._tagger = tagger
        self._settlement = settlement
        self._leaver_check = leaver_check
        self._newcomers = newcomers

    def cut_full(self, now: float) -> None:
        """Cut the segments whose entries fill batches."""
        for segment in list(self._batcher.segments.full):
            self.cut(segment, now, partial=False)

    def cut(self, segment: Segment, now: float, *, partial: bool) -> None:
        """Cut a segment's pending entries; the last, not full batch only if `partial`."""
        self._batcher.agree(segment)
        unchanged = self._take_out(segment, now) if segment.pending else []
        batches = list(self._batcher.cut(segment, partial=partial))
        sent = (entry for batch in batches for entry in batch.entries)
        self._settlement.changes.mark_uncertain(segment, sent)
        for batch in batches:
            self._gate.add(batch)
        # Settle unchanged entries last: settling admits the next entry of the same person, which
        # has not been compared with the ledger.
        self._settlement.leave_unchanged(unchanged, now)

    def _take_out(self, segment: Segment, now: float) -> list[Entry]:
        """Take out the entries that need no batch; the unchanged ones are still to be settled."""
        changes = self._settlement.changes
        entries = list(segment.pending.values())
        staying, changed = changes.split_unchanged(segment, entries)
        unchanged = list(staying)
        self._batcher.take_out(segment, unchanged)
        kept, changed = self._newcomers.sort(segment, changed)
        self._batcher.take_out(segment, kept)
        leaving = [entry for entry in changed if entry.action is LEAVE]
        if segment.clear is not None:
            leaving = self._leaver_check.choose(leaving)
        if not leaving:
            return unchanged
        self._batcher.take_out(segment, leaving)
        if segment.clear is not None:
            self._leaver_check.check(leaving)
            return unchanged
        if segment.tag is None:  # nothing shows membership that could be taken back
            return unchanged + leaving
        changes.mark_uncertain(segment, leaving)
        self._tagger.remove(segment, leaving, now)
        return unchanged
