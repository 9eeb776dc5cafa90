"""One connection to the ledger's database, held for the run, and what is said when it fails."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import typing as t
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.ledger.members import PostgresMembers, SqliteMembers
from target_omnisend.ledger.schema import prepare
from target_omnisend.ledger.watch import FileWatch
from target_omnisend.output.files import existing_part

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.ledger.members import Members

POSTGRES: t.Final = "postgresql+psycopg"
_AS_EFFECTIVE_USER: t.Final = os.access in os.supports_effective_ids
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
_CONNECT: t.Final = {"connect_timeout": "10", "keepalives_idle": "60", "client_encoding": "utf8"}


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
        self._url = _parse(url)
        self._dry = dry
        if dry and _is_empty(self._url):
            _check_writable(Path(self._url.database or ""))
            self._url = self._url.set(database=":memory:")
        self._failure: RunFailed | None = None
        self._opening = True
        self._engine = _engine(self._url, wait)
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
                f"The ledger {_name(self._url)} was deleted or replaced in the middle of the run. "
                "Put it back, or run again with 'full_refresh: true' and all of the source.",
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
            reason = _without_names(reason, self._url)
        where = f"The ledger in {_name(self._url)}"
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


def is_there(url: str) -> bool:
    """Whether opening the database makes no new file.

    Raises:
        RunFailed: when it is not a URL that can be used.
    """
    return not _is_empty(_parse(url))


def _parse(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (SQLAlchemyError, ValueError):
        raise _no_url("it is not a URL") from None
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername=POSTGRES)
    server = not url.drivername.startswith("sqlite")
    # Or after a slash in the password: what follows would be named as the database.
    if "@" in (url.host or "") or (server and "@" in (url.database or "")):
        raise _no_url("write an @ in the password as %40")
    if url.drivername == POSTGRES:
        return url
    if url.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise _no_url("only SQLite and PostgreSQL, through psycopg, are supported")
    if not url.database or url.database.startswith((":memory:", "file:")) or url.query:
        raise _no_url("for SQLite, name a file and no options")
    return url


def _no_url(reason: str) -> RunFailed:
    return RunFailed(
        ExitCode.SETTINGS,
        f"'ledger_url' is not a database URL that this target can use: {reason}. Examples: "
        "sqlite:///ledger.db, postgresql+psycopg://user:password@host/database.",
    )


def _engine(url: sa.URL, wait: float) -> sa.Engine:
    if url.drivername == POSTGRES:
        options: dict[str, t.Any] = {k: v for k, v in _CONNECT.items() if k not in url.query}
    else:
        options = {"check_same_thread": False, "timeout": wait}
        if url.database != ":memory:":
            _create_file(Path(url.database or ""))
    try:
        return sa.create_engine(
            url,
            poolclass=sa.NullPool,
            # One statement is one round trip; transactions are begun by name.
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args=options,
        )
    except ImportError:
        raise RunFailed(
            ExitCode.SETTINGS,
            "A ledger in PostgreSQL needs the driver psycopg, which is not installed. Install it: "
            "pip install 'target-omnisend[postgres]'.",
        ) from None


def _is_empty(url: sa.URL) -> bool:
    """Whether the file is missing, or is one that opening it would fill."""
    try:
        return url.drivername != POSTGRES and not Path(url.database or "").stat().st_size
    except OSError:
        return True


def _create_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # Not by opening it: closing it again would end the lock of another ledger in here.
        if not os.access(path, os.R_OK | os.W_OK, effective_ids=_AS_EFFECTIVE_USER):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(path, error) from None


def _check_writable(path: Path) -> None:
    """Whether the file could be made, or filled, without doing so."""
    place = existing_part(path)
    is_there = place == path.absolute()
    rights = os.R_OK | os.W_OK if is_there else os.W_OK | os.X_OK
    code = 0
    if not (is_there or place.is_dir()):
        code = errno.ENOTDIR
    elif not os.access(place, rights, effective_ids=_AS_EFFECTIVE_USER):
        code = errno.EACCES
    if code:
        raise _unwritable(path, OSError(code, os.strerror(code)))


def _unwritable(path: Path, error: OSError) -> RunFailed:
    return RunFailed(
        ExitCode.SETTINGS,
        f"The ledger {_shown(str(path))} cannot be written to ({error.strerror}). Check "
        "'ledger_url' and the permissions of file and folder.",
    )


def _name(url: sa.URL) -> str:
    return "PostgreSQL" if url.drivername == POSTGRES else _shown(url.database or "")


def _shown(path: str) -> str:
    """A file's path, unless it looks like a part of another database's URL."""
    return path if re.fullmatch(r"[^@:]*", path) else "that 'ledger_url' names"


def _without_names(reason: str, url: sa.URL) -> str:
    """What the server or its driver says, without what it quotes of the URL."""
    reason = re.sub(r'"[^"]*"|\'[^\']*\'|\([^()]*\d\.\d[^()]*\)', "…", reason)
    for part in (url.username, url.host, url.database):
        if part:
            reason = re.sub(rf"\b{re.escape(part)}\b", "…", reason)
    return reason


def _lock_key(text: str) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"omnisend ledger")
    return int.from_bytes(digest.digest(), signed=True)


def _is_locked(cause: object) -> bool:
    codes = (getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorname", None))
    return codes[0] == "55P03" or str(codes[1]).startswith("SQLITE_BUSY")


def _is_full(cause: object) -> bool:
    codes = (getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorname", None))
    return codes[0] == "53100" or codes[1] == "SQLITE_FULL"
