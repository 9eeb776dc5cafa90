"""What follows the input: contacts of earlier runs, members that left, segments to be made."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_omnisend.delivery.chain import Chain
    from target_omnisend.delivery.leavers import Pages
    from target_omnisend.delivery.model import Entry
    from target_omnisend.delivery.segment_creator import SegmentCreator


class Afterwards:
    """The work of a run after its last record, which begins when all else is settled.

    Attributes:
        over: nothing of it is left but the segments that are being made.
    """

    def __init__(self, chain: Chain, maker: SegmentCreator) -> None:
        """Have nothing to do yet; `maker` makes the segments."""
        self.over = False
        self._chain = chain
        self._maker = maker
        self._segments: dict[str, list[t.Any]] = {}
        self._due: Iterator[Entry] | None = None

    def plan(self, segments: Mapping[str, list[t.Any]] | None, departures: Pages | None) -> None:
        """Take in which segments are to be made, and who leaves if not those that mirrors miss."""
        self._segments = dict(segments or {})
        self._chain.leavers.replace_mirrors(departures)

    def tick(self, now: float) -> None:
        """Do what can be done by now.

        Raises:
            RunFailed: when more members would leave than may.
        """
        self._delete_early(now)
        if self._chain.ending.closing and not self.over:
            self._let_leave(now)

    def _delete_early(self, now: float) -> None:
        """Carry deletions out before the end of an input that is long, or has many of them."""
        chain, leavers = self._chain, self._chain.leavers
        if chain.newcomers.counting or chain.ending.closing:
            return
        in_the_way = leavers.held and chain.is_idle and not chain.has_room()
        if in_the_way or leavers.are_due(now):
            leavers.admit_deletions(now)

    def _let_leave(self, now: float) -> None:
        """After a clean run, the members that left lose the membership; then segments are made."""
        chain = self._chain
        if not chain.leavers.begun:
            if chain.batcher.held or self._send_once_more(now):
                return
            chain.leavers.begin(now)
        while chain.has_room():
            if not chain.leavers.admit_page(now):
                self.over = not chain.batcher.held
                if self.over:
                    self._maker.want(self._segments)
                return

    def _send_once_more(self, now: float) -> bool:
        """Admit contacts that earlier runs could not deliver; False if there are no more."""
        chain, epoch = self._chain, self._chain.checkpoint.epoch
        if self._due is None:
            self._due = chain.settlement.changes.retries.due(epoch)
        while chain.has_room() and (entry := next(self._due, None)):
            epoch.open += 1
            entry.origin.counts.retried += 1
            chain.batcher.admit_again(entry, now)
        return bool(chain.batcher.held)
