"""The contacts that Omnisend had when a run last read them, as numbers."""

from __future__ import annotations

import datetime as dt
import sys
import typing as t
from array import array

import sqlalchemy as sa

from target_omnisend.ledger.schema import CONTACTS
from target_omnisend.mapping.address import email_number

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_omnisend.ledger.database import Database

LASTS: t.Final = dt.timedelta(days=7)
"""Then all contacts are read again, because Omnisend does not list those that it deleted."""

OVERLAP: t.Final = dt.timedelta(days=1)
"""Omnisend has shown changes hours late (status page, 2026-04-10)."""


class ReadContacts:
    """The contacts of a brand, as `delivery.presence.Addresses` has them.

    All methods raise RunFailed when the database fails.
    """

    def __init__(
        self, database: Database, brand: str, utc_now: Callable[[], dt.datetime], *, dry: bool
    ) -> None:
        """Look into `database`, for `brand`; `dry` keeps nothing."""
        self._database = database
        self._brand = brand
        self._utc_now = utc_now
        self._dry = dry
        self._began = self._whole = 0

    def begin(self, *, whole: bool = False) -> tuple[dt.datetime | None, list[array[int]]]:
        """Begin to read contacts: the moment from which on to read, and those known from before.

        With None all of them have to be: with `whole`, or if the last whole reading is old.
        """
        now = self._utc_now()
        self._began = self._whole = int(now.timestamp())
        with self._database.guard():
            rows = self._database.connection.execute(
                sa.select(CONTACTS).where(self._of_brand).order_by(CONTACTS.c.part)
            ).all()
        is_good = rows and rows[0].whole_at >= (now - LASTS).timestamp()
        if whole or not is_good or rows[0].read_at > self._began:
            return None, []
        self._whole = rows[0].whole_at
        since = dt.datetime.fromtimestamp(rows[0].read_at, dt.UTC) - OVERLAP
        return since, [_numbers(row.numbers) for row in rows]

    def keep(self, parts: Sequence[array[int]]) -> None:
        """Remember, durably, what the reading found, in sorted parts."""
        if self._dry:
            return
        with self._database.guard(), self._database.transaction():
            self._database.connection.execute(CONTACTS.delete().where(self._of_brand))
            for number, part in enumerate(parts):
                row = {"brand": self._brand, "part": number, "numbers": _bytes(part)}
                row |= {"whole_at": self._whole, "read_at": self._began}
                self._database.connection.execute(CONTACTS.insert(), row)

    def drop(self) -> None:
        """Forget all of them."""
        with self._database.guard():
            self._database.connection.execute(CONTACTS.delete().where(self._of_brand))

    def erase(self, email: str) -> int:
        """Forget a person; 1 if it was known, otherwise 0."""
        number, found = email_number(email), 0
        with self._database.guard(), self._database.transaction():
            for row in self._database.connection.execute(
                sa.select(CONTACTS).where(self._of_brand)
            ).all():
                part = _numbers(row.numbers)
                if (kept := array("q", (one for one in part if one != number))) != part:
                    found = 1
                    this = sa.and_(self._of_brand, CONTACTS.c.part == row.part)
                    self._database.connection.execute(
                        CONTACTS.update().where(this).values(numbers=_bytes(kept))
                    )
        return found

    @property
    def _of_brand(self) -> sa.ColumnElement[bool]:
        return CONTACTS.c.brand == self._brand


def _numbers(text: bytes) -> array[int]:
    numbers = array("q", text)
    if sys.byteorder == "big":  # a ledger in PostgreSQL can serve machines of both kinds
        numbers.byteswap()
    return numbers


def _bytes(numbers: array[int]) -> bytes:
    return _numbers(numbers.tobytes()).tobytes()
