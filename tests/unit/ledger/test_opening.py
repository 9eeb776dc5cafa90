from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from target_omnisend.errors import ExitCode, RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Opener

ANN, BOB = "ann@example.com", "bob@example.com"
ONE = b"1" * 16


@contextmanager
def refused(code: ExitCode, words: str) -> Iterator[None]:
    """It fails with one sentence that has no secret and nobody's e-mail in it."""
    with pytest.raises(RunFailed, match=words) as caught:
        yield
    assert caught.value.exit_code is code
    assert "s3cret" not in caught.value.sentence
    assert "@example.com" not in caught.value.sentence
    assert "\n" not in caught.value.sentence
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def execute(url: str, *statements: str) -> None:
    """As somebody else at the same database."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@contextmanager
def other_process(url: str, then: str, brand: str = "brand") -> Iterator[subprocess.Popen[str]]:
    """A run of its own, which says when it has the ledger."""
    program = f"""
        import time
        from datetime import UTC, datetime
        from target_omnisend.ledger import Ledger
        ledger = Ledger({url!r}, brand={brand!r}, utc_now=lambda: datetime.now(UTC))
        ledger.confirm("VIP", [("ann@example.com", bytes(16))])
        ledger.flush()
        ledger.confirm("VIP", [("bob@example.com", bytes(16))])
        print("open", flush=True)
        {then}
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


# -- two at once -----------------------------------------------------------------------


def test_a_second_run_says_that_there_is_a_first(url: str, opened: Opener) -> None:
    with other_process(url, "time.sleep(60)"), refused(ExitCode.FAULT, "in use by another run"):
        opened(url, wait=0.3)


def test_a_second_run_waits_for_the_first_to_end(url: str, opened: Opener) -> None:
    with other_process(url, "time.sleep(0.5); ledger.flush(); ledger.close()"):
        assert opened(url, wait=20).count("VIP") == 2


def test_kill_9_releases_the_lock_and_keeps_what_was_flushed(url: str, opened: Opener) -> None:
    with other_process(url, "time.sleep(60)") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        here = opened(url, wait=5)

    assert list(here.members("VIP")) == [[ANN]]


def test_two_brands_share_a_postgresql_ledger(
    new_schema: Callable[[], str], opened: Opener
) -> None:
    url = new_schema()
    with other_process(url, "time.sleep(60)", brand="other"):
        here = opened(url, wait=0.3)
        here.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
        assert here.count("VIP") == 2


def test_the_second_ledger_in_one_process_is_refused_too(url: str, opened: Opener) -> None:
    opened(url)
    with refused(ExitCode.FAULT, "in use by another run"):
        opened(url, wait=0.1)


# -- the file --------------------------------------------------------------------------


def test_file_and_folder_are_the_owners_alone(tmp_path: Path, opened: Opener) -> None:
    here = opened(f"sqlite:///{tmp_path}/made/deeper/ledger.db")
    here.confirm("VIP", [(ANN, ONE)])
    here.flush()

    folder = tmp_path / "made" / "deeper"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of somebody who is not root, and their rights in it."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid():
            yield Path(folder)
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("mode", ["file", "folder"])
def test_a_read_only_file_or_folder(as_nobody: Path, opened: Opener, mode: str) -> None:
    url = f"sqlite:///{as_nobody}/ledger.db"
    if mode == "file":
        opened(url).close()
        (as_nobody / "ledger.db").chmod(0o400)
    else:
        as_nobody.chmod(0o500)
    try:
        with refused(ExitCode.SETTINGS, "Permission denied"):
            opened(url)
    finally:
        as_nobody.chmod(0o700)


def test_a_path_that_is_no_place_for_a_file(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "file").write_text("in the way")
    with refused(ExitCode.SETTINGS, "cannot be written to"):
        opened(f"sqlite:///{tmp_path}/file/ledger.db")
    with refused(ExitCode.SETTINGS, "cannot be used"):
        opened(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database(tmp_path: Path, opened: Opener) -> None:
    (tmp_path / "ledger.db").write_text("Dear diary, " * 100)
    with refused(ExitCode.SETTINGS, "not a database"):
        opened(f"sqlite:///{tmp_path}/ledger.db")


def test_a_full_disk_ends_the_run_and_keeps_what_was_flushed(
    tmp_path: Path, opened: Opener
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE)])
    here.flush()
    here._database.connection.exec_driver_sql("PRAGMA max_page_count = 40")
    here.confirm("VIP", [(f"{number}@example.com", ONE) for number in range(4_000)])
    for _ in range(2):  # it stays failed
        with refused(ExitCode.FAULT, "no room"):
            here.flush()
    with refused(ExitCode.FAULT, "no room"):
        here.known("VIP", [BOB])
    here.close()

    assert list(opened(url).members("VIP")) == [[ANN]]


def test_a_full_disk_during_the_merge_loses_nothing(tmp_path: Path, opened: Opener) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    here = opened(url)
    here.confirm("VIP", [(f"{number}@example.com", ONE) for number in range(4_000)])
    here.flush()
    here._database.connection.exec_driver_sql("PRAGMA max_page_count = 80")
    with refused(ExitCode.FAULT, "no room"):
        here.count("VIP")
    here.close()

    assert opened(url).count("VIP") == 4_000


# -- the server ------------------------------------------------------------------------


def test_a_read_only_server(new_schema: Callable[[], str], opened: Opener) -> None:
    url = new_schema()
    read_only = f"{url}%20-cdefault_transaction_read_only%3Don"
    with refused(ExitCode.SETTINGS, "read-only"):
        opened(read_only)
    opened(url).close()
    with refused(ExitCode.SETTINGS, "read-only"):
        opened(read_only)


def test_a_role_that_may_only_read(new_schema: Callable[[], str], opened: Opener) -> None:
    url = new_schema()
    opened(url).close()
    name = url.rpartition("%3D")[2]
    execute(
        url,
        f"CREATE ROLE {name} LOGIN",
        f"GRANT USAGE ON SCHEMA {name} TO {name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {name}",
    )
    with refused(ExitCode.SETTINGS, "permission denied"):
        opened(url.replace("//tests@", f"//{name}:s3cret@"))


def test_nobody_listens(opened: Opener) -> None:
    with refused(ExitCode.SETTINGS, "connection .*failed"):
        opened("postgresql+psycopg://user:s3cret@127.0.0.1:1/ledger?sslpassword=s3cret")


def test_a_database_that_is_not_there(postgres: str, opened: Opener) -> None:
    url = postgres.replace("//tests@", "//tests:s3cret@").replace("/postgres", "/nowhere")
    with refused(ExitCode.SETTINGS, "database … does not exist"):
        opened(url)


def test_a_lost_connection_ends_the_run_and_keeps_what_was_flushed(
    new_schema: Callable[[], str], postgres: str, opened: Opener
) -> None:
    url = new_schema()
    here = opened(url)
    here.confirm("VIP", [(ANN, ONE)])
    here.flush()
    here.confirm("VIP", [(BOB, ONE)])
    process = here._database.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [process])
    for _ in range(2):  # it does not come back with the lock lost
        with refused(ExitCode.FAULT, "in the middle of the run"):
            here.flush()
    here.close()

    assert list(opened(url).members("VIP")) == [[ANN]]


# -- settings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ledger.db", "not a database URL"),
        ("", "not a database URL"),
        ("sqlite://", "name a file"),
        ("sqlite:///:memory:", "name a file"),
        ("sqlite:///file:ledger.db?uri=true", "name a file"),
        ("mysql://user:s3cret@host/db", "only SQLite and PostgreSQL"),
        ("postgresql+psycopg2://user:s3cret@host/db", "only SQLite and PostgreSQL"),
        ("postgresql://user:s3cret@host:port/db", "not a database URL"),
        ("postgresql://user:pass@s3cret@host/db", "%40|no database URL"),
        ("postgresql://user:pass@host/s3cret@host/db", "%40"),
    ],
)
def test_a_url_that_names_no_ledger(opened: Opener, text: str, words: str) -> None:
    with refused(ExitCode.SETTINGS, words):
        opened(text)


def test_an_option_that_the_driver_does_not_know(opened: Opener) -> None:
    with refused(ExitCode.SETTINGS, "cannot be used"):
        opened("postgresql://user:s3cret@127.0.0.1:1/db?nonsense=s3cret&password=s3cret")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_without_its_driver(opened: Opener, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with refused(ExitCode.SETTINGS, re.escape("pip install 'target-omnisend[postgres]'")):
        opened(f"{scheme}://user:s3cret@127.0.0.1:1/db")


# -- the schema ------------------------------------------------------------------------


def test_a_ledger_of_a_newer_version(url: str, opened: Opener) -> None:
    opened(url).close()
    execute(url, "UPDATE target_omnisend_ledger SET version = version + 1")
    with refused(ExitCode.SETTINGS, "newer target-omnisend"):
        opened(url)


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE target_omnisend_members (email text)"],
        ["CREATE TABLE target_omnisend_ledger (version text, more text)"],
        ["CREATE TABLE target_omnisend_ledger (version text)"],
        ["CREATE TABLE target_omnisend_ledger (version int)"],
        [
            "CREATE TABLE target_omnisend_ledger (version int)",
            "INSERT INTO target_omnisend_ledger VALUES (1)",
            "CREATE TABLE target_omnisend_members (email text, name text)",
        ],
    ],
)
def test_tables_of_somebody_else_stay_as_they_are(
    url: str, opened: Opener, statements: list[str]
) -> None:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True)
    execute(url, *statements)

    with refused(ExitCode.SETTINGS, "not as the ledger makes it"):
        opened(url)

    execute(url, "CREATE TABLE target_omnisend_segments (theirs text)")  # it was not made


def test_other_tables_do_not_matter(tmp_path: Path, opened: Opener) -> None:
    with closing(sqlite3.connect(tmp_path / "warehouse.db")) as database:
        database.execute("CREATE TABLE customers (email text)")
    opened(f"sqlite:///{tmp_path}/warehouse.db")


def _gone(path: Path) -> None:
    path.unlink()


def _replaced(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def _moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def _without_its_log(path: Path) -> None:
    path.with_name("ledger.db-wal").unlink()


@pytest.mark.parametrize("happens", [_gone, _replaced, _moved, _without_its_log])
@pytest.mark.parametrize("written", [True, False], ids=["something to write", "nothing to write"])
def test_a_file_that_is_not_the_one_opened_is_noticed_before_a_state_passes(
    tmp_path: Path, opened: Opener, happens: Callable[[Path], None], *, written: bool
) -> None:
    path = tmp_path / "here" / "ledger.db"
    ledger = opened(f"sqlite:///{path}")
    ledger.confirm("VIP", [(ANN, ONE)])
    ledger.flush()
    happens(path)
    if written:
        ledger.confirm("VIP", [(BOB, ONE)])
    for _ in range(2):
        with refused(ExitCode.FAULT, "was deleted or replaced in the middle of the run"):
            ledger.flush()


def test_a_ledger_of_a_relative_path_is_watched_where_it_was_opened(
    tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = opened("sqlite:///ledger.db")
    monkeypatch.chdir("/")
    ledger.confirm("VIP", [(ANN, ONE)])
    ledger.flush()
    (tmp_path / "ledger.db").unlink()
    with refused(ExitCode.FAULT, "was deleted or replaced"):
        ledger.flush()


def test_merging_and_writing_much_is_no_replacing(tmp_path: Path, opened: Opener) -> None:
    ledger = opened(f"sqlite:///{tmp_path}/ledger.db")
    for page in range(60):
        ledger.confirm("VIP", [(f"n{page}-{n}@example.com", ONE) for n in range(2_000)])
        ledger.flush()
    assert ledger.count("VIP") == 120_000
    ledger.flush()
