"""Ledgers that an earlier version made are brought to today's, with all they know."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from support.command import schema
from support.rehearsal import Rehearsal

from target_omnisend.ledger.schema import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Opener

EARLIER = range(1, VERSION)
WHOLE: dict[str, Any] = {"sync_mode": "mirror", "mirror_on": "end_of_stream"}


def _execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(params=EARLIER)
def old_url(request: pytest.FixtureRequest, new_url: Callable[[], str]) -> str:
    """Names a ledger that an earlier version made, its last run killed."""
    url = new_url()
    old = Path(__file__).with_name(f"version_{request.param}")
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True)
        shutil.copy(old / "ledger.db", path)
    else:
        _execute(url, *(old / "ledger.sql").read_text().split(";\n"))
    return url


def test_it_keeps_all_that_it_knows(old_url: str, opened: Opener) -> None:
    for _ in range(2):  # it is upgraded once, and then as any other
        ledger = opened(old_url)
        assert ledger.segments() == [("VIP", 7)]
        assert ledger.known("VIP", ["member6@example.com"]) == {"member6@example.com": b"\x06" * 16}
        assert ledger.known("Lapsed", ["member9@example.com"]) == {"member9@example.com": bytes(16)}
        assert ledger.mapping_fingerprint("VIP") == '{"mapping": "0123456789abcdef"}'
        assert ledger.feeds("VIP") == set()
        assert ledger.runs.last(30) == []
        ledger.close()


def test_what_fed_it_before_that_run_is_remembered(old_url: str, opened: Opener) -> None:
    ledger = opened(old_url)
    assert not ledger.begin_seen("Lapsed", "half")
    ledger.add_feed("VIP", "people", "loader")
    ledger.close()
    ledger = opened(old_url)
    assert ledger.feeds("VIP") == {("people", "loader")}
    ledger.set_feeds("VIP", {("others", "loader")})
    ledger.close()
    assert opened(old_url).feeds("VIP") == {("others", "loader")}


def test_its_first_mirror_removes_nobody_and_the_next_one_does(
    old_url: str, tmp_path: Path
) -> None:
    night = Rehearsal(tmp_path)
    night(schema(), ledger_url=f"sqlite:///{tmp_path}/of_the_store.db")
    with closing(sqlite3.connect(tmp_path / "of_the_store.db")) as database:
        (brand,) = database.execute("SELECT brand FROM target_omnisend_segments").fetchone()
    for table in ("segments", "journal"):
        _execute(old_url, f"UPDATE target_omnisend_{table} SET brand = '{brand}'")  # noqa: S608
    more = {**WHOLE, "ledger_url": old_url, "max_removed_percent": 50}
    members = [
        {"type": "RECORD", "stream": "members", "record": {"email": f"member{n}@example.com"}}
        for n in range(4)
    ]
    ran = night(schema(), *members, **more)
    assert (ran.code, ran.counts["accepted"], ran.counts["removed"]) == (0, 4, 0), ran.log
    assert "made before ledgers noted which streams feed a segment" in ran.log
    ran = night(schema(), *members, **more)
    assert (ran.code, ran.counts["unchanged"], ran.counts["removed"]) == (0, 4, 3), ran.log


def test_the_version_is_the_one_that_is_tested() -> None:
    assert VERSION == 3, "keep a ledger of the version before, and test its upgrade"
