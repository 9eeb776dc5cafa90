"""One connection to the ledger's database, held for the run, and what is said when it fails."""

from __future__ import annotations

import hashlib
import logging
import typing as t
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.ledger.members import PostgresMembers, SqliteMembers
from target_omnisend.ledger.schema import prepare
from target_omnisend.ledger.url import (
    POSTGRES,
    check_writable,
    is_empty,
    make_engine,
    name_of,
    parse,
    without_names,
)
from target_omnisend.ledger.watch import FileWatch

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.ledger.members import Members

_SECRETS: t.Final = ("password", "sslpassword")
_OF_DATA: t.Final = ("22", "23", "44", "P0")
"""What PostgreSQL's codes begin with when its message may quote a row or a trigger's words."""

_WRITES_THE_FILE: t.Final = "PRAGMA journal_mode = WAL"
"""Unless it is a ledger's already."""

_SQLITE_SETTINGS: t.Final = (
    # The file stays locked from the first transaction until the process ends, however it does.
    "PRAGMA locking_mode = EXCLUSIVE",
    "BEGIN EXCLUSIVE",
    "COMMIT",
    _WRITES_THE_FILE,
    "PRAGMA synchronous = FULL",  # a commit survives a power failure
    "PRAGMA cache_size = -8000",  # KB
    "PRAGMA wal_autocheckpoint = 16000",  # pages: 64 MB; a page is copied back once for many writes
)

_POSTGRES_SETTINGS: t.Final = (
    # When this machine loses its power, the server lets go of the lock in minutes, not hours.
    "SET tcp_keepalives_idle = 60",
    "SET tcp_keepalives_interval = 15",
)


class Database:
    """The connection, its lock, and its tables, ready for use.

    In PostgreSQL the lock is one for each brand and belongs to the connection that writes, so
    no moment has one without the other. A SQLite file is locked whole.
    """

    def __init__(self, url: str, *, brand: str, wait: float, dry: bool = False) -> None:
        """Connect; wait that many seconds for another run to end.

        `dry` undoes at `close` whatever was written, and makes no file.

        Raises:
            RunFailed: when the database does not exist or cannot be used.
        """
        self._url = parse(url)
        self._dry = dry
        if dry and is_empty(self._url):
            check_writable(Path(self._url.database or ""))
            self._url = self._url.set(database=":memory:")
        self._failure: RunFailed | None = None
        self._opening = True
        self._engine = make_engine(self._url, wait)
        # At level DEBUG it logs the rows that it reads, which no setting of its own prevents.
        logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
        for name in ("sqlalchemy.engine", "sqlalchemy.engine.Engine"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            with self.guard():
                self.connection = self._engine.connect()
                self.members = self._lock(brand, wait)
                if dry:
                    self.connection.exec_driver_sql("BEGIN")
                with self.transaction():
                    self._prepare()
        except RunFailed:
            self.close()
            raise
        self._opening = False
        in_file = self._url.drivername != POSTGRES and not dry
        self._watch = FileWatch(Path(self._url.database or "")) if in_file else None

    def check_is_there(self) -> None:
        """Find out whether what was committed is where the next run will look for it.

        Raises:
            RunFailed: if the file was deleted or replaced since it was opened.
        """
        if self._watch and not self._watch.is_as_before() and self._failure is None:
            self._failure = RunFailed(
                ExitCode.FAULT,
                f"The ledger {name_of(self._url)} was deleted or replaced in the middle of the "
                "run. Put it back, or run again with 'full_refresh: true' and all of the source.",
            )
        if self._failure is not None:
            raise self._failure

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self._url.drivername != POSTGRES

    def close(self) -> None:
        """Let go of the database and its lock; what was not committed is lost."""
        with suppress(SQLAlchemyError, AttributeError):
            self.connection.close()
        self._engine.dispose()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Make a sentence of a database error; after one, the ledger tries nothing more."""
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except SQLAlchemyError as error:
            self._failure = self._sentence(error)
            raise self._failure from None  # the error itself may show a row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; durable at its end."""
        run = self.connection.exec_driver_sql
        run("SAVEPOINT part" if self._dry else "BEGIN")
        try:
            yield
            run("RELEASE part" if self._dry else "COMMIT")
        except BaseException:
            with suppress(SQLAlchemyError):
                run("ROLLBACK")
            raise

    def _lock(self, brand: str, wait: float) -> Members:
        run = self.connection.exec_driver_sql
        if self._url.drivername != POSTGRES:
            for statement in _SQLITE_SETTINGS:
                if not (self._dry and statement == _WRITES_THE_FILE):
                    run(statement)
            return SqliteMembers(self.connection)
        for statement in _POSTGRES_SETTINGS:
            run(statement)
        run(f"SET lock_timeout = {max(1, int(wait * 1000))}")
        run("SELECT pg_advisory_lock(%s)", (_lock_key(brand),))
        run("RESET lock_timeout")
        return PostgresMembers(self.connection)

    def _prepare(self) -> None:
        if self._url.drivername == POSTGRES:  # where another brand may be at it
            self.connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(%s)", (_lock_key("schema"),)
            )
        prepare(self.connection)
        # Writing nothing shows whether the user has the right to write.
        self.members.put(0, [])
        self.members.remove(0, [])

    def _sentence(self, error: SQLAlchemyError) -> RunFailed:
        cause = getattr(error, "orig", None) or error
        reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        if (getattr(cause, "sqlstate", None) or "").startswith(_OF_DATA):
            reason = type(cause).__name__
        for secret in filter(None, (self._url.password, *map(self._url.query.get, _SECRETS))):
            reason = reason.replace(str(secret), "***")
        if self._url.drivername == POSTGRES and self._opening:
            reason = without_names(reason, self._url)
        where = f"The ledger in {name_of(self._url)}"
        if _is_locked(cause) and self._opening:
            return RunFailed(
                ExitCode.FAULT,
                f"{where} is in use by another run or program. Wait for its end and run again.",
            )
        if _is_full(cause):
            return RunFailed(
                ExitCode.FAULT, f"{where} has no room ({reason}). Make room and run again."
            )
        if self._opening:
            return RunFailed(
                ExitCode.SETTINGS,
                f"{where} cannot be used ({reason}). Check 'ledger_url' and the rights there.",
            )
        return RunFailed(
            ExitCode.FAULT,
            f"{where} failed in the middle of the run ({reason}). Once it works, run again: the "
            "run sends once more what was not written down.",
        )


def _lock_key(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"omnisend ledger")
    return int.from_bytes(digest.digest(), signed=True)


def _is_locked(cause: object) -> bool:
    codes = (getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorname", None))
    return codes[0] == "55P03" or str(codes[1]).startswith("SQLITE_BUSY")


def _is_full(cause: object) -> bool:
    codes = (getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorname", None))
    return codes[0] == "53100" or codes[1] == "SQLITE_FULL"
