"""Contacts of earlier runs that are to be sent once more."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from target_omnisend.ledger.schema import RETRIES

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.ledger.database import Database

Key: t.TypeAlias = tuple[str, str]
"""A segment, and the address of a person."""


class RetryRow(t.NamedTuple):
    """A contact that is to be sent once more.

    Attributes:
        item: the contact as JSON; empty if a tag is to be taken back.
        line: the record's Singer message; empty without a record.
        schema: the SCHEMA message of the record; empty without a record.
        fingerprint: the ledger will know the contact by this, in hex; empty without one.
        leaves: the person loses the membership.
        tries: runs that have sent it.
        code: why the latest of them failed.
    """

    item: str
    line: str
    schema: str
    fingerprint: str
    leaves: bool
    tries: int
    code: str


class RetryRows:
    """The contacts of a brand that are to be sent once more.

    Changes are written with the ledger's `flush`. All methods can raise RunFailed when the
    database fails.
    """

    def __init__(self, database: Database, brand: str) -> None:
        """Look into `database`, for `brand`; nothing is read before it is asked for."""
        self._database = database
        self._brand = brand
        self._tries: dict[Key, int] | None = None
        self._unwritten: dict[Key, RetryRow | None] = {}

    @property
    def unwritten(self) -> bool:
        """Whether a `flush` has something to write."""
        return bool(self._unwritten)

    @property
    def tries(self) -> dict[Key, int]:
        """How many runs have sent each of them."""
        if self._tries is None:
            columns = (RETRIES.c.segment, RETRIES.c.email, RETRIES.c.tries)
            query = sa.select(*columns).where(RETRIES.c.brand == self._brand)
            with self._database.guard():
                rows = self._database.connection.execute(query).all()
            self._tries = {(segment, email): tries for segment, email, tries in rows}
        return self._tries

    def of_segment(self, segment: str) -> Iterator[tuple[str, RetryRow]]:
        """Address and contact of each that an earlier run left."""
        columns = [RETRIES.c[name] for name in ("email", *RetryRow._fields)]
        query = sa.select(*columns).where(self._of(segment)).order_by(RETRIES.c.email)
        with self._database.guard():
            rows = self._database.connection.execute(query).all()
        for email, item, line, schema, fingerprint, leaves, tries, code in rows:
            if (segment, email) in self.tries:
                yield email, RetryRow(item, line, schema, fingerprint, bool(leaves), tries, code)

    def put(self, segment: str, email: str, **row: t.Any) -> None:
        """Have a contact sent once more by the next run, in place of an older one.

        `row` are the fields of a `RetryRow`.
        """
        self._unwritten[segment, email] = kept = RetryRow(**row)
        self.tries[segment, email] = kept.tries

    def drop(self, segment: str, email: str) -> None:
        """Have it sent no more."""
        if self.tries.pop((segment, email), None) is not None:
            self._unwritten[segment, email] = None

    def drop_joining(self, segment: str) -> None:
        """Have no contact of a segment sent once more that would make a person a member."""
        for email, row in self.of_segment(segment):
            if not row.leaves:
                self.drop(segment, email)

    def write(self) -> None:
        """Write the changes, within a transaction of the caller's."""
        run = self._database.connection.execute
        for (segment, email), row in self._unwritten.items():
            run(RETRIES.delete().where(self._of(segment), RETRIES.c.email == email))
            if row is not None:
                named = {"brand": self._brand, "segment": segment, "email": email}
                run(RETRIES.insert(), {**named, **row._asdict(), "leaves": int(row.leaves)})

    def written(self) -> None:
        """The changes are on the disk."""
        self._unwritten.clear()

    def _of(self, segment: str) -> sa.ColumnElement[bool]:
        return sa.and_(RETRIES.c.brand == self._brand, RETRIES.c.segment == segment)
