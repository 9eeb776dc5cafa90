"""The contacts that Omnisend had when a run last read them, as numbers."""

from __future__ import annotations

import datetime as dt
import sys
import typing as t
from array import array
from email.utils import parsedate_to_datetime

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


_SIZE: t.Final = 8
"""Bytes of a number."""


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

    def begin(self) -> tuple[dt.datetime | None, list[array[int]]]:
        """Begin to read contacts: the moment from which on to read, and those known from before.

        With None all of them have to be: none is known, or the last whole reading is old.
        """
        now = self._utc_now()
        self._began = self._whole = int(now.timestamp())
        with self._database.guard():
            rows = self._database.connection.execute(
                sa.select(CONTACTS).where(self._of_brand).order_by(CONTACTS.c.part)
            ).all()
        oldest = (now - LASTS).timestamp()
        if not rows or not all(_is_good(row, oldest, self._began) for row in rows):
            return None, []
        self._whole = rows[0].whole_at
        since = dt.datetime.fromtimestamp(rows[0].read_at, dt.UTC) - OVERLAP
        return since, [_numbers(row.numbers) for row in rows]

    def keep(self, parts: Sequence[array[int]], date: str) -> None:
        """Remember, durably, what the reading found, in sorted parts.

        It began at `date`, as HTTP writes it, by Omnisend's clock. If Omnisend did not say it, the
        clock of this machine counts, which can be wrong.
        """
        if self._dry:
            return
        read_at = min(self._began, _seconds(date) or self._began)
        with self._database.guard(), self._database.transaction():
            self._database.connection.execute(CONTACTS.delete().where(self._of_brand))
            for number, part in enumerate(parts):
                row = {"brand": self._brand, "part": number, "numbers": _bytes(part)}
                row |= {"whole_at": self._whole, "read_at": read_at}
                self._database.connection.execute(CONTACTS.insert(), row)

    def drop(self) -> None:
        """Forget all of them, so that the next reading is a whole one."""
        with self._database.guard():
            self._database.connection.execute(CONTACTS.delete().where(self._of_brand))

    def erase(self, email: str) -> int:
        """Forget all of them if a person is among them; 1 if so, otherwise 0.

        Without that person alone, runs would take the contact for one that Omnisend does not have.
        """
        query = sa.select(CONTACTS.c.numbers).where(self._of_brand)
        with self._database.guard():
            parts = self._database.connection.scalars(query).all()
        number = email_number(email)
        if not any(_is_damaged(part) or number in _numbers(part) for part in parts):
            return 0
        self.drop()
        return 1

    @property
    def _of_brand(self) -> sa.ColumnElement[bool]:
        return CONTACTS.c.brand == self._brand


def _is_good(row: sa.Row[t.Any], oldest: float, newest: float) -> bool:
    in_time = oldest <= row.whole_at <= newest and row.read_at <= newest
    return in_time and not _is_damaged(row.numbers)


def _is_damaged(text: bytes) -> bool:
    return len(text) % _SIZE > 0


def _seconds(date: str) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except ValueError:
        return None


def _numbers(text: bytes) -> array[int]:
    numbers = array("q", text)
    if sys.byteorder == "big":  # a ledger in PostgreSQL can serve machines of both kinds
        numbers.byteswap()
    return numbers


def _bytes(numbers: array[int]) -> bytes:
    return _numbers(numbers.tobytes()).tobytes()  # the same swap leads there and back
