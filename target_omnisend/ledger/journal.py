"""The members of a brand: a table, and a journal of the changes that it does not have yet."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import sqlalchemy as sa

from target_omnisend.ledger import members as table
from target_omnisend.ledger.changes import Segment, chunks, decode
from target_omnisend.ledger.schema import JOURNAL
from target_omnisend.ledger.segments import SegmentRows

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from target_omnisend.ledger.database import Database
    from target_omnisend.ledger.members import Row


@dataclass(frozen=True)
class Sizes:
    """How much the ledger does at once.

    Attributes:
        keys: e-mails that one statement looks up.
        page: rows that are read at once, if a whole segment is.
        unwritten: changes that are kept before they are written, asked for or not.
        unmerged: changes that are kept before members get them. E-mails come in no order, and
            each lies on another page: writing so many at once, sorted, writes a page for several
            of them.
    """

    keys: int = 1_000
    page: int = 5_000
    unwritten: int = 5_000
    unmerged: int = 50_000


SIZES: t.Final = Sizes()


class JournaledMembers:
    """What `Ledger` stands on: its segments, and the way of changes to the table of members."""

    def __init__(self, database: Database, brand: str, sizes: Sizes) -> None:
        """Take in what earlier runs left in the journal of `brand`.

        Raises:
            RunFailed: when the database fails.
        """
        self._database = database
        self._brand = brand
        self._sizes = sizes
        self._table = SegmentRows(database, brand)
        with database.guard():
            self._segments = self._table.load()
            self._replay()

    def _place(self, name: str) -> Segment:
        if name not in self._segments:
            self._segments[name] = self._table.insert(name)
        return self._segments[name]

    def _find(self, place: Segment, emails: Collection[str]) -> Iterator[tuple[str, bytes, int]]:
        for chunk in chunks(emails, self._sizes.keys):
            with self._database.guard():
                found = self._database.members.find(place.id, chunk)
            yield from found

    def _replay(self) -> None:
        """Read the changes that an earlier run left in the journal."""
        places = {place.id: place for place in self._segments.values()}
        query = sa.select(JOURNAL.c.changes).where(JOURNAL.c.brand == self._brand)
        for text in self._database.connection.scalars(query.order_by(JOURNAL.c.id)):
            for number, changes in decode(text):
                places[number].change(changes)

    def _merge(self) -> None:
        """Move the changes from the journal into the table of members."""
        changed = [place for place in self._segments.values() if place.unmerged]
        if not changed:
            return
        with self._database.guard(), self._database.transaction():
            for place in changed:
                self._merge_segment(place)
            self._database.connection.execute(
                JOURNAL.delete().where(JOURNAL.c.brand == self._brand)
            )
        for place in changed:
            place.unmerged.clear()
            place.unwritten.clear()
            place.looked_up.clear()

    def _merge_segment(self, place: Segment) -> None:
        changes = place.unmerged
        gone = [email for email, change in changes.items() if change is None or change.anew]
        for chunk in chunks(gone, self._sizes.keys):
            self._database.members.remove(place.id, chunk)
        kept = sorted(email for email, change in changes.items() if change)
        for chunk in chunks(kept, self._sizes.keys):
            self._database.members.put(place.id, list(self._rows(place, chunk)))

    def _rows(self, place: Segment, emails: list[str]) -> Iterator[Row]:
        numbers = {email: number for email, _, number in self._find(place, emails)}
        for email in emails:
            number = numbers.get(email)
            if number is None:
                # Not used again while the run lasts, even when its owner is forgotten.
                number = self._next_number(place)
                place.next_number = number + 1
            elif place.seen:
                place.seen.add(number)
            if change := place.unmerged[email]:
                yield email, number, *change[:3]

    def _next_number(self, place: Segment) -> int:
        if place.next_number is None:
            with self._database.guard():
                place.next_number = table.next_number(self._database.connection, place.id)
        return place.next_number

    def _pages(self, place: Segment, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        pages = table.pages(self._database.connection, place.id, size)
        while True:
            with self._database.guard():
                page = next(pages, None)
            if page is None:
                return
            yield page
