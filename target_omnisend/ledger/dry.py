"""A ledger that is only looked at."""

from __future__ import annotations

import typing as t

from target_omnisend.ledger import members as table
from target_omnisend.ledger.changes import chunks
from target_omnisend.ledger.ledger import Ledger

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_omnisend.ledger.changes import Changes, Segment


class DryLedger(Ledger):
    """Leaves the database as it is; what the run changes is known as long as it lasts.

    That is kept in memory, some 300 bytes for each member that changes: a transaction that is
    undone in the end would grow files meanwhile, and a server's tables for good.
    """

    def __init__(self, url: str, **options: t.Any) -> None:
        """As `Ledger`, but that nothing is made."""
        super().__init__(url, **options, dry=True)
        super()._merge()  # what an earlier run left; undone with the rest

    def flush(self) -> None:
        """Write nothing."""

    def count(self, segment: str) -> int:
        """How many members this target would have made by now."""
        place = self._segments.get(segment)
        if place is None:
            return 0
        with self._database.guard():
            number = table.count(self._database.connection, place.id)
        for emails in chunks(place.unmerged, self._sizes.keys):
            stored = {email for email, _, _ in self._find(place, emails)}
            for email in emails:
                change = place.unmerged[email]
                number += change is not None and change.given > 0 and email not in stored
                number -= change is None and email in stored
        return number

    def _merge(self) -> None:
        """Write nothing."""

    def _change(self, segment: str, changes: Changes) -> None:
        self._place(segment).change(changes)

    def _pages(self, place: Segment, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        for page in super()._pages(place, size):
            yield [row for row in page if place.unmerged.get(row[0], True)]
