"""`create_segment`: an Omnisend segment over the membership, once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault
from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.segment_creator import SegmentCreator, has_tag

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

MAKE: dict[str, Any] = {"create_segment": True}


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def made(night: Rehearsal) -> list[str]:
    return sorted(segment.name for segment in night.store.segments.by_id.values())


def create(night: Rehearsal, name: str, groups: Any) -> None:
    night.store.handle(
        "POST",
        "/segments",
        headers={
            "Authorization": "Omnisend-API-Key sandbox-key",
            "Omnisend-Version": "2026-03-15",
            "Content-Type": "application/json",
        },
        body=json.dumps({"name": name, "conditionGroups": groups}).encode(),
    )


@pytest.mark.parametrize("membership", ["tag", "property"])
def test_it_is_made_once_and_counted(
    command: Command, sandbox: Sandbox, tmp_path: Path, membership: str
) -> None:
    report = tmp_path / "report.json"
    for _ in range(2):
        ran = command(
            *(schema(), *people(5), state(a=1)),
            membership=membership,
            report_path=str(report),
            **MAKE,
        )
        assert (ran.code, ran.states) == (0, [{"a": 1}]), ran.log
        (segment,) = sandbox.store.segments.by_id.values()
        assert segment.name == "VIP"
        told = json.loads(report.read_text())["segments"]
        assert told == {"VIP": {"id": segment.id, "count": 5}}
    assert sandbox.store.requests.counts["POST /segments"] == 1


def test_it_is_found_on_a_later_page(night: Rehearsal) -> None:
    create(night, "VIP", has_tag("VIP"))
    for n in range(120):
        create(night, f"Other {n}", has_tag(f"t{n}"))
        night.now += 60
    ran = night(schema(), *people(3), **MAKE)
    assert (ran.code, ran.calls["GET /segments"], ran.calls["POST /segments"]) == (0, 3, 0)
    assert ran.segments["VIP"]["count"] == 3
    assert "other conditions" not in ran.log


def test_one_with_other_conditions_is_left_alone(night: Rehearsal) -> None:
    create(night, "VIP", has_tag("theirs"))
    ran = night(schema(), *people(3), **MAKE)
    assert (ran.code, made(night)) == (0, ["VIP"])
    assert "a segment 'VIP' with other conditions; it was left as it is" in ran.log
    (segment,) = night.store.segments.by_id.values()
    assert segment.groups == has_tag("theirs")


FAULTS = {
    "409": Fault("status", "POST /segments", status=409, times=1),
    "409 though made": Fault("status", "POST /segments", status=409, times=1, acted=True),
    "429": Fault("throttle", "POST /segments", retry_after=5, times=1),
    "lost answer": Fault("reset_after", "POST /segments", times=1),
    "lost call": Fault("reset_before", "POST /segments", times=1),
    "cut": Fault("cut", "POST /segments", times=1),
    "late answer": Fault("slow", "POST /segments", seconds=70, times=1),
    "429 on listing": Fault("throttle", "GET /segments", retry_after=5, times=1),
    "500 on listing": Fault("status", "GET /segments", status=500, times=1),
    "500 on counting": Fault("status", "GET /segments/{id}/statistics", status=500, times=1),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]], ids=len)
def test_whatever_happens_to_the_call_there_is_one(
    night: Rehearsal, names: list[str], fault: Fault
) -> None:
    night.store.faults.add(fault)
    messages = [m for name in names for m in (schema(name), record("member1@example.com", name))]
    ran = night(*messages, state(a=1), segment=None, **MAKE)
    assert (ran.code, made(night), ran.states) == (0, names, [{"a": 1}])
    assert {name: told["count"] for name, told in ran.segments.items()} == dict.fromkeys(names, 1)


def test_more_than_a_minute_takes_wait_their_turn(night: Rehearsal) -> None:
    names = [f"s{n:02}" for n in range(20)]
    messages = [m for name in names for m in (schema(name), record("member1@example.com", name))]
    ran = night(*messages, segment=None, **MAKE)
    assert (ran.code, made(night)) == (0, names)
    assert night.store.requests.busiest["POST /segments"] <= 15


@pytest.mark.parametrize("endpoint", ["GET /segments", "POST /segments"])
@pytest.mark.parametrize("status", [403, 400])
def test_without_leave_the_members_are_there_all_the_same(
    night: Rehearsal, endpoint: str, status: int
) -> None:
    night.store.faults.add(Fault("status", endpoint, status=status))
    ran = night(schema(), *people(3), state(a=1), **MAKE)
    assert (ran.code, ran.states, made(night)) == (0, [{"a": 1}], [])
    assert "The segment 'VIP' could not be made in Omnisend" in ran.log
    assert len(night.tagged()) == 3


def test_one_that_omnisend_is_still_building_has_no_count_yet(tmp_path: Path) -> None:
    night = Rehearsal(tmp_path, build_time=600.0)
    ran = night(schema(), *people(3), **MAKE)
    assert (ran.code, ran.segments["VIP"]["count"]) == (0, None)


def test_a_stopped_run_makes_none(night: Rehearsal) -> None:
    assert night(schema(), *people(3), stop_after=1.0, **MAKE).code == 143
    assert made(night) == []


def maker(*names: str) -> tuple[SegmentCreator, Scheduler]:
    scheduler = Scheduler(0)
    made = SegmentCreator(scheduler)
    made.want({name: has_tag(name) for name in names})
    return made, scheduler


def take(scheduler: Scheduler, answer: Answer) -> None:
    call = scheduler.next(0.0)
    assert call is not None
    scheduler.answered(call, answer, 0.0)


def page(*segments: Any, after: Any = None) -> Answer:
    paging = {"hasMore": after is not None, "cursors": {"after": after}}
    return Answer(Kind.DONE, 200, {"segments": list(segments), "paging": paging})


@pytest.mark.parametrize("cursors", ["aa", "aba"])
def test_a_list_that_leads_back_to_itself_ends(cursors: str) -> None:
    one, scheduler = maker("VIP")
    for cursor in cursors:
        take(scheduler, page(after=cursor))
    take(scheduler, Answer(Kind.DONE, 201, {"segmentID": "1"}))
    assert (one.busy, list(one.made)) == (False, ["VIP"])


@pytest.mark.parametrize("name", [None, 7, ["VIP"], {}], ids=repr)
def test_a_segment_whose_name_is_no_text_is_passed_over(name: Any) -> None:
    one, scheduler = maker("VIP")
    take(scheduler, page({"name": name, "segmentID": "1"}, "VIP"))
    take(scheduler, Answer(Kind.DONE, 201, {"segmentID": "2"}))
    assert one.made == {"VIP": {"id": "2", "count": None}}


def test_one_that_is_refused_costs_no_other() -> None:
    one, scheduler = maker("a", "b")
    take(scheduler, page())
    take(scheduler, Answer(Kind.INVALID, 400, fault="400"))
    assert one.busy
    take(scheduler, Answer(Kind.DONE, 201, {"segmentID": "2"}))
    assert (one.busy, list(one.made)) == (False, ["b"])
