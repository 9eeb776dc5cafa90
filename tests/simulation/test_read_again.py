"""With a ledger a run reads only the contacts that changed since an earlier one read them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.calls import NOON
from support.command import people, record, schema
from support.rehearsal import Rehearsal
from support.simulation import Member, Simulation, State, StoreClient, Wait

from omnisend_sandbox.faults import Fault
from target_omnisend.delivery.newcomers import Growth
from target_omnisend.delivery.virtual_runner import VirtualClock
from target_omnisend.ledger import ErasingLedger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.simulation import Message

    from target_omnisend.api.answers import Answer

READ = "GET /contacts"
DAY = 24 * 3600.0
STORE = 2_500
"""Contacts that are no members: 10 pages."""

STRANGERS = 1_001
"""More people than a run looks up by address, and Omnisend has none of them."""


class Nights(Rehearsal):
    """Runs that send only people that Omnisend has, of a stream with 1,001 others."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ledger_url = f"sqlite:///{folder}/ledger.db"
        for number in range(STORE):
            self.arrive(f"customer{number}@example.com", at=NOON - 9 * DAY)

    def arrive(self, email: str, at: float | None = None) -> None:
        self.store.people.seed({"email": email}, NOON + self.now if at is None else at)

    def run(self, *emails: str, **settings: Any) -> tuple[int, int, int]:
        """Exit code, accepted records, and pages read."""
        messages = [schema(), *people(STRANGERS), *map(record, emails)]
        options = {"create_contacts": False, "verify": "off", "ledger_url": self.ledger_url}
        ran = self(*messages, **{**options, **settings})
        return ran.code, ran.counts["accepted"], ran.calls[READ]


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def test_the_second_night_reads_what_changed(nights: Nights) -> None:
    assert nights.run("customer7@example.com") == (0, 1, 10)
    nights.now += 3 * DAY
    nights.arrive("late@example.com")
    assert nights.run("late@example.com", "customer8@example.com") == (0, 2, 1)
    nights.now += 3 * DAY
    assert nights.run("customer9@example.com") == (0, 1, 1)


def test_a_contact_that_omnisend_shows_hours_late_is_found(nights: Nights) -> None:
    arrived = NOON + nights.now - 3600
    nights.run()
    nights.now += 3 * DAY
    nights.arrive("late@example.com", at=arrived)
    assert nights.run("late@example.com")[:2] == (0, 1)


def test_after_a_week_all_are_read_because_some_can_be_deleted(nights: Nights) -> None:
    nights.run()
    nights.now += 4 * DAY
    assert nights.run()[2] == 1
    nights.now += 4 * DAY
    assert nights.run("customer7@example.com") == (0, 1, 10)
    nights.now += 4 * DAY
    assert nights.run()[2] == 1


def test_full_refresh_reads_all(nights: Nights) -> None:
    nights.run()
    assert nights.run(full_refresh=True)[2] == 10
    nights.now += 2 * DAY
    assert nights.run()[2] == 1


def test_without_a_ledger_each_night_reads_all(nights: Nights) -> None:
    assert [nights.run(ledger_url=None)[2] for _ in range(2)] == [10, 10]


def test_a_filter_that_is_rejected_has_all_of_them_read(nights: Nights) -> None:
    nights.run()
    nights.now += 2 * DAY
    nights.store.faults.add(Fault("status", READ, status=400, times=1))
    assert nights.run("customer7@example.com") == (0, 1, 11)


def test_a_reading_that_failed_is_no_reading(nights: Nights) -> None:
    nights.store.faults.add(Fault("status", READ, status=403, skip=4))
    assert nights.run()[0] == 3
    nights.store.faults.clear()
    assert nights.run("customer7@example.com") == (0, 1, 10)


def test_what_a_clock_ahead_of_time_read_is_read_again(nights: Nights) -> None:
    nights.now += 2 * DAY
    nights.run()
    nights.now -= 2 * DAY
    assert nights.run("customer7@example.com")[1:] == (1, 10)


def test_a_person_that_is_forgotten_is_not_among_them(nights: Nights) -> None:
    nights.run()
    now, brand = nights.clock.utc_now, nights.store.brand_id
    with closing(ErasingLedger(nights.ledger_url, brand=brand, utc_now=now)) as ledger:
        erased = ledger.erase("customer7@example.com", lambda _: False)
        assert erased == {"contacts read from Omnisend": 1}
        assert ledger.erase("customer7@example.com", lambda _: False) == {}
    nights.now += 2 * DAY
    assert nights.run("customer7@example.com") == (0, 1, 10), "Omnisend has the person still"


def test_a_member_that_verify_found_missing_is_not_made_again(nights: Nights) -> None:
    nights.run("customer7@example.com")
    nights.now += DAY
    people = nights.store.people
    contact = people.by_email.pop("customer7@example.com")
    people.all.remove(contact)
    people.version += 1
    assert nights.verify("VIP", ledger_url=nights.ledger_url).code == 5
    code, accepted, pages = nights.run("customer7@example.com")
    assert (code, accepted) == (0, 0)
    assert pages >= 10
    assert "customer7@example.com" not in people.by_email


class Ahead(VirtualClock):
    """A clock that shows other days than Omnisend's."""

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        super().__init__()
        self._clock = clock
        self._ahead = timedelta(seconds=seconds)

    def utc_now(self) -> datetime:
        return self._clock.utc_now() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()


@pytest.mark.parametrize("days", [[3, 3], [5, 0], [0, 5]], ids=["always", "once", "later"])
def test_a_clock_that_is_ahead_hides_no_contact(nights: Nights, days: list[int]) -> None:
    clocks = [Ahead(nights.clock, one * DAY) for one in days]
    nights.run(parts={"clock": clocks[0]})
    nights.now += DAY
    nights.arrive("late@example.com")
    nights.now += 4 * DAY
    assert nights.run("late@example.com", parts={"clock": clocks[1]})[:2] == (0, 1)


def test_pages_that_end_too_soon_are_not_remembered(nights: Nights) -> None:
    calls: list[int] = []

    class CutShort(StoreClient):
        def contacts(self, filters: Mapping[str, str], after: str | None = None) -> Answer:
            calls.append(1)
            answer = super().contacts(filters, after)
            if len(calls) == 3:
                answer.body["paging"]["cursors"] = {"after": None}  # and `hasMore` stays true
            return answer

    client = CutShort(nights.store)
    nights.run("customer7@example.com", parts={"client": lambda *_: client})
    assert len(calls) == 3
    assert nights.run("customer7@example.com") == (0, 1, 10)


def test_a_part_that_is_damaged_is_read_anew(nights: Nights) -> None:
    nights.run()
    path = nights.ledger_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE target_omnisend_contacts SET numbers = x'010203'")
        database.commit()
    nights.now += 2 * DAY
    assert nights.run("customer7@example.com") == (0, 1, 10)


def test_a_slow_tap_reads_contacts_in_place_of_looking_each_person_up() -> None:
    looks = Simulation(growth=Growth(create=False, looking=True, max_look_ups=1_000))
    messages: list[Message] = []
    for second in range(30):
        messages += (Member(f"p{second * 100 + n}@example.com") for n in range(100))
        messages += [State(second), Wait(1.0)]
    looks.run(messages)
    assert looks.calls[READ] <= 20
    assert looks.states[-1].at < 60
