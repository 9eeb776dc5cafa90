"""The ledger's tables: made, upgraded and recognised."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.ledger.runs import OF_RUNS, runs_table

if t.TYPE_CHECKING:
    from collections.abc import Sequence

VERSION: t.Final = 3

UPGRADES: dict[int, Sequence[str]] = {
    1: (
        """
        CREATE TABLE target_omnisend_feeds (
            segment INTEGER NOT NULL,
            stream TEXT NOT NULL,
            loader TEXT NOT NULL,
            PRIMARY KEY (segment, stream, loader)
        )
        """,
        """
        CREATE TABLE target_omnisend_batches (
            brand TEXT NOT NULL,
            batch TEXT NOT NULL,
            emails TEXT NOT NULL,
            sent_at BIGINT NOT NULL,
            PRIMARY KEY (brand, batch)
        )
        """,
        f"""
        CREATE TABLE target_omnisend_runs ({OF_RUNS})
        """,
        """
        CREATE TABLE target_omnisend_rejects (
            brand TEXT NOT NULL,
            token TEXT NOT NULL,
            at BIGINT NOT NULL,
            number BIGINT NOT NULL,
            segment TEXT NOT NULL,
            stream TEXT NOT NULL,
            email TEXT NOT NULL,
            key TEXT NOT NULL,
            digest TEXT NOT NULL,
            message TEXT NOT NULL,
            PRIMARY KEY (brand, token)
        )
        """,
        """
        CREATE TABLE target_omnisend_reject_schemas (
            brand TEXT NOT NULL,
            digest TEXT NOT NULL,
            message TEXT NOT NULL,
            PRIMARY KEY (brand, digest)
        )
        """,
        """
        CREATE TABLE target_omnisend_proofs (
            brand TEXT NOT NULL,
            settings TEXT NOT NULL,
            proven_at BIGINT NOT NULL,
            PRIMARY KEY (brand, settings)
        )
        """,
        """
        CREATE TABLE target_omnisend_retries (
            brand TEXT NOT NULL,
            segment TEXT NOT NULL,
            email TEXT NOT NULL,
            item TEXT NOT NULL,
            line TEXT NOT NULL,
            schema TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            leaves SMALLINT NOT NULL,
            tries SMALLINT NOT NULL,
            code TEXT NOT NULL,
            PRIMARY KEY (brand, segment, email)
        )
        """,
    ),
    2: (
        """
        CREATE TABLE target_omnisend_contacts (
            brand TEXT NOT NULL,
            part INTEGER NOT NULL,
            numbers {binary} NOT NULL,
            whole_at BIGINT NOT NULL,
            read_at BIGINT NOT NULL,
            PRIMARY KEY (brand, part)
        )
        """,
    ),
}
"""By version, the statements that make the next version of it; `binary` is a type's name."""

_METADATA: t.Final = sa.MetaData()

LEDGER: t.Final = sa.Table(
    "target_omnisend_ledger", _METADATA, sa.Column("version", sa.Integer, nullable=False)
)

SEGMENTS: t.Final = sa.Table(
    "target_omnisend_segments",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("brand", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("mapping", sa.Text, comment="under which settings the members were sent"),
    sa.Column("bringing", sa.Text, comment="version of the stream that a run began to read"),
    sa.UniqueConstraint("brand", "name"),
)

MEMBERS: t.Final = sa.Table(
    "target_omnisend_members",
    _METADATA,
    # No foreign key: it would cost as much as the row.
    sa.Column("segment", sa.Integer, primary_key=True, autoincrement=False),
    # Sorted by bytes, whatever the database's language: pages of members follow this order,
    # and an index in it survives an upgrade of the operating system.
    sa.Column(
        "email", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), primary_key=True
    ),
    sa.Column("number", sa.BigInteger, nullable=False, comment="own to the row in its segment"),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False, comment="of the contact as sent"),
    sa.Column("given", sa.SmallInteger, nullable=False, comment="1: the target made the member"),
    sa.Column("confirmed_at", sa.BigInteger, nullable=False, comment="seconds since 1970, UTC"),
    sqlite_with_rowid=False,
)

FEEDS: t.Final = sa.Table(
    "target_omnisend_feeds",
    _METADATA,
    sa.Column("segment", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.Text, primary_key=True, comment="that ever sent a member"),
    sa.Column("loader", sa.Text, primary_key=True, comment="hash of the settings it came under"),
)

BATCHES: t.Final = sa.Table(
    "target_omnisend_batches",
    _METADATA,
    sa.Column("brand", sa.Text, primary_key=True),
    sa.Column("batch", sa.Text, primary_key=True, comment="Omnisend's ID; it is not known over"),
    sa.Column("emails", sa.Text, nullable=False, comment="JSON"),
    sa.Column("sent_at", sa.BigInteger, nullable=False, comment="seconds since 1970, UTC"),
)

PROOFS: t.Final = sa.Table(
    "target_omnisend_proofs",
    _METADATA,
    sa.Column("brand", sa.Text, primary_key=True),
    sa.Column("settings", sa.Text, primary_key=True, comment="hash of those it was proven with"),
    sa.Column("proven_at", sa.BigInteger, nullable=False, comment="seconds since 1970, UTC"),
)

RETRIES: t.Final = sa.Table(
    "target_omnisend_retries",
    _METADATA,
    sa.Column("brand", sa.Text, primary_key=True),
    sa.Column("segment", sa.Text, primary_key=True),
    sa.Column("email", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, nullable=False, comment="JSON of the contact"),
    sa.Column("line", sa.Text, nullable=False, comment="the record's Singer message"),
    sa.Column("schema", sa.Text, nullable=False, comment="its SCHEMA message"),
    sa.Column("fingerprint", sa.Text, nullable=False, comment="of the contact, in hex"),
    sa.Column("leaves", sa.SmallInteger, nullable=False, comment="1: it loses the membership"),
    sa.Column("tries", sa.SmallInteger, nullable=False, comment="runs that have sent it"),
    sa.Column("code", sa.Text, nullable=False, comment="why the latest of them failed"),
)

CONTACTS: t.Final = sa.Table(
    "target_omnisend_contacts",
    _METADATA,
    sa.Column("brand", sa.Text, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("numbers", sa.LargeBinary, nullable=False, comment="of addresses, 8 bytes, sorted"),
    sa.Column("whole_at", sa.BigInteger, nullable=False, comment="when all contacts were read"),
    sa.Column("read_at", sa.BigInteger, nullable=False, comment="when the changed ones were"),
)

JOURNAL: t.Final = sa.Table(
    "target_omnisend_journal",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("brand", sa.Text, nullable=False),
    sa.Column("changes", sa.LargeBinary, nullable=False, comment="MessagePack"),
)

REJECTS: t.Final = sa.Table(
    "target_omnisend_rejects",
    _METADATA,
    sa.Column("brand", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, primary_key=True, comment="rejection.id of the message"),
    sa.Column("at", sa.BigInteger, nullable=False, comment="seconds since 1970, UTC"),
    sa.Column("number", sa.BigInteger, nullable=False, comment="order within the run"),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False, comment="as far as it can be read, or empty"),
    sa.Column("key", sa.Text, nullable=False, comment="hash that recognises the record"),
    sa.Column("digest", sa.Text, nullable=False, comment="of its SCHEMA message"),
    sa.Column("message", sa.Text, nullable=False, comment="RECORD message with its rejection"),
)

REJECT_SCHEMAS: t.Final = sa.Table(
    "target_omnisend_reject_schemas",
    _METADATA,
    sa.Column("brand", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("message", sa.Text, nullable=False),
)


def tables() -> Sequence[sa.Table]:
    """All of them."""
    return _METADATA.sorted_tables


RUNS: t.Final = runs_table(_METADATA)


def prepare(connection: sa.Connection) -> None:
    """Make the tables, or upgrade them to this version; inside a transaction of the caller's.

    Raises:
        RunFailed: when a newer target made them, or another program.
    """
    inspector = sa.inspect(connection)
    present = [table for table in _METADATA.sorted_tables if inspector.has_table(table.name)]
    if not present:
        _METADATA.create_all(connection, checkfirst=False)
        connection.execute(LEDGER.insert().values(version=VERSION))
        return
    _check_columns(connection, [LEDGER])
    versions = connection.scalars(sa.select(LEDGER.c.version)).all()
    version = versions[0] if len(versions) == 1 else None
    if not isinstance(version, int) or version < 1:
        raise _foreign(LEDGER)
    if version > VERSION:
        raise RunFailed(
            ExitCode.SETTINGS,
            f"The ledger has version {version}, which a newer target-omnisend made; this one "
            f"knows version {VERSION}. Upgrade target-omnisend, or name another 'ledger_url'.",
        )
    binary = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    for statement in (one for old in range(version, VERSION) for one in UPGRADES[old]):
        connection.exec_driver_sql(statement.format(binary=binary))
    if version < VERSION:
        connection.execute(LEDGER.update().values(version=VERSION))
    _check_columns(connection, _METADATA.sorted_tables)


def _check_columns(connection: sa.Connection, tables: Sequence[sa.Table]) -> None:
    inspector = sa.inspect(connection)  # a new one: they remember what they saw
    for table in tables:
        if not inspector.has_table(table.name):
            raise _foreign(table)
        found = {column["name"] for column in inspector.get_columns(table.name)}
        if found != set(table.columns.keys()):
            raise _foreign(table)


def _foreign(table: sa.Table) -> RunFailed:
    return RunFailed(
        ExitCode.SETTINGS,
        f"The table {table.name} at 'ledger_url' is missing or not as the ledger makes it. "
        "Name a database, or in PostgreSQL a schema, without tables of such names.",
    )
