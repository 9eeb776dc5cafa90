"""The table of rejected records: read and written for one store."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

import sqlalchemy as sa

from target_omnisend.ledger.schema import REJECT_SCHEMAS, REJECTS

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from target_omnisend.ledger.database import Database

_AT_ONCE: t.Final = 500
"""Tokens that one statement names."""

_PUT_SCHEMA: t.Final = sa.text(
    "INSERT INTO target_omnisend_reject_schemas (brand, digest, message)"
    " VALUES (:brand, :digest, :message) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True)
class Row:
    """A rejected record.

    Attributes:
        token: its name, which stands in the message as `rejection.id`.
        at: seconds since 1970, UTC.
        number: its place among the records of its run.
        segment: where it was to go.
        stream: its stream.
        email: the person's address in its one form; empty if none can be read.
        key: a hash that recognises the record when it comes again.
        digest: a hash of its SCHEMA message.
        message: its RECORD message, with `rejection`.
    """

    token: str
    at: int
    number: int
    segment: str
    stream: str
    email: str
    key: str
    digest: str
    message: str


class KeptRows:
    """The rows of one brand. All methods raise RunFailed when the database fails."""

    def __init__(self, database: Database, brand: str) -> None:
        """Work on a ledger's connection."""
        self._database = database
        self._brand = brand

    def known(self) -> list[tuple[str, str, str, str]]:
        """Token, key, segment and address of each row."""
        columns = (REJECTS.c.token, REJECTS.c.key, REJECTS.c.segment, REJECTS.c.email)
        with self._database.guard():
            rows = self._database.connection.execute(sa.select(*columns).where(self._own))
            return [(one.token, one.key, one.segment, one.email) for one in rows]

    def change(
        self, gone: Collection[str], rows: Collection[Row], schemas: Mapping[str, str]
    ) -> None:
        """Delete rows by their tokens and insert others, all or nothing, durably.

        `schemas` has the SCHEMA messages of the new rows, by digest.
        """
        run = self._database.connection.execute
        with self._database.guard(), self._database.transaction():
            if schemas:
                named = [{"digest": one, "message": text} for one, text in schemas.items()]
                run(_PUT_SCHEMA, [{"brand": self._brand, **one} for one in named])
            tokens = iter(gone)
            while chunk := list(itertools.islice(tokens, _AT_ONCE)):
                run(REJECTS.delete().where(self._own, REJECTS.c.token.in_(chunk)))
            if rows:
                run(REJECTS.insert(), [{"brand": self._brand, **vars(row)} for row in rows])
            if gone:
                self._drop_schemas()

    def messages(self, segment: str | None = None) -> Iterator[str]:
        """Singer input: the SCHEMA once a stream, and again if it changes, then its records."""
        of_schema = REJECT_SCHEMAS.c
        query = (
            sa.select(REJECTS, of_schema.message.label("schema"))
            .join(
                REJECT_SCHEMAS,
                sa.and_(of_schema.brand == REJECTS.c.brand, of_schema.digest == REJECTS.c.digest),
            )
            .where(self._own)
            .order_by(REJECTS.c.stream, REJECTS.c.at, REJECTS.c.number)
        )
        if segment is not None:
            query = query.where(REJECTS.c.segment == segment)
        before = ""
        with self._database.guard():
            for row in self._database.connection.execute(query):
                if row.digest != before:
                    before = row.digest
                    yield row.schema
                yield row.message

    @property
    def _own(self) -> sa.ColumnElement[bool]:
        return REJECTS.c.brand == self._brand

    def _drop_schemas(self) -> None:
        """Delete the SCHEMA messages that no record needs any more."""
        used = sa.select(REJECTS.c.digest).where(self._own)
        schemas = REJECT_SCHEMAS.c
        self._database.connection.execute(
            REJECT_SCHEMAS.delete().where(schemas.brand == self._brand, schemas.digest.not_in(used))
        )
