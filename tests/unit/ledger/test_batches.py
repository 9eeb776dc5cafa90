"""Batches that are under way: remembered at once, forgotten with the next flush."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from conftest import NOON

if TYPE_CHECKING:
    from conftest import Opener

PEOPLE = ["ada@example.com", "zoë@example.com"]


def test_a_batch_is_there_after_a_run_that_died(url: str, opened: Opener) -> None:
    ledger = opened(url)
    ledger.batches.begin("b1", PEOPLE)
    ledger._database.close()
    later = opened(url, utc_now=lambda: NOON + dt.timedelta(hours=2))
    assert later.batches.all() == [("b1", PEOPLE, 7200.0)]


def test_batches_that_are_over_are_forgotten_with_the_next_flush(url: str, opened: Opener) -> None:
    ledger = opened(url)
    for number in range(1500):
        ledger.batches.begin(f"b{number}", PEOPLE)
    ledger.batches.end(f"b{number}" for number in range(1, 1500))
    assert len(ledger.batches.all()) == 1500
    ledger.flush()
    assert [batch.id for batch in ledger.batches.all()] == ["b0"]


def test_each_brand_has_its_own(url: str, opened: Opener) -> None:
    ledger = opened(url)
    ledger.batches.begin("b1", PEOPLE)
    ledger.close()
    other = opened(url, brand="other")
    other.batches.begin("b1", PEOPLE[:1])
    other.batches.end(["b1"])
    other.flush()
    assert other.batches.all() == []
    other.close()
    assert [batch.id for batch in opened(url).batches.all()] == ["b1"]


def test_a_name_that_comes_twice_is_kept_once(url: str, opened: Opener) -> None:
    ledger = opened(url)
    for _ in range(2):
        ledger.batches.begin("b1", PEOPLE)
    assert len(ledger.batches.all()) == 1
