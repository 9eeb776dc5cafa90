"""Records that say they were deleted (`_sdc_deleted_at`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

COLUMNS = schema(_sdc_deleted_at={"type": ["string", "null"]})
AT = "2026-11-21T00:00:00Z"
KINDS = {"tag": "DELETE /contacts/tags", "property": "POST /batches"}


def gone(*numbers: int) -> list[dict[str, Any]]:
    return [record(f"Member{n}@example.com", _sdc_deleted_at=AT) for n in numbers]


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def test_a_deleted_person_leaves(command: Command, sandbox: Sandbox) -> None:
    store = sandbox.store
    store.seed(
        [{"email": "member1@example.com", "tags": ["VIP", "theirs"], "status": "subscribed"}]
    )
    ran = command(COLUMNS, *people(1), *gone(1), state(a=1))
    assert (ran.code, ran.states, ran.counts["removed"]) == (0, [{"a": 1}], 1), ran.log
    contact = store.contacts["member1@example.com"]
    assert (contact.tags, contact.email_status) == (("theirs",), "subscribed")


@pytest.mark.parametrize("membership", KINDS)
@pytest.mark.parametrize("sync_mode", ["upsert", "mirror"])
def test_with_a_ledger_only_our_members_leave(
    night: Rehearsal, url: str, membership: str, sync_mode: str
) -> None:
    night.store.seed(
        [
            {
                "email": "member8@example.com",
                "tags": ["VIP"],
                "customProperties": {"segment_vip": True},
            }
        ]
    )
    more: dict[str, Any] = {"membership": membership, "sync_mode": sync_mode, "ledger_url": url}
    more["max_removed_percent"] = 50
    night(COLUMNS, *people(4), **more)
    ran = night(COLUMNS, *people(2), *gone(2, 3, 8, 9), state(a=1), **more)
    assert (ran.code, ran.states) == (0, [{"a": 1}])
    assert (ran.counts["removed"], ran.counts["accepted"], ran.counts["unchanged"]) == (2, 2, 4)
    assert ran.writes == {KINDS[membership]: 1}
    left = night.tagged() if membership == "tag" else night.marked()
    assert left == {"member0", "member1", "member8"}
    assert "member9@example.com" not in night.store.contacts
    assert night(COLUMNS, *gone(2, 3), **more).writes == {}
    back = night(COLUMNS, *people(4), **more)
    assert (back.counts["accepted"], back.counts["unchanged"]) == (2, 2)


@pytest.mark.parametrize("membership", KINDS)
def test_without_a_ledger_whoever_is_deleted_leaves(night: Rehearsal, membership: str) -> None:
    night(COLUMNS, *people(4), membership=membership)
    ran = night(COLUMNS, *gone(1, 2), state(a=1), membership=membership)
    assert (ran.code, ran.states, ran.counts["removed"]) == (0, [{"a": 1}], 2)
    left = night.tagged() if membership == "tag" else night.marked()
    assert left == {"member0", "member3"}


@pytest.mark.parametrize("ledger", [False, True])
def test_without_membership_there_is_nothing_to_take(
    night: Rehearsal, tmp_path: Path, *, ledger: bool
) -> None:
    more = {"membership": "none"} | ({"ledger_url": f"sqlite:///{tmp_path}/l"} if ledger else {})
    night(COLUMNS, *people(2), **more)
    ran = night(COLUMNS, *gone(1), state(a=1), **more)
    assert (ran.code, ran.writes, ran.counts["unchanged"]) == (0, {}, 1)


@pytest.mark.parametrize("batch_size", [1, 1000])
@pytest.mark.parametrize("ledger", [False, True])
@pytest.mark.parametrize("membership", KINDS)
def test_of_coming_and_going_the_last_word_counts(
    night: Rehearsal, tmp_path: Path, membership: str, batch_size: int, *, ledger: bool
) -> None:
    more: dict[str, Any] = {"membership": membership, "batch_size_rows": batch_size}
    more |= {"ledger_url": f"sqlite:///{tmp_path}/l"} if ledger else {}
    one = people(1, 1)
    night(COLUMNS, *people(2), *gone(0, 1), *one, **more)
    assert night.tagged() | night.marked() == {"member1"}
    night(COLUMNS, *gone(1), *people(2), *gone(0), **more)
    assert night.tagged() | night.marked() == {"member1"}


def test_a_deleted_record_needs_no_more_than_its_address(night: Rehearsal) -> None:
    night(COLUMNS, *people(2))
    bad = record("member1@example.com", _sdc_deleted_at=AT, name=5)
    ran = night(schema(name={"type": "string"}), bad, record(None, _sdc_deleted_at=AT))
    assert (ran.code, ran.counts["removed"], ran.counts["skipped"]) == (0, 1, 1)


EMPTY: list[Any] = [None, "", "  ", False, 0, 0.0, "0", "false", "FALSE", "null", "None", "NaN"]
EMPTY += ["\\N", "0000-00-00 00:00:00", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", [], {}]


@pytest.mark.parametrize("ledger", [False, True])
def test_an_empty_marker_deletes_nobody(night: Rehearsal, tmp_path: Path, *, ledger: bool) -> None:
    more = {"ledger_url": f"sqlite:///{tmp_path}/l"} if ledger else {}
    columns = schema(_sdc_deleted_at={})
    members = people(len(EMPTY))
    night(columns, *members, **more)
    for one, marker in zip(members, EMPTY, strict=True):
        one["record"]["_sdc_deleted_at"] = marker
    ran = night(columns, *members, state(a=2), **more)
    assert (ran.code, ran.states, ran.counts["removed"]) == (0, [{"a": 2}], 0), ran.log
    assert len(night.tagged()) == len(EMPTY)


@pytest.mark.parametrize("marker", [AT, "2026-11-21", 1764000000, True, "true", 1.5])
@pytest.mark.parametrize("column", ["_sdc_deleted_at", "_SDC_DELETED_AT", "_Sdc_Deleted_At"])
def test_a_marker_is_known_in_any_case(night: Rehearsal, column: str, marker: Any) -> None:
    columns = schema()
    columns["schema"]["properties"][column] = {}
    night(columns, *people(2))
    ran = night(columns, record("member1@example.com", **{column: marker}))
    assert (ran.counts["removed"], night.tagged()) == (1, {"member0"})


def test_a_marker_that_the_schema_leaves_out_is_known_too(night: Rehearsal) -> None:
    night(schema(), *people(2))
    ran = night(schema(), record("member1@example.com", _SDC_DELETED_AT=AT))
    assert (ran.counts["removed"], night.tagged()) == (1, {"member0"})


@pytest.mark.parametrize("ledger", [False, True])
def test_a_deletion_without_an_address_is_skipped(
    night: Rehearsal, tmp_path: Path, *, ledger: bool
) -> None:
    more: dict[str, Any] = {"ledger_url": f"sqlite:///{tmp_path}/l"} if ledger else {}
    columns = schema(keys=["id"], id={"type": "integer"}, _sdc_deleted_at={})
    night(columns, *[record(f"member{n}@example.com", id=n) for n in range(3)], **more)
    bare = {"type": "RECORD", "stream": "members", "record": {"id": 1, "_sdc_deleted_at": AT}}
    masked = record("[deleted]", id=2, _sdc_deleted_at=AT)
    ran = night(columns, *[bare] * 150, masked, state(a=2), **more)
    assert (ran.code, ran.states) == (0, [{"a": 2}]), ran.log
    assert (ran.counts["skipped"], ran.counts["rejected"], len(night.tagged())) == (151, 0, 3)
    assert ran.log.count("Have the source send the column 'email'") == 1
    assert "151 skipped" in ran.log


def test_a_removal_that_is_refused_is_kept_among_the_rejects(night: Rehearsal) -> None:
    night(COLUMNS, *people(3), membership="property")
    night.store.faults.add(Fault("item_refused", email="member1@", code=422))
    ran = night(COLUMNS, *gone(0, 1), membership="property")
    assert (ran.counts["removed"], ran.counts["rejected"]) == (1, 1)
    assert night.marked() == {"member1", "member2"}


def test_a_deletion_that_fails_for_a_while_is_made_again_from_its_record(night: Rehearsal) -> None:
    night(COLUMNS, *people(3), membership="property")
    night.store.faults.add(Fault("item_flaky", email="member1@", code=503))
    ran = night(COLUMNS, *gone(0, 1), membership="property")
    assert (ran.code, ran.counts["removed"], night.marked()) == (0, 2, {"member2"})


@pytest.mark.parametrize("membership", KINDS)
def test_a_deletion_that_cannot_wait_reaches_a_member_who_is_on_the_way(
    night: Rehearsal, url: str, membership: str
) -> None:
    more: dict[str, Any] = {"membership": membership, "ledger_url": url, "max_unconfirmed": 100}
    more["max_removed_percent"] = 100
    other = schema("others")
    ran = night(COLUMNS, other, *people(60), *gone(*range(40)), *people(1, 60), state(a=1), **more)
    assert (ran.code, ran.states) == (0, [{"a": 1}]), ran.log
    assert len(night.tagged() | night.marked()) == 21
