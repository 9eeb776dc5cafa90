"""The table of segments, and that of what feeds them."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from target_omnisend.ledger.changes import Segment
from target_omnisend.ledger.schema import FEEDS, SEGMENTS

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from target_omnisend.ledger.database import Database

Feed: t.TypeAlias = tuple[str, str]
"""A stream, and the loader that it came through."""


class SegmentRows:
    """The segments of a brand; each change is durable. Methods raise RunFailed."""

    def __init__(self, database: Database, brand: str) -> None:
        """Look into `database`, for `brand`."""
        self._database = database
        self._brand = brand

    def load(self) -> dict[str, Segment]:
        """All of them, by name."""
        run = self._database.connection.execute
        query = sa.select(
            SEGMENTS.c.name, SEGMENTS.c.id, SEGMENTS.c.mapping, SEGMENTS.c.bringing
        ).where(SEGMENTS.c.brand == self._brand)
        places = {row.name: Segment(row.id, row.mapping, row.bringing) for row in run(query).all()}
        by_number = {place.id: place for place in places.values()}
        for number, stream, loader in run(sa.select(FEEDS)):
            if number in by_number:  # those of other brands are not
                by_number[number].feeds.add((stream, loader))
        return places

    def insert(self, name: str) -> Segment:
        """Make a segment."""
        insert = SEGMENTS.insert().values(brand=self._brand, name=name).returning(SEGMENTS.c.id)
        with self._database.guard():
            return Segment(self._database.connection.scalars(insert).one())

    def update(self, place: Segment, **values: str | None) -> None:
        """Change columns of a segment."""
        with self._database.guard():
            self._database.connection.execute(
                SEGMENTS.update().where(SEGMENTS.c.id == place.id).values(**values)
            )

    def add_feeds(self, place: Segment, feeds: set[Feed]) -> None:
        """Remember what else feeds a segment."""
        place.feeds |= feeds
        with self._database.guard():
            self._insert_feeds(place, feeds)

    def set_feeds(self, place: Segment, feeds: set[Feed]) -> None:
        """Remember these, and no others."""
        place.feeds = feeds
        with self._database.guard(), self._database.transaction():
            self._database.connection.execute(FEEDS.delete().where(FEEDS.c.segment == place.id))
            self._insert_feeds(place, feeds)

    def _insert_feeds(self, place: Segment, feeds: Collection[Feed]) -> None:
        rows = [{"segment": place.id, "stream": one, "loader": other} for one, other in feeds]
        if rows:
            self._database.connection.execute(FEEDS.insert(), rows)
