"""The history: runs are written whole, and found by brand and segment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from target_omnisend.delivery.outcome import StreamCounts
from target_omnisend.ledger import DryLedger, RunRow, StreamRow
from target_omnisend.ledger.runs import COUNTS, Runs

if TYPE_CHECKING:
    from conftest import Opener

COUNTED = StreamCounts(received=5, accepted=3, created=3, rejected=2).reported()


def _run(number: int, *segments: str, **more: object) -> RunRow:
    streams = {f"s{n}": StreamRow(name, COUNTED, {}) for n, name in enumerate(segments)}
    run = RunRow(
        id=f"run{number}",
        started_at=f"2026-11-{number + 1:02}T03:00:00Z",
        command="export",
        version="1.0",
        seconds=1.5,
        exit_code=0,
        outcome="done",
        counts=COUNTED,
        rejections={"email_invalid": 2},
        streams=streams,
    )
    return replace(run, **more)  # type: ignore[arg-type]


def _ids(runs: Runs, number: int = 30, *segments: str) -> list[str]:
    return [run.id for run in runs.last(number, segments)]


def test_every_count_of_the_report_has_a_column() -> None:
    assert StreamCounts().numbers().keys() <= set(COUNTS)


def test_what_was_written_is_read(url: str, opened: Opener) -> None:
    ledger = opened(url)
    ledger.runs.add(_run(1, "VIP", "Gold"))
    ledger.runs.add(replace(_run(0), counts={}))  # of a report that lacks them
    ledger.close()
    (lacking, found) = opened(url).runs.last(30)
    assert {name: found.counts[name] for name in COUNTED} == COUNTED
    assert set(lacking.counts.values()) == {None}
    assert replace(found, counts=COUNTED) == replace(_run(1), streams={})


def test_the_last_ones_come_the_oldest_first(url: str, opened: Opener) -> None:
    ledger = opened(url)
    for number in (3, 1, 4, 2):
        ledger.runs.add(_run(number, "VIP"))
    assert _ids(ledger.runs) == ["run1", "run2", "run3", "run4"]
    assert _ids(ledger.runs, 2) == ["run3", "run4"]
    assert _ids(ledger.runs, 0) == []


def test_runs_of_other_segments_are_left_out(url: str, opened: Opener) -> None:
    ledger = opened(url)
    ledger.runs.add(_run(1, "VIP", "Gold"))
    ledger.runs.add(_run(2, "Lapsed"))
    ledger.runs.add(_run(3))  # it ended before it knew any
    ledger.runs.add(_run(4, segment="Lapsed"))  # it ended before any stream
    assert _ids(ledger.runs, 30, "VIP") == ["run1", "run3"]
    assert _ids(ledger.runs, 30, "Lapsed", "Gold") == ["run1", "run2", "run3", "run4"]


def test_each_brand_has_its_own_and_those_that_knew_none(url: str, opened: Opener) -> None:
    for number, brand in enumerate(["ours", "theirs", ""]):
        ledger = opened(url, brand=brand)
        ledger.runs.add(_run(number))
        ledger.close()
    for brand, expected in {"ours": ["run0", "run2"], "": ["run2"]}.items():
        ledger = opened(url, brand=brand)
        assert _ids(ledger.runs) == expected
        ledger.close()


def test_a_run_that_knows_no_brand_sees_the_only_one(url: str, opened: Opener) -> None:
    ledger = opened(url, brand="ours")
    ledger.runs.add(_run(0))
    ledger.close()
    assert _ids(opened(url, brand="").runs) == ["run0"]


def test_a_dry_run_leaves_no_trace(url: str, opened: Opener) -> None:
    ledger = opened(url)
    utc_now = ledger._utc_now
    ledger.close()
    dry = DryLedger(url, brand="brand", utc_now=utc_now)
    dry.runs.add(_run(1))
    dry.close()
    assert _ids(opened(url).runs) == []
