"""Batches that Omnisend took and that are not known to be over."""

from __future__ import annotations

import json
import typing as t

import sqlalchemy as sa

from target_omnisend.ledger.changes import chunks
from target_omnisend.ledger.schema import BATCHES

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from target_omnisend.ledger.database import Database

_BEGIN: t.Final = sa.text(
    "INSERT INTO target_omnisend_batches (brand, batch, emails, sent_at)"
    " VALUES (:brand, :batch, :emails, :sent_at) ON CONFLICT DO NOTHING"
)

_AT_ONCE: t.Final = 1_000
"""Batches that one statement names."""


class OpenBatch(t.NamedTuple):
    """A batch; `age` is in seconds."""

    id: str
    emails: list[str]
    age: float


class OpenBatches:
    """The open batches of a brand. All methods can raise RunFailed when the database fails."""

    def __init__(
        self, database: Database, brand: str, utc_now: Callable[[], dt.datetime], *, dry: bool
    ) -> None:
        """Look into `database`, for `brand`; `dry` notes none, because they are not Omnisend's."""
        self._database = database
        self._of_brand = BATCHES.c.brand == brand
        self._brand = brand
        self._utc_now = utc_now
        self._dry = dry
        self._over: set[str] = set()

    def begin(self, batch: str, emails: Iterable[str]) -> None:
        """Remember, durably, that Omnisend took a batch of these people."""
        if self._dry:
            return
        row = {
            "brand": self._brand,
            "batch": batch,
            "emails": json.dumps(list(emails)),
            "sent_at": int(self._utc_now().timestamp()),
        }
        with self._database.guard():
            self._database.connection.execute(_BEGIN, row)

    def end(self, batches: Iterable[str]) -> None:
        """These are over; forget them with the ledger's next `flush`."""
        self._over.update(batches)

    def all(self) -> list[OpenBatch]:
        """Those that are not known to be over, the oldest first."""
        now = self._utc_now().timestamp()
        query = sa.select(BATCHES).where(self._of_brand).order_by(BATCHES.c.sent_at)
        with self._database.guard():
            rows = self._database.connection.execute(query).all()
        return [OpenBatch(one.batch, json.loads(one.emails), now - one.sent_at) for one in rows]

    def erase(self, email: str) -> int:
        """Forget a person; how many batches had it."""
        found = [batch for batch in self.all() if email in batch.emails]
        run = self._database.connection.execute
        with self._database.guard(), self._database.transaction():
            for batch in found:
                others = [one for one in batch.emails if one != email]
                this = sa.and_(self._of_brand, BATCHES.c.batch == batch.id)
                run(
                    BATCHES.update().where(this).values(emails=json.dumps(others))
                    if others
                    else BATCHES.delete().where(this)
                )
        return len(found)

    # -- with the ledger's `flush` -----------------------------------------------------

    @property
    def unwritten(self) -> bool:
        """Whether a `flush` has something to write."""
        return bool(self._over)

    def write(self) -> None:
        """Forget the batches that are over, in the transaction that is open."""
        for chunk in chunks(self._over, _AT_ONCE):
            named = BATCHES.c.batch.in_(chunk)
            self._database.connection.execute(BATCHES.delete().where(self._of_brand, named))

    def written(self) -> None:
        """The transaction is durable."""
        self._over.clear()
