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
    more = {"membership": membership, "sync_mode": sync_mode, "ledger_url": url}
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
    assert (ran.counts["removed"], ran.counts["rejected"]) == (1, 1)


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
