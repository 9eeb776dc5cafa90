"""`membership: property`: a member that left is not made again in Omnisend by leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault
from target_omnisend.delivery.leaver_check import MAX_LOOK_UPS

if TYPE_CHECKING:
    from pathlib import Path

READ = "GET /contacts"
COLUMNS = schema(_sdc_deleted_at={})
MIRROR: dict[str, Any] = {
    "membership": "property",
    "sync_mode": "mirror",
    "mirror_on": "end_of_stream",
    "max_removed_percent": 100,
}


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger"


def erase(night: Rehearsal, *numbers: int) -> None:
    """Have Omnisend lose people, as an operator does in its web pages."""
    for number in numbers:
        contact = night.store.people.by_email.pop(f"member{number}@example.com")
        night.store.people.all[contact.serial].email = "-"


def gone(number: int) -> dict[str, Any]:
    return record(f"member{number}@example.com", _sdc_deleted_at="2026-11-01T00:00:00Z")


def left(night: Rehearsal) -> set[str]:
    """The people whose property says that they left."""
    contacts = night.store.contacts.values()
    return {c.email for c in contacts if (c.properties or {}).get("segment_vip") is False}


@pytest.mark.parametrize("way", ["mirror", "deletion", "retire"])
def test_one_that_omnisend_has_no_more_is_not_made_again(
    night: Rehearsal, url: str, way: str
) -> None:
    more = {**MIRROR, "ledger_url": url}
    night(COLUMNS, *people(5), **more)
    erase(night, 0)
    if way == "mirror":
        ran = night(COLUMNS, *people(3, 2), state(a=1), **more)
    elif way == "deletion":
        ran = night(COLUMNS, *people(3, 2), gone(0), gone(1), state(a=1), **more)
        assert ran.counts["accepted"] == 2
    else:
        ran = night.retire("VIP", **more)
    removed = 5 if way == "retire" else 2
    assert (ran.code, ran.counts["removed"], ran.calls[READ]) == (0, removed, removed), ran.log
    assert "member0@example.com" not in night.store.contacts
    assert "member1@example.com" in left(night)
    assert "1 members that left segment 'VIP' are not in Omnisend any more" in ran.log
    assert ran.states == ([{"a": 1}] if way != "retire" else [])
    again = night(COLUMNS, *people(3, 2), **more) if removed < 5 else night.retire("VIP", **more)
    assert (again.code, again.writes, again.calls[READ]) == (0, {}, 0), "the ledger forgot them"


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_look_up_that_fails_holds_nothing_back(night: Rehearsal, url: str, status: int) -> None:
    more = {**MIRROR, "ledger_url": url}
    night(COLUMNS, *people(50), **more)
    erase(night, 0)
    night.store.faults.add(Fault("status", READ, status=status))
    began = night.now
    ran = night(COLUMNS, *people(1, 49), state(a=1), **more)
    assert (ran.code, ran.counts["removed"], ran.states) == (0, 49, [{"a": 1}]), ran.log
    assert night.now - began < 240.0
    assert (ran.writes, len(left(night))) == ({"POST /batches": 1}, 49)
    assert ran.log.count("cannot be looked up") == 1


def test_look_ups_are_made_again_after_a_fault_that_passes(night: Rehearsal, url: str) -> None:
    more = {**MIRROR, "ledger_url": url}
    night(COLUMNS, *people(50), **more)
    erase(night, *range(49))
    night.store.faults.add(Fault("status", READ, status=500, every=3))
    night.store.faults.add(Fault("throttle", READ, retry_after=5, skip=10, times=1))
    ran = night(COLUMNS, *people(1, 49), state(a=1), **more)
    assert (ran.code, ran.counts["removed"], ran.states) == (0, 49, [{"a": 1}]), ran.log
    assert (ran.writes, len(night.store.contacts)) == ({}, 1)


def test_of_many_only_the_first_are_looked_up(night: Rehearsal, url: str) -> None:
    more = {**MIRROR, "ledger_url": url}
    count = MAX_LOOK_UPS + 250
    night(COLUMNS, *people(count + 1), **more)
    ran = night(COLUMNS, *people(1, count), state(a=1), **more)
    assert (ran.code, ran.counts["removed"], ran.states) == (0, count, [{"a": 1}]), ran.log
    assert (ran.calls[READ], len(left(night))) == (MAX_LOOK_UPS, count)
    assert ran.writes == {"POST /batches": 6}


def test_a_run_that_stops_meanwhile_ends_at_once_and_the_next_goes_on(
    night: Rehearsal, url: str
) -> None:
    more = {**MIRROR, "ledger_url": url}
    night(COLUMNS, *people(200), **more)
    erase(night, *range(100))
    night.store.faults.add(Fault("slow", READ, seconds=3.0, times=40))
    began = night.now
    ran = night(COLUMNS, *people(1, 199), state(a=1), stop_after=5.0, **more)
    assert (ran.code, ran.writes) == (143, {})
    assert night.now - began < 150.0
    ran = night(COLUMNS, *people(1, 199), state(a=1), **more)
    assert (ran.code, len(night.store.contacts)) == (0, 100), ran.log
    assert len(left(night)) == 99


def test_a_tag_is_taken_back_without_a_look_up(night: Rehearsal, url: str) -> None:
    more = {**MIRROR, "membership": "tag", "ledger_url": url}
    night(COLUMNS, *people(5), **more)
    ran = night(COLUMNS, *people(1), **more)
    assert (ran.code, ran.counts["removed"], ran.calls[READ]) == (0, 4, 0)
