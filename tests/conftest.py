"""One sandbox and one folder a test; ledgers on SQLite and on a PostgreSQL server of our own."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import pytest
from hypothesis import find, settings
from hypothesis import strategies as st
from support.brands import Place, new_place, project_with_brands
from support.command import Command
from support.sandbox import Sandbox, running_sandbox

from target_omnisend.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.project import Project

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


class Opener(Protocol):
    """Opens ledgers that a test leaves open or not."""

    def __call__(self, url: str, **options: Any) -> Ledger: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The ledger's own tests use both databases in the test command; whole runs use SQLite."""
    for item in items:
        if "process" in item.path.parts and "postgres" in item.name:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def unicode_tables() -> None:
    """Make what Hypothesis makes at the first text that it draws.

    In a fresh clone that takes seconds, which its health check would blame on the first test.
    """
    find(st.text(), lambda _: True, settings=settings(database=None))


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A local Omnisend; options of `Store` by indirect parametrisation."""
    with running_sandbox(**getattr(request, "param", {})) as running:
        yield running


@pytest.fixture
def command(tmp_path: Path, sandbox: Sandbox) -> Command:
    """The command, set up for the sandbox."""
    return Command(tmp_path, sandbox.api_url)


@pytest.fixture(scope="session")
def brands() -> Iterator[Project]:
    """A Meltano project as docs/scheduling.md sets it up; Meltano has to be there."""
    with project_with_brands() as project:
        yield project


@pytest.fixture
def place(brands: Project) -> Iterator[Place]:
    """That project, in which nothing has run yet, and a local Omnisend."""
    with new_place(brands) as made:
        yield made


@pytest.fixture
def opened() -> Iterator[Opener]:
    ledgers = []

    def open_(url: str, *, kind: type[Ledger] = Ledger, **options: Any) -> Ledger:
        ledgers.append(kind(url, **{"brand": "brand", "utc_now": lambda: NOON, **options}))
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        ledger.close()


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Names an empty database with each call."""
    if request.param == "postgres":
        schema: Callable[[], str] = request.getfixturevalue("new_schema")
        return schema
    number = itertools.count()
    return lambda: f"sqlite:///{tmp_path}/{next(number)}/ledger.db"


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture(scope="session")
def new_schema(postgres: str) -> Callable[[], str]:
    """Names an empty schema with each call."""
    number = itertools.count()

    def create() -> str:
        name = f"test{next(number)}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{postgres}?options=-csearch_path%3D{name}"

    return create


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server on a free port of loopback; gone after the tests."""
    programs = _programs()
    if programs is None:
        reason = "There is no PostgreSQL server here; on Debian: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # The server does not run as root. Not pytest's folder: others may not enter that.
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
        if user:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        make = ("--auth=trust", "--username=tests", "--no-sync", "--encoding=UTF8", "--locale=C")
        subprocess.run(
            [programs / "initdb", "-D", data, *make],
            check=True,
            capture_output=True,
            cwd=folder,
            **user,  # type: ignore[call-overload]
        )
        port = _free_port()
        options = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=")
        fast = ("fsync=off", "shared_buffers=16MB")
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *(f"--{one}" for one in (*options, *fast))],
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **user,  # type: ignore[call-overload]
        )
        try:
            url = f"postgresql://tests@127.0.0.1:{port}/postgres"
            _wait_for(url, server)
            yield url
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed again
            server.wait()


def _programs() -> Path | None:
    if found := shutil.which("initdb"):
        return Path(found).parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return debian[-1].parent if debian else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "PostgreSQL did not start"
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("PostgreSQL does not answer")
