"""The history of the runs with a ledger, and the SQL of docs/report.md as it stands there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from support.command import people, record, schema
from support.docs import blocks_of
from support.rehearsal import Rehearsal

from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from support.rehearsal import Ran


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def _query(url: str, statement: str) -> list[Any]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        rows = list(connection.execute(sa.text(statement)).mappings())
    engine.dispose()
    return rows


def _refuse(*_: object) -> None:
    raise RunFailed(ExitCode.SETTINGS, "Omnisend does not accept the API key. Check 'api_key'.")


def _fail(night: Rehearsal, url: str, **settings: Any) -> Ran:
    return night(schema(), parts={"client": _refuse}, ledger_url=url, **settings)


def test_the_page_shows_the_nights_and_the_examples_show_them_too(
    night: Rehearsal, tmp_path: Path, url: str
) -> None:
    more = {"ledger_url": url, "segment": "VIP customers", "report_path": f"{tmp_path}/r.json"}
    for _ in range(2):
        assert night(schema(), *people(98), record(None), record("x"), **more).code == 0
    assert _fail(night, url, segment="VIP customers").code == 3
    night(schema(), *people(99), record(None), **more)
    night.retire("VIP customers", **more)

    report = json.loads((tmp_path / "r.json").read_text())
    shown = [(one["command"], one["exit_code"], one["accepted"]) for one in report["history"]]
    assert shown == [("export", 0, 98), ("export", 0, 0), ("export", 3, 0), ("export", 0, 1)]
    page = (tmp_path / "r.html").read_text()
    assert "The last 5 runs" in page
    assert "example.com" not in page

    failed, course = (b.text for b in blocks_of("docs/report.md") if b.language == "sql")
    (one,) = _query(url, failed)
    assert (one["exit_code"], one["outcome"][:8]) == (3, "Omnisend")
    rows = [(row["accepted"], row["unchanged"], row["removed"]) for row in _query(url, course)]
    assert rows == [(98, 0, 0), (0, 98, 0), (1, 98, 0), (0, 0, 99)]
    assert [float(row["rejected_percent"] or 0) for row in _query(url, course)] == [2, 2, 1, 0]


def test_the_same_share_as_the_night_before_is_good_news(night: Rehearsal, tmp_path: Path) -> None:
    more = {
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "report_path": f"{tmp_path}/r.json",
        "membership": "property",
    }
    for word in ("Needs attention", "Good"):
        night(schema(), *people(99), record("x"), **more)
        assert f'<p class="level">{word}</p>' in (tmp_path / "r.html").read_text()


def test_a_run_that_ends_early_stands_there_too(night: Rehearsal, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    night(schema(), *people(5), stop_after=0.5, ledger_url=url)
    night(schema(), *people(5), b"no JSON", ledger_url=url)
    rows = _query(url, "SELECT * FROM target_omnisend_runs WHERE stream = ''")
    assert [row["exit_code"] for row in rows] == [143, 1]
    assert {row["segment"] for row in rows} == {"VIP"}


def test_a_failure_before_the_store_is_known_makes_no_ledger(
    night: Rehearsal, tmp_path: Path
) -> None:
    assert _fail(night, f"sqlite:///{tmp_path}/new/ledger.db").code == 3
    assert not (tmp_path / "new").exists()


def test_a_run_whose_start_fails_after_the_ledger_was_opened_is_not_shown_as_done(
    night: Rehearsal, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise RunFailed(ExitCode.FAULT, "The display fails. Run again.")

    url = f"sqlite:///{tmp_path}/ledger.db"
    night(schema(), parts={"progress": fail}, ledger_url=url)
    (row,) = _query(url, "SELECT * FROM target_omnisend_runs")
    assert (row["exit_code"], row["outcome"]) == (1, "The display fails. Run again.")
    assert row["brand"]


def test_a_ledger_that_fails_at_the_history_changes_nothing_else(
    night: Rehearsal, tmp_path: Path
) -> None:
    def opened(url: str, **options: Any) -> Ledger:
        ledger = Ledger(url, **options)
        ledger._database.connection.exec_driver_sql("DROP TABLE target_omnisend_runs")
        return ledger

    url = f"sqlite:///{tmp_path}/ledger.db"
    ran = night(schema(), *people(5), parts={"ledger": opened}, ledger_url=url)
    assert (ran.code, ran.counts["accepted"]) == (0, 5)
    assert "The history does not get this run." in ran.log


def test_a_dry_run_is_not_in_it(night: Rehearsal, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    night(schema(), *people(5), ledger_url=url)
    assert len(_query(url, "SELECT * FROM target_omnisend_runs")) == 2
