"""The table of members, read and written in bulk: what differs between the databases."""

from __future__ import annotations

import json
import typing as t

import sqlalchemy as sa

from target_omnisend.ledger.schema import MEMBERS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Row: t.TypeAlias = tuple[str, int, bytes, int, int]
"""E-mail, number, fingerprint, given, confirmed_at."""


class Members(t.Protocol):
    """Statements in the database's own words; whole lists are one parameter each."""

    def find(self, segment: int, emails: Sequence[str]) -> Iterable[tuple[str, bytes, int]]:
        """E-mail, fingerprint and number of those that are there, by key."""

    def put(self, segment: int, rows: Sequence[Row]) -> None:
        """Insert rows, or update fingerprint and time; what was given stays given."""

    def remove(self, segment: int, emails: Sequence[str]) -> None:
        """Delete rows."""


class SqliteMembers:
    """JSON is SQLite's list."""

    _FIND: t.Final = (
        "SELECT email, fingerprint, number FROM json_each(?) AS asked"
        # Left first: otherwise SQLite sorts the list before it looks.
        " CROSS JOIN target_omnisend_members ON segment = ? AND email = asked.value"
    )
    _PUT: t.Final = (
        "INSERT INTO target_omnisend_members"
        " (segment, email, number, fingerprint, given, confirmed_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (segment, email) DO UPDATE SET fingerprint = excluded.fingerprint,"
        " given = max(given, excluded.given), confirmed_at = excluded.confirmed_at"
    )
    _REMOVE: t.Final = (
        "DELETE FROM target_omnisend_members"
        " WHERE segment = ? AND email IN (SELECT value FROM json_each(?))"
    )

    def __init__(self, connection: sa.Connection) -> None:
        """Work on a connection."""
        self._run = connection.exec_driver_sql

    def find(self, segment: int, emails: Sequence[str]) -> Iterable[tuple[str, bytes, int]]:
        """See `Members`."""
        return self._run(self._FIND, (json.dumps(emails), segment)).all()

    def put(self, segment: int, rows: Sequence[Row]) -> None:
        """See `Members`."""
        if rows:
            self._run(self._PUT, [(segment, *row) for row in rows])

    def remove(self, segment: int, emails: Sequence[str]) -> None:
        """See `Members`."""
        self._run(self._REMOVE, (segment, json.dumps(emails)))


class PostgresMembers:
    """Arrays are PostgreSQL's lists; in binary (%b) they cost a third of what they do as text."""

    _FIND: t.Final = (
        "SELECT email, fingerprint, number FROM target_omnisend_members"
        " WHERE segment = %s AND email = ANY (%b::text[])"
    )
    _PUT: t.Final = (
        "INSERT INTO target_omnisend_members AS had"
        " (segment, email, number, fingerprint, given, confirmed_at)"
        " SELECT %s, * FROM unnest"
        "(%b::text[], %b::bigint[], %b::bytea[], %b::smallint[], %b::bigint[])"
        " ON CONFLICT (segment, email) DO UPDATE SET fingerprint = excluded.fingerprint,"
        " given = greatest(had.given, excluded.given), confirmed_at = excluded.confirmed_at"
    )
    _REMOVE: t.Final = (
        "DELETE FROM target_omnisend_members WHERE segment = %s AND email = ANY (%b::text[])"
    )

    def __init__(self, connection: sa.Connection) -> None:
        """Work on a connection."""
        self._run = connection.exec_driver_sql

    def find(self, segment: int, emails: Sequence[str]) -> Iterable[tuple[str, bytes, int]]:
        """See `Members`."""
        return self._run(self._FIND, (segment, list(emails))).all()

    def put(self, segment: int, rows: Sequence[Row]) -> None:
        """See `Members`."""
        columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
        self._run(self._PUT, (segment, *columns))

    def remove(self, segment: int, emails: Sequence[str]) -> None:
        """See `Members`."""
        self._run(self._REMOVE, (segment, list(emails)))


def pages(
    connection: sa.Connection, segment: int, size: int
) -> Iterator[Sequence[tuple[str, int]]]:
    """E-mail and number of the members that this target made, `size` at a time.

    Each page is a query of its own that begins behind the last e-mail, so that rows may go
    meanwhile.
    """
    last = ""
    query = (
        sa.select(MEMBERS.c.email, MEMBERS.c.number)
        .where(MEMBERS.c.segment == segment, MEMBERS.c.given == 1)
        .where(MEMBERS.c.email > sa.bindparam("last"))
        .order_by(MEMBERS.c.email)
        .limit(size)
    )
    while page := connection.execute(query, {"last": last}).all():
        yield page
        last = page[-1][0]


def count(connection: sa.Connection, segment: int) -> int:
    """How many this target made members."""
    query = sa.select(sa.func.count()).where(MEMBERS.c.segment == segment, MEMBERS.c.given == 1)
    return connection.scalar(query) or 0


def next_number(connection: sa.Connection, segment: int) -> int:
    """The number behind the highest one."""
    highest = connection.scalar(
        sa.select(sa.func.max(MEMBERS.c.number)).where(MEMBERS.c.segment == segment)
    )
    return 0 if highest is None else highest + 1
