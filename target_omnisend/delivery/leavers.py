"""Members that lose the membership: the source deletes them, or a mirror misses them."""

from __future__ import annotations

import typing as t

from target_omnisend.delivery.deletions import Deletions

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.delivery.batcher import Batcher
    from target_omnisend.delivery.model import Entry, Origin, Segment
    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.delivery.settlement import Settlement

Pages: t.TypeAlias = "Iterator[tuple[Origin, list[str]]]"
"""E-mails of members that leave, some at a time."""


class Leavers:
    """Admits members that left to the batcher, when it is known that they left.

    Attributes:
        begun: the input has ended, and the mirrors have named the members that leave.
    """

    def __init__(self, batcher: Batcher, settlement: Settlement, outcome: Outcome) -> None:
        """No member leaves yet."""
        self.begun = False
        self._batcher = batcher
        self._settlement = settlement
        self._outcome = outcome
        self._deletions = Deletions()
        self._pages: Pages | None = None

    @property
    def held(self) -> int:
        """Deletions that wait until the members of each stream are known."""
        return self._deletions.count

    def open(self, origin: Origin) -> None:
        """Announce a stream under one of its schemas."""
        self._deletions.open(origin)

    def delete(
        self, origin: Origin, email: str, item: bytes, line: t.SupportsBytes, now: float
    ) -> None:
        """Hold a deletion."""
        changes = self._settlement.changes
        changes.mirrors.expect_deletions(origin.segment.name)
        changes.retries.delete(origin.segment.name, email)
        alone = self._deletions.is_alone(origin)
        entry = self._batcher.set_aside(origin, email, item, line, now, alone=alone)
        if older := self._deletions.add(entry, now):
            older.epoch.open -= 1
            origin.counts.duplicates += 1

    def are_due(self, now: float) -> bool:
        """Whether deletions have waited long enough."""
        return self._deletions.are_due(now)

    def admit_deletions(self, now: float) -> None:
        """Carry the deletions out before the end of the input.

        Raises:
            RunFailed: when more members would leave than may.
        """
        leaving = self._decide()
        self._settlement.changes.mirrors.admit_deletions(_by_segment(leaving))
        self._admit(leaving, now)

    def replace_mirrors(self, pages: Pages | None) -> None:
        """Have these members leave, in place of those that the mirrors miss."""
        self._pages = pages

    def begin(self, now: float) -> None:
        """All else is settled: carry deletions out, and ask the mirrors for members that left.

        Raises:
            RunFailed: when more members would leave than may.
        """
        leaving = self._decide()
        failed = self._outcome.lost_batches or self._outcome.failed_by_rejections
        missed = self._settlement.changes.mirrors.departures(
            _by_segment(leaving), removing=self._pages is None and not failed
        )
        self._pages = missed if self._pages is None else self._pages
        self.begun = True
        self._admit(leaving, now)

    def admit_page(self, now: float) -> bool:
        """Admit the next members that leave; False if there are no more."""
        page = next(self._pages or iter(()), None)
        if page is None:
            return False
        origin, emails = page
        clear, retries = origin.segment.clear, self._settlement.changes.retries
        for email in emails:
            if retries.has_stayed(origin.segment.name, email):
                continue
            self._batcher.admit_leaver(origin, email, clear(email) if clear else b"", now)
        return True

    def _decide(self) -> list[tuple[Origin, list[Entry]]]:
        """The deletions that take a membership back; the others get their verdict."""
        leaving = []
        for decided in self._deletions.take():
            origin, gone, present = decided.origin, decided.leaving, decided.present
            segment = origin.segment
            if segment.tag is None and segment.clear is None:
                strangers, gone = gone, []
            else:
                strangers, gone = self._split_strangers(segment, gone)
            origin.counts.unchanged += len(present) + len(strangers)
            origin.counts.duplicates += len(decided.superseded)
            for entry in (*present, *strangers, *decided.superseded):
                entry.epoch.open -= 1
            leaving.append((origin, gone))
        return leaving

    def _split_strangers(
        self, segment: Segment, entries: list[Entry]
    ) -> tuple[list[Entry], list[Entry]]:
        """The people that are not members, and the others."""
        strangers, members = self._settlement.changes.split_unchanged(segment, entries)
        # The ledger does not know yet a member whose entry is still on its way.
        on_their_way = [entry for entry in strangers if self._batcher.is_open(entry.email)]
        strangers = [entry for entry in strangers if not self._batcher.is_open(entry.email)]
        return strangers, [*members, *on_their_way]

    def _admit(self, leaving: list[tuple[Origin, list[Entry]]], now: float) -> None:
        for _, entries in leaving:
            for entry in entries:
                self._batcher.admit_again(entry, now)


def _by_segment(leaving: list[tuple[Origin, list[Entry]]]) -> dict[str, set[str]]:
    """The members that the ledger knows among them, by segment."""
    emails: dict[str, set[str]] = {}
    for origin, entries in leaving:
        if members := {entry.email for entry in entries if entry.before is not None}:
            emails.setdefault(origin.segment.name, set()).update(members)
    return emails
