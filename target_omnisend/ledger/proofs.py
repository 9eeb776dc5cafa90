"""What earlier runs proved by looking at Omnisend's contacts."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from target_omnisend.ledger.schema import PROOFS

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.ledger.database import Database

LASTS: t.Final = dt.timedelta(days=30)
"""Omnisend can change; a proof that is older counts for nothing."""


class Proofs:
    """The proofs of a brand, by a hash of the settings that they were made under."""

    def __init__(self, database: Database, brand: str, utc_now: Callable[[], dt.datetime]) -> None:
        """Look into `database`, for `brand`; `utc_now` gives the present moment."""
        self._database = database
        self._brand = brand
        self._utc_now = utc_now

    def has(self, settings: str) -> bool:
        """Whether a proof under these settings still lasts.

        Raises:
            RunFailed: when the database fails.
        """
        oldest = (self._utc_now() - LASTS).timestamp()
        query = sa.select(PROOFS.c.settings).where(
            self._of(settings), PROOFS.c.proven_at >= int(oldest)
        )
        with self._database.guard():
            return self._database.connection.execute(query).first() is not None

    def keep(self, settings: str) -> None:
        """Remember, durably, that it is proven now.

        Raises:
            RunFailed: when the database fails.
        """
        row = {"brand": self._brand, "settings": settings, "proven_at": self._now()}
        with self._database.guard(), self._database.transaction():
            self._database.connection.execute(PROOFS.delete().where(self._of(settings)))
            self._database.connection.execute(PROOFS.insert(), row)

    def drop(self, settings: str) -> None:
        """Forget it, durably: a look contradicted it.

        Raises:
            RunFailed: when the database fails.
        """
        with self._database.guard():
            self._database.connection.execute(PROOFS.delete().where(self._of(settings)))

    def _of(self, settings: str) -> sa.ColumnElement[bool]:
        return sa.and_(PROOFS.c.brand == self._brand, PROOFS.c.settings == settings)

    def _now(self) -> int:
        return int(self._utc_now().timestamp())
