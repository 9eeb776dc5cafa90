"""A ledger from which a person is erased, down to the bytes of its file."""

from __future__ import annotations

import typing as t
from collections import Counter
from contextlib import closing

import sqlalchemy as sa

from target_omnisend.ledger.database import Database
from target_omnisend.ledger.ledger import Ledger
from target_omnisend.ledger.schema import REJECTS, RETRIES, tables

if t.TYPE_CHECKING:
    from collections.abc import Callable

_OVERWRITE: t.Final = "PRAGMA secure_delete = ON"
_REBUILD: t.Final = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")


def brands_of(url: str, wait: float = 10.0) -> list[str]:
    """The stores that a ledger knows, without a change to it. Without a ledger there is not one.

    Raises:
        RunFailed: when the database cannot be used.
    """
    with closing(Database(url, brand="", wait=wait, dry=True)) as database, database.guard():
        found: set[str] = set()
        for table in tables():
            if "brand" in table.columns:
                found.update(database.connection.scalars(sa.select(table.c.brand).distinct()))
        return sorted(found)


class ErasingLedger(Ledger):
    """The ledger of one brand, with its lock: no run of the brand is under way."""

    def erase(self, email: str, is_about: Callable[[str], bool]) -> Counter[str]:
        """Erase a person everywhere; how many places there were, by kind.

        Args:
            email: the address, normalised.
            is_about: whether a RECORD message mentions the person.

        Raises:
            RunFailed: when the database fails.
        """
        if self._database.is_sqlite:
            with self._database.guard():
                self._database.connection.exec_driver_sql(_OVERWRITE)
        found = Counter(
            {
                "memberships": self._erase_members(email),
                "open batches": self.batches.erase(email),
                "contacts to be sent once more": self._erase_retries(email, is_about),
                "contacts read from Omnisend": self.contacts.erase(email),
                "rejected records": self._erase_rejects(is_about),
            }
        )
        return +found

    def overwrite(self) -> None:
        """Have no byte of what was erased in the file, or in the log beside it.

        Raises:
            RunFailed: when the database fails.
        """
        names = ", ".join(table.name for table in tables())
        statements = _REBUILD if self._database.is_sqlite else (f"VACUUM {names}",)
        with self._database.guard():
            for statement in statements:
                self._database.connection.exec_driver_sql(statement)

    def _erase_members(self, email: str) -> int:
        names = [name for name in self.names() if self.known(name, [email])]
        for name in self.names():
            self.forget(name, [email])  # also where the journal alone still names the person
        self._merge()
        return len(names)

    def _erase_retries(self, email: str, is_about: Callable[[str], bool]) -> int:
        columns = (RETRIES.c.segment, RETRIES.c.email, RETRIES.c.line)
        query = sa.select(*columns).where(RETRIES.c.brand == self._brand)
        connection = self._database.connection
        with self._database.guard(), self._database.transaction():
            rows = connection.execute(query).all()
            found = [one for one in rows if one.email == email or is_about(one.line)]
            for one in found:
                this = (RETRIES.c.segment == one.segment, RETRIES.c.email == one.email)
                connection.execute(RETRIES.delete().where(RETRIES.c.brand == self._brand, *this))
        return len(found)

    def _erase_rejects(self, is_about: Callable[[str], bool]) -> int:
        query = sa.select(REJECTS.c.token, REJECTS.c.message).where(REJECTS.c.brand == self._brand)
        with self._database.guard():
            rows = self._database.connection.execute(query)
            tokens = [row.token for row in rows if is_about(row.message)]
        if tokens:
            self.kept.change(tokens, (), {})
        return len(tokens)
