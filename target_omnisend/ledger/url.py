"""The database that a ledger's URL names, and what can be said of it."""

from __future__ import annotations

import errno
import os
import re
import typing as t
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.files import existing_part

POSTGRES: t.Final = "postgresql+psycopg"


_AS_EFFECTIVE_USER: t.Final = os.access in os.supports_effective_ids


_CONNECT: t.Final = {"connect_timeout": "10", "keepalives_idle": "60", "client_encoding": "utf8"}


def is_there(url: str) -> bool:
    """Whether opening the database makes no new file.

    Raises:
        RunFailed: when it is not a URL that can be used.
    """
    return not is_empty(parse(url))


def parse(text: str) -> sa.URL:
    """The setting `ledger_url`.

    Raises:
        RunFailed: when it is not a URL that can be used.
    """
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


def make_engine(url: sa.URL, wait: float) -> sa.Engine:
    """An engine for one connection; a file is made if it is not there.

    Raises:
        RunFailed: when the driver is missing, or the file cannot be written to.
    """
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


def is_empty(url: sa.URL) -> bool:
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


def check_writable(path: Path) -> None:
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


def name_of(url: sa.URL) -> str:
    """The database, as a sentence can name it."""
    return "PostgreSQL" if url.drivername == POSTGRES else _shown(url.database or "")


def _shown(path: str) -> str:
    """A file's path, unless it looks like a part of another database's URL."""
    return path if re.fullmatch(r"[^@:]*", path) else "that 'ledger_url' names"


def without_names(reason: str, url: sa.URL) -> str:
    """What the server or its driver says, without what it quotes of the URL."""
    reason = re.sub(r'"[^"]*"|\'[^\']*\'|\([^()]*\d\.\d[^()]*\)', "…", reason)
    for part in (url.username, url.host, url.database):
        if part:
            reason = re.sub(rf"\b{re.escape(part)}\b", "…", reason)
    return reason
