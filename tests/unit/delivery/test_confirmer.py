"""Following batches to their end, with as few calls as that takes."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, cast

import pytest
from support.simulation import item_of

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.checkpoint import Epoch
from target_omnisend.delivery.confirmer import LAG_SECONDS, UNSEEN_LISTINGS, Confirmer
from target_omnisend.delivery.model import Batch, Entry, Origin, Segment
from target_omnisend.delivery.outcome import StreamCounts

if TYPE_CHECKING:
    from target_omnisend.delivery.contact_ids import ContactIds
    from target_omnisend.delivery.responses import Judgement

TIMEOUT = 3600.0
FAULT = Answer(Kind.INVALID, 400, fault="400")


def told(name: str, status: str = "finished", done: Any = 2, errors: Any = 0) -> dict[str, Any]:
    return {"batchID": name, "status": status, "finishedCount": done, "errorsCount": errors}


class Omnisend:
    """Lists, shows and itemises what a test puts here; `calls` tells what was asked."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self.shown: dict[str, dict[str, Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.page = 250
        self.unlisted = False

    def list_batches(self, since: dt.date, offset: int) -> Answer:
        self.calls.append(f"list {since:%d} {offset}")
        if self.unlisted:
            return FAULT
        return Answer(Kind.DONE, 200, {"batches": self.listed[offset : offset + self.page]})

    def batch(self, name: str) -> Answer:
        self.calls.append(f"batch {name}")
        return self._of(self.shown, name)

    def batch_items(self, name: str) -> Answer:
        self.calls.append(f"items {name}")
        return self._of(self.items, name)

    @staticmethod
    def _of(known: dict[str, dict[str, Any]], name: str) -> Answer:
        return Answer(Kind.DONE, 200, known[name]) if name in known else Answer(Kind.GONE, 404)


class Confirming:
    """A confirmer and what it hands on to the results, whose place it takes."""

    def __init__(self) -> None:
        self.api = Omnisend()
        self.over: dict[str, Any] = {}
        self.coming: list[int] = []
        self.gone: list[str] = []
        self.given_up: list[tuple[str, float]] = []
        self.scheduler = Scheduler(0)
        self.confirmer = Confirmer(
            self.scheduler,
            cast("ContactIds", self),
            since=dt.date(2026, 11, 21),
            timeout=TIMEOUT,
            key=str.lower,
        )

    def judged(
        self,
        batch: Batch,
        judgement: Judgement | None,
        now: float,  # noqa: ARG002
        *,
        coming: int,
    ) -> None:
        self.coming.append(coming)
        self.over[batch.id] = judgement

    def vanished(self, batch: Batch, now: float) -> None:  # noqa: ARG002
        self.gone.append(batch.id)

    def expired(self, batch: Batch, now: float) -> None:
        self.given_up.append((batch.id, now))

    def watch(self, *names: str, now: float = 0.0) -> None:
        segment = Segment("vip")
        origin = Origin("vip", b"", StreamCounts(), item_of, segment)
        for name in names:
            entries = [Entry(origin, email, b"", b"", Epoch(), None) for email in ("a", "b")]
            batch = Batch(segment, entries, id=name, submitted_at=now)
            self.confirmer.watch(batch, now)

    def tick(self, now: float) -> list[str]:
        """Let time pass and make the calls that are due; which they were."""
        made = len(self.api.calls)
        self.confirmer.tick(now)
        while call := self.scheduler.next(now):
            self.scheduler.answered(call, call.run(self.api), now)  # type: ignore[arg-type]
        return self.api.calls[made:]

    def until(self, end: float, step: float = 0.25) -> list[str]:
        """Tick from now to `end`."""
        made, now = len(self.api.calls), 0.0
        while now < end:
            now += step
            self.tick(now)
        return self.api.calls[made:]


@pytest.fixture
def confirming() -> Confirming:
    return Confirming()


def test_one_listing_settles_every_batch_whose_counts_prove_success(
    confirming: Confirming,
) -> None:
    names = [f"b{n}" for n in range(200)]
    confirming.watch(*names)
    confirming.api.listed = [told(name) for name in names]
    assert confirming.tick(1.0) == ["list 21 0"]
    assert confirming.over == dict.fromkeys(names)


def test_nothing_is_asked_while_no_batch_is_open(confirming: Confirming) -> None:
    assert confirming.until(60.0) == []


def test_a_listing_goes_on_until_every_open_batch_was_seen(confirming: Confirming) -> None:
    confirming.api.listed = [*(told(f"other{n}") for n in range(5)), told("b1"), told("b0")]
    confirming.api.page = 3
    confirming.watch("b0", "b1")
    assert confirming.tick(1.0) == ["list 21 0", "list 21 3", "list 21 6"]
    assert confirming.over.keys() == {"b0", "b1"}


@pytest.mark.parametrize("status", ["pending", "inProgress", "", None])
def test_a_batch_that_is_not_over_is_only_listed_again(confirming: Confirming, status: Any) -> None:
    confirming.watch("b0")
    confirming.api.listed = [told("b0", status, 0)]
    assert set(confirming.until(30.0)) == {"list 21 0"}
    assert confirming.over == {}


def test_the_gap_between_listings_grows_and_stays_small_beside_the_age(
    confirming: Confirming,
) -> None:
    confirming.watch("b0")
    confirming.api.listed = [told("b0", "pending", 0)]
    assert [len(confirming.until(60.0)), len(confirming.until(1800.0))] == [
        pytest.approx(60, abs=25),
        pytest.approx(110, abs=40),
    ]


@pytest.mark.parametrize(
    "listed",
    [
        told("b0", errors=1),
        told("b0", done=1),
        told("b0", "stopped"),
        told("b0", "stopped", done=1),
        told("b0", done="2", errors="1"),
    ],
    ids=repr,
)
def test_items_are_asked_for_where_counts_say_that_some_failed(
    confirming: Confirming, listed: dict[str, Any]
) -> None:
    confirming.watch("b0")
    confirming.api.listed = [listed]
    request = {"identifiers": [{"type": "email", "id": "A"}]}
    confirming.api.items["b0"] = {
        **listed,
        "errors": [{"request": request, "responseCode": 400}],
        "responses": None,
    }
    assert confirming.tick(1.0) == ["list 21 0", "items b0"]
    assert list(confirming.over["b0"].refused) == ["a"]


def test_a_list_without_counts_makes_it_ask_for_the_batch(confirming: Confirming) -> None:
    confirming.watch("b0")
    confirming.api.listed = [told("b0", done=None, errors=None)]
    confirming.api.shown["b0"] = told("b0")
    assert confirming.tick(1.0) == ["list 21 0", "batch b0"]
    assert confirming.over == {"b0": None}


def test_a_batch_without_counts_makes_it_ask_for_the_items(confirming: Confirming) -> None:
    confirming.watch("b0")
    without = told("b0", done=None, errors=None)
    confirming.api.listed, confirming.api.shown["b0"] = [without], without
    confirming.api.items["b0"] = without
    assert confirming.tick(1.0) == ["list 21 0", "batch b0", "items b0"]
    assert confirming.over["b0"].undone == ["a", "b"]


def test_a_batch_the_list_leaves_out_is_asked_for_by_its_name(confirming: Confirming) -> None:
    confirming.watch("b0")
    confirming.api.shown["b0"] = told("b0")
    calls = confirming.until(5.0)
    assert calls == ["list 21 0"] * UNSEEN_LISTINGS + ["batch b0"]
    assert confirming.over == {"b0": None}


def test_a_batch_that_stays_unknown_for_minutes_has_vanished(confirming: Confirming) -> None:
    confirming.watch("b0")
    calls = confirming.until(LAG_SECONDS)
    assert (confirming.gone, calls.count("batch b0") < 20) == ([], True)
    confirming.until(LAG_SECONDS + 10.0)
    assert (confirming.gone, confirming.confirmer.open) == (["b0"], {})


def test_a_batch_whose_items_stay_gone_for_minutes_has_vanished(confirming: Confirming) -> None:
    confirming.watch("b0")
    confirming.api.listed = [told("b0", errors=1)]
    calls = confirming.until(LAG_SECONDS)
    assert (confirming.gone, calls.count("items b0") < 20) == ([], True)
    confirming.until(LAG_SECONDS + 10.0)
    assert confirming.gone == ["b0"]


def test_a_batch_that_shows_up_in_between_has_not_vanished(confirming: Confirming) -> None:
    confirming.watch("b0")
    confirming.until(LAG_SECONDS / 2)
    confirming.api.listed = [told("b0", "inProgress", 0)]
    confirming.tick(LAG_SECONDS / 2 + 20.0)
    confirming.api.listed = [told("b0", errors=1)]
    confirming.tick(LAG_SECONDS + 60.0)
    assert confirming.gone == []


def test_without_a_list_each_batch_is_asked_for(confirming: Confirming) -> None:
    confirming.watch("b0", "b1")
    confirming.api.unlisted = True
    confirming.api.shown = {name: told(name) for name in ("b0", "b1")}
    assert sorted(confirming.tick(1.0)) == ["batch b0", "batch b1", "list 21 0"]
    assert confirming.over == {"b0": None, "b1": None}


@pytest.mark.parametrize("page", [[None], ["b0"], [{}], [{"batchID": 7}]], ids=repr)
def test_an_odd_list_settles_nothing(confirming: Confirming, page: list[Any]) -> None:
    confirming.watch("b0")
    confirming.api.listed = page
    confirming.api.shown["b0"] = told("b0", "pending", 0)
    confirming.until(5.0)
    assert (confirming.over, confirming.gone) == ({}, [])


def test_a_name_given_twice_tells_nothing_of_the_second_batch(confirming: Confirming) -> None:
    confirming.watch("b1", "b1", now=3.0)
    assert confirming.given_up == [("b1", 3.0)]
    assert list(confirming.confirmer.open) == ["b1"]


def test_a_batch_expires_after_its_own_timeout(confirming: Confirming) -> None:
    confirming.watch("b0", now=0.0)
    confirming.watch("b1", now=100.0)
    confirming.api.listed = [told(name, "pending", 0) for name in ("b0", "b1")]
    for now in (TIMEOUT - 1, TIMEOUT, TIMEOUT + 99, TIMEOUT + 100):
        confirming.tick(now)
    assert confirming.given_up == [("b0", TIMEOUT), ("b1", TIMEOUT + 100)]


def test_an_answer_about_an_expired_batch_is_too_late(confirming: Confirming) -> None:
    confirming.watch("b0")
    confirming.api.listed = [told("b0", done=None)]
    confirming.api.shown["b0"] = told("b0")
    confirming.confirmer.tick(1.0)
    listing = confirming.scheduler.next(1.0)
    assert listing is not None
    confirming.scheduler.answered(listing, listing.run(confirming.api), 1.0)  # type: ignore[arg-type]
    confirming.tick(TIMEOUT)
    assert (len(confirming.given_up), confirming.over, confirming.gone) == (1, {}, [])
