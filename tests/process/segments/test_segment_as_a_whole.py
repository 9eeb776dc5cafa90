"""A segment that several streams, loaders or runs feed is judged as one segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.command import schema, state
from support.rehearsal import KILL, Ran, Rehearsal

from target_omnisend.config.validation import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

AT = "2026-11-24T08:00:00Z"
WHOLE: dict[str, Any] = {
    "sync_mode": "mirror",
    "mirror_on": "end_of_stream",
    "max_removed_percent": 60,
}
VERSIONS: dict[str, Any] = {**WHOLE, "mirror_on": "activate_version"}
MODES = pytest.mark.parametrize("mode", [WHOLE, VERSIONS], ids=["whole runs", "versions"])


def columns(stream: str) -> dict[str, Any]:
    return schema(stream, name={"type": ["string", "null"]}, _sdc_deleted_at={})


def brings(stream: str, *numbers: int, version: int = 1) -> list[dict[str, Any]]:
    """The records of a stream, and that they are all."""
    made = [
        {"stream": stream, "record": {"email": f"member{n}@example.com"}, "version": version}
        for n in numbers
    ]
    records = [{"type": "RECORD", **one} for one in made]
    return [*records, {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}]


def whole(stream: str, *numbers: int, version: int = 1) -> list[dict[str, Any]]:
    return [columns(stream), *brings(stream, *numbers, version=version)]


def deletes(stream: str, *numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "type": "RECORD",
            "stream": stream,
            "record": {"email": f"member{n}@example.com", "_sdc_deleted_at": AT, **more},
        }
        for n in numbers
    ]


def names(*numbers: int) -> set[str]:
    return {f"member{n}" for n in numbers}


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


def _kept(night: Rehearsal, ran: Ran, reason: str, *numbers: int) -> None:
    assert (ran.code, ran.counts["removed"]) == (0, 0), ran.log
    assert night.tagged() == names(*numbers)
    assert f"removed no member, because {reason}" in ran.log, ran.log


# -- the streams that feed it ----------------------------------------------------------


@MODES
def test_a_tap_that_ends_between_two_streams_removes_nobody(
    night: Rehearsal, url: str, mode: dict[str, Any]
) -> None:
    more = {"ledger_url": url, **mode}
    night(*whole("east", 1, 2, 3, 4), *whole("west", 5, 6, 7), **more)
    ran = night(*whole("east", 1, 2, 3, version=2), **more)
    _kept(night, ran, "stream 'west' fed it in an earlier run", 1, 2, 3, 4, 5, 6, 7)
    ran = night(*whole("east", 1, 2, 3, version=3), *whole("west", 5, 6, version=3), **more)
    assert (ran.code, ran.counts["removed"]) == (0, 2), ran.log


@MODES
def test_a_stream_with_a_schema_and_no_record_removes_nobody(
    night: Rehearsal, ledger: str, mode: dict[str, Any]
) -> None:
    more = {"ledger_url": ledger, **mode}
    night(*whole("east", 1, 2, 3, 4), *whole("west", 5, 6), **more)
    ran = night(*whole("east", 1, 2, 3, version=2), *whole("west", version=2), **more)
    _kept(night, ran, "stream 'west' fed it in an earlier run", 1, 2, 3, 4, 5, 6)


def test_a_stream_whose_records_show_no_person_removes_nobody(
    night: Rehearsal, ledger: str
) -> None:
    more = {"ledger_url": ledger, **WHOLE}
    night(*whole("east", 1, 2, 3, 4), *whole("west", 5, 6), **more)
    blank = {"type": "RECORD", "stream": "west", "record": {"email": " "}}
    ran = night(*whole("east", 1, 2, 3), columns("west"), blank, **more)
    _kept(night, ran, "stream 'west' fed it in an earlier run", 1, 2, 3, 4, 5, 6)


@MODES
def test_a_stream_that_never_had_a_record_holds_nothing_back(
    night: Rehearsal, ledger: str, mode: dict[str, Any]
) -> None:
    more = {"ledger_url": ledger, **mode}
    night(*whole("east", 1, 2, 3), columns("west"), **more)
    ran = night(*whole("east", 1, 2, version=2), columns("west"), **more)
    assert (ran.code, ran.counts["removed"]) == (0, 1), ran.log


@MODES
def test_streams_that_no_setting_names_are_mirrored_together(
    night: Rehearsal, url: str, mode: dict[str, Any]
) -> None:
    more = {"ledger_url": url, **mode}
    night(*whole("east", 1, 2, 3), *whole("west", 4, 5, 6), **more)
    ran = night(*whole("east", 1, 2, version=2), *whole("west", 4, 5, version=2), **more)
    assert (ran.code, night.tagged()) == (0, names(1, 2, 4, 5)), ran.log


def test_a_run_that_died_in_its_second_stream_is_remembered(night: Rehearsal, ledger: str) -> None:
    more = {"ledger_url": ledger, **VERSIONS}
    night(*whole("east", 1, 2, 3), **more)
    died = [*whole("east", 1, 2, 3, version=2), *whole("west", 4, 5, version=2)[:-2], KILL]
    night(*died, batch_size_rows=1, **more)
    ran = night(*whole("east", 1, 2, version=3), *whole("west", 5, version=2), **more)
    assert (ran.counts["removed"], "stopped half-way" in ran.log) == (0, True), ran.log


def test_a_stream_that_only_added_is_remembered_by_a_mirror(night: Rehearsal, ledger: str) -> None:
    more = {"ledger_url": ledger, **WHOLE}
    night(*whole("west", 4, 5), **{**more, "sync_mode": "upsert"})
    night(*whole("east", 1, 2, 3), **more)
    ran = night(*whole("east", 1, 2, 3), **more)
    _kept(night, ran, "stream 'west' fed it in an earlier run", 1, 2, 3, 4, 5)


def test_a_full_refresh_lets_the_ledger_forget_a_stream_that_is_gone(
    night: Rehearsal, ledger: str
) -> None:
    more = {"ledger_url": ledger, **WHOLE}
    night(*whole("east", 1, 2, 3), *whole("west", 4), **more)
    ran = night(*whole("east", 1, 2, 3), full_refresh=True, **more)
    _kept(night, ran, "stream 'west' fed it in an earlier run", 1, 2, 3, 4)
    ran = night(*whole("east", 1, 2, 3), **more)
    assert (ran.code, night.tagged()) == (0, names(1, 2, 3)), ran.log


# -- the settings that feed it ---------------------------------------------------------


def test_two_sync_modes_of_one_segment_are_refused_before_a_record_is_read(
    night: Rehearsal, ledger: str
) -> None:
    streams = {
        "east": {"segment": "VIP", "sync_mode": "mirror"},
        "west": {"segment": "VIP", "sync_mode": "upsert"},
    }
    with pytest.raises(SettingsError, match="'VIP' should all have the same 'sync_mode'"):
        night(streams=streams, segment=None, ledger_url=ledger)


@pytest.mark.parametrize("order", [("east", "west"), ("west", "east")])
def test_a_stream_of_another_sync_mode_ends_the_run_when_it_comes(
    night: Rehearsal, ledger: str, order: tuple[str, str]
) -> None:
    more: dict[str, Any] = {**WHOLE, "ledger_url": ledger, "sync_mode": "upsert"}
    more["streams"] = {"east": {"sync_mode": "mirror"}}
    first, second = order
    ran = night(*whole(first, 1, 2), *whole(second, 3, 4), **more)
    assert ran.code == 3
    assert "Streams 'east' and 'west' of segment 'VIP' have different 'sync_mode'" in ran.log
    assert ran.counts["removed"] == 0


def test_two_loaders_of_one_ledger_and_segment_keep_each_others_people(
    night: Rehearsal, url: str
) -> None:
    north: dict[str, Any] = {"ledger_url": url, **WHOLE, "custom_properties": {"level": "level"}}
    south: dict[str, Any] = {"ledger_url": url, **WHOLE, "custom_properties": {"tier": "tier"}}
    everybody = (*range(10), 20, 21)
    night(*whole("people", *range(10)), **north)
    ran = night(*whole("people", 20, 21), **south)
    assert ran.counts["removed"] == 0
    for ran in (
        night(*whole("people", *range(9)), **north),
        night(*whole("people", *range(9)), **north),
        night(*whole("people", 20), **south),
        night(*whole("people", 20), **south),
    ):
        _kept(night, ran, "a loader with other settings fed stream 'people'", *everybody)


@pytest.mark.parametrize("setting", [{"tags": ["more"]}, {"subscription_status": "nonSubscribed"}])
def test_a_setting_that_says_nothing_of_the_source_changes_nothing(
    night: Rehearsal, ledger: str, setting: dict[str, Any]
) -> None:
    more = {"ledger_url": ledger, **WHOLE}
    night(*whole("people", 1, 2, 3), **more)
    ran = night(*whole("people", 1, 2), **more, **setting)
    assert (ran.code, ran.counts["removed"]) == (0, 1), ran.log


# -- runs that are not complete --------------------------------------------------------


def test_rejected_records_that_are_fed_back_remove_nobody(night: Rehearsal, ledger: str) -> None:
    more = {"ledger_url": ledger, **WHOLE}
    night(*whole("people", 1, 2, 3), **more)
    back = brings("people", 1, 2)
    back[0]["rejection"] = {"code": "email_invalid", "stage": "mapping"}
    ran = night(columns("people"), *back, **more)
    _kept(night, ran, "it was fed rejected records of an earlier run", 1, 2, 3)
    assert night(*whole("people", 1, 2), **more).counts["removed"] == 1


UNDER_WAY: dict[str, dict[str, Any]] = {
    "a stream": {"currently_syncing": "people", "bookmarks": {}},
    "a stream of a catalog": {"currently_syncing": {"schema": "public", "table": "people"}},
    "markers": {"bookmarks": {"people": {"progress_markers": {"replication_key": "id"}}}},
    "markers of a part": {
        "bookmarks": {"people": {"partitions": [{"progress_markers": {"Note": "not resumable"}}]}}
    },
}


@MODES
@pytest.mark.parametrize("value", UNDER_WAY.values(), ids=UNDER_WAY)
def test_a_last_state_of_a_stream_under_way_removes_nobody(
    night: Rehearsal, ledger: str, value: dict[str, Any], mode: dict[str, Any]
) -> None:
    more = {"ledger_url": ledger, **mode}
    night(*whole("people", 1, 2, 3), state(a=1), **more)
    ran = night(*whole("people", 1, 2, version=2), state(**value), **more)
    _kept(night, ran, "the last STATE says that stream 'people' is under way", 1, 2, 3)
    over: dict[str, Any] = {
        "currently_syncing": None,
        "bookmarks": {"people": {"progress_markers": {}}},
    }
    ran = night(*whole("people", 1, 2, version=3), state(**value), state(**over), **more)
    assert (ran.code, ran.counts["removed"]) == (0, 1), ran.log


def test_markers_of_another_segments_stream_hold_nothing_back(
    night: Rehearsal, ledger: str
) -> None:
    more = {"ledger_url": ledger, **WHOLE, "segment": None}
    night(*whole("VIP", 1, 2, 3), *whole("other", 4), **more)
    under_way = {"bookmarks": {"other": {"progress_markers": {"replication_key": "id"}}}}
    ran = night(*whole("VIP", 1, 2), *whole("other", 4), state(**under_way), **more)
    assert (ran.code, night.tagged()) == (0, names(1, 2)), ran.log


def test_an_input_whose_last_message_is_a_record_after_states_removes_nobody(
    night: Rehearsal, ledger: str
) -> None:
    more = {"ledger_url": ledger, **WHOLE}
    night(*whole("people", 1, 2, 3), **more)
    cut = [columns("people"), *brings("people", 1)[:-1], state(a=1), *brings("people", 2)[:-1]]
    ran = night(*cut, **more)
    _kept(night, ran, "the input ended with a RECORD after its last STATE", 1, 2, 3)
    ran = night(*cut, state(a=2), **more)
    assert ran.counts["removed"] == 1, ran.log


# -- present anywhere is present -------------------------------------------------------


@pytest.mark.parametrize("ledger_too", [True, False])
@pytest.mark.parametrize("membership", ["tag", "property"])
@pytest.mark.parametrize("batch_size_rows", [1, 1000])
@pytest.mark.parametrize("order", ["record first", "deletion first"])
def test_a_person_whom_another_stream_brings_stays(
    night: Rehearsal,
    ledger: str,
    order: str,
    membership: str,
    batch_size_rows: int,
    *,
    ledger_too: bool,
) -> None:
    more: dict[str, Any] = {"membership": membership, "batch_size_rows": batch_size_rows}
    more |= {"ledger_url": ledger, "max_removed_percent": 60} if ledger_too else {}
    night(*whole("east", 1, 2), *whole("west", 1, 3, 4), **more)
    here, gone = brings("east", 1, 2)[:-1], deletes("west", 1, 3)
    halves = [here, gone] if order == "record first" else [gone, here]
    ran = night(columns("east"), columns("west"), *halves[0], *halves[1], state(a=1), **more)
    assert (ran.code, ran.states, ran.counts["removed"]) == (0, [{"a": 1}], 1), ran.log
    assert night.tagged() | night.marked() == names(1, 2, 4)
    assert "DELETE /contacts/tags" not in ran.writes or ran.writes["DELETE /contacts/tags"] == 1


def test_a_person_whose_record_is_rejected_is_present_too(night: Rehearsal, ledger: str) -> None:
    more: dict[str, Any] = {"ledger_url": ledger, "max_removed_percent": 60}
    more |= {"mapping": {"email": "email", "subscription_status": "name"}}
    more |= {"max_rejected_percent": 100}
    night(*whole("east", 1), *whole("west", 1, 2), **more)
    bad = {"email": "member1@example.com", "name": "subscribed"}  # a consent without its date
    one = {"type": "RECORD", "stream": "east", "record": bad}
    ran = night(columns("east"), columns("west"), *deletes("west", 1), one, **more)
    assert (ran.counts["rejected"], ran.counts["removed"]) == (1, 0), ran.log


@pytest.mark.parametrize("batch_size_rows", [1, 1000])
def test_within_a_stream_the_last_word_counts(
    night: Rehearsal, ledger: str, batch_size_rows: int
) -> None:
    more: dict[str, Any] = {"ledger_url": ledger, "batch_size_rows": batch_size_rows}
    more["max_removed_percent"] = 70
    night(*whole("east", 5), *whole("west", 1, 2, 3), **more)
    both = [columns("east"), columns("west"), *brings("east", 5)[:-1]]
    there_and_back = [*deletes("west", 1), *brings("west", 1)[:-1]]
    and_gone = [*brings("west", 2)[:-1], *deletes("west", 2)]
    ran = night(*both, *there_and_back, *and_gone, **more)
    assert (ran.code, night.tagged()) == (0, names(1, 3, 5)), ran.log


def test_a_person_who_comes_and_goes_in_one_run_is_not_sent(night: Rehearsal, ledger: str) -> None:
    more = {"ledger_url": ledger}
    ran = night(*whole("west", 1, 2), *deletes("west", 2), state(a=1), **more)
    assert (ran.code, ran.states) == (0, [{"a": 1}])
    assert sorted(night.store.contacts) == ["member1@example.com"]


# -- one guard -------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size_rows", [1, 1000])
@pytest.mark.parametrize("membership", ["tag", "property"])
@pytest.mark.parametrize("mode", [{}, WHOLE], ids=["upsert", "mirror"])
def test_deletions_count_for_max_removed_percent(
    night: Rehearsal, url: str, mode: dict[str, Any], membership: str, batch_size_rows: int
) -> None:
    more: dict[str, Any] = {"ledger_url": url, **mode, "membership": membership}
    more |= {"batch_size_rows": batch_size_rows, "max_removed_percent": 20}
    night(*whole("people", *range(10)), **more)
    stay = brings("people", *range(7))[:-1]
    ran = night(columns("people"), *deletes("people", 7, 8, 9), *stay, state(a=1), **more)
    assert (ran.code, ran.states, ran.counts["removed"]) == (6, [], 0), ran.log
    assert len(night.tagged() | night.marked()) == 10
    assert "3 of the 10 members of segment 'VIP'" in ran.log
    more["max_removed_percent"] = 30
    ran = night(columns("people"), *deletes("people", 7, 8, 9), *stay, state(a=1), **more)
    assert (ran.code, ran.states, ran.counts["removed"]) == (0, [{"a": 1}], 3), ran.log


def test_deletions_and_those_who_did_not_come_count_together(night: Rehearsal, url: str) -> None:
    more = {"ledger_url": url, **WHOLE, "max_removed_percent": 20}
    night(*whole("people", *range(10)), **more)
    some = [columns("people"), *brings("people", *range(8))[:-1], *deletes("people", 8)]
    assert night(*some, **more).counts["removed"] == 2  # 8 was deleted, 9 did not come
    night(*whole("people", *range(10)), **more)
    ran = night(*some, *deletes("people", 7), **more)
    assert (ran.code, ran.counts["removed"], len(night.tagged())) == (6, 0, 10), ran.log


def test_deletions_of_those_who_are_not_members_count_for_nothing(
    night: Rehearsal, ledger: str
) -> None:
    more = {"ledger_url": ledger}
    night(*whole("people", *range(10)), **more)
    ran = night(columns("people"), *deletes("people", *range(8, 20)), state(a=1), **more)
    assert (ran.code, ran.counts["removed"], ran.counts["unchanged"]) == (0, 2, 10)
