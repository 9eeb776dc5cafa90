"""What Omnisend could not take for a passing reason goes out again in the next run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import LAW, people, record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.rehearsal import Ran

DAY = 86_400.0
DOWN = Fault("item_refused", code=503, email="^ann@")
NAME: dict[str, Any] = {"name": {"type": ["string", "null"]}}


class Nights(Rehearsal):
    """An incremental tap, which sends a record once."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.settings = {
            "ledger_url": f"sqlite:///{folder}/ledger.db",
            "mapping": {"email": "email", "first_name": "name"},
            "max_rejected_percent": 100,
        }

    def night(self, *records: dict[str, Any], **settings: Any) -> Ran:
        """A run a day later."""
        self.now += DAY
        return self(schema(**NAME), *records, state(at=self.now), **self.settings, **settings)

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """The rejected records, all runs together."""
        lines = [
            json.loads(line)
            for path in sorted((self.folder / "rejects").glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        return [line for line in lines if line["type"] == "RECORD"]


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


@pytest.mark.parametrize("membership", ["tag", "property"])
def test_three_nights_with_an_omnisend_that_is_down_on_the_first(
    nights: Nights, membership: str
) -> None:
    nights.store.faults.add(DOWN)
    ann, bob = record("ann@example.com", name="Ann"), record("bob@example.com", name="Bob")
    first = nights.night(ann, bob, membership=membership)
    assert (first.code, first.counts["accepted"], first.counts["rejected"]) == (0, 1, 1), first.log
    assert len(first.states) == 1, "an incremental tap will not send Ann again"

    nights.store.faults.clear()
    second = nights.night(record("cid@example.com"), membership=membership)
    assert (second.code, second.counts["received"], second.counts["accepted"]) == (0, 1, 1)
    assert second.counts["retried"] == 1
    assert "contacts of earlier runs that are sent once more: 1" in second.log
    assert "ann" not in second.log
    shown = nights.tagged() if membership == "tag" else nights.marked()
    assert shown == {"ann", "bob", "cid"}
    assert nights.store.contacts["ann@example.com"].first_name == "Ann"

    third = nights.night(ann, membership=membership)
    assert (third.counts["retried"], third.counts["unchanged"]) == (0, 1)


def test_the_newer_record_wins(nights: Nights) -> None:
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com", name="Old"), record("bob@example.com"))
    nights.store.faults.clear()
    second = nights.night(record("ann@example.com", name="New"))
    assert (second.counts["retried"], second.counts["accepted"]) == (0, 1)
    third = nights.night()
    assert (third.counts["retried"], third.code) == (0, 0)
    assert nights.store.contacts["ann@example.com"].first_name == "New"


def test_a_newer_record_that_is_rejected_wins_too(nights: Nights) -> None:
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com", name="Old"), record("bob@example.com"))
    nights.store.faults.clear()
    nights.store.faults.add(Fault("item_refused", code=400, email="^ann@"))
    assert nights.night(record("ann@example.com", name="New")).counts["rejected"] == 1
    nights.store.faults.clear()
    assert nights.night(record("bob@example.com")).counts["retried"] == 0
    assert nights.tagged() == {"bob"}


def test_after_five_runs_it_stays_among_the_rejects(nights: Nights) -> None:
    nights.store.faults.add(DOWN)
    runs = [nights.night(record("ann@example.com"), record("bob@example.com"))]
    runs += [nights.night() for _ in range(6)]
    assert [ran.counts["retried"] for ran in runs] == [0, 1, 1, 1, 1, 0, 0]
    assert [ran.counts["rejected"] for ran in runs] == [1, 0, 0, 0, 0, 0, 0]
    kept = [one for one in nights.rejects if one["record"]["email"] == "ann@example.com"]
    assert {one["rejection"]["code"] for one in kept} == {"omnisend_unavailable"}
    assert len(kept) == 2, "once when the state passed it, and once when the target gave it up"


def test_a_batch_that_was_given_up_goes_out_again(nights: Nights) -> None:
    nights.store.faults.add(Fault("stuck", times=1))
    first = nights.night(*people(3), confirm_timeout=60)
    assert (first.code, first.counts["unconfirmed"], first.states) == (5, 3, [])
    second = nights.night()
    assert (second.code, second.counts["retried"], second.counts["accepted"]) == (0, 3, 0)
    assert len(nights.tagged()) == 3


def test_a_leaver_that_omnisend_would_not_let_go_leaves_the_next_night(nights: Nights) -> None:
    whole = {"sync_mode": "mirror", "mirror_on": "end_of_stream", "membership": "property"}
    nights.night(*people(6), **whole)
    nights.store.faults.add(Fault("item_refused", code=400, email="^member5@"))
    second = nights.night(*people(5), **whole)
    assert (second.code, second.counts["not_removed"]) == (5, 1)
    nights.store.faults.clear()
    third = nights.night(*people(5), **whole)
    assert (third.code, third.counts["removed"]) == (0, 1)
    assert "member5" not in nights.marked()
    fourth = nights.night(*people(5), **whole)
    assert (fourth.counts["removed"], fourth.counts["retried"]) == (0, 0)


def test_in_a_mirror_a_person_that_is_not_sent_again_has_left(nights: Nights) -> None:
    whole = {"sync_mode": "mirror", "mirror_on": "end_of_stream"}
    nights.night(*people(5), **whole)
    nights.store.faults.add(DOWN)
    nights.night(*people(5), record("ann@example.com"), **whole)
    nights.store.faults.clear()
    third = nights.night(*people(5), **whole)
    assert third.counts["retried"] == 0
    assert "ann" not in nights.tagged()


def test_a_segment_that_no_stream_feeds_keeps_them_waiting(nights: Nights) -> None:
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com"), record("bob@example.com"))
    nights.store.faults.clear()
    other = nights.night(record("bob@example.com"), segment="Gold")
    assert (other.counts["retried"], nights.tagged()) == (0, {"bob"})
    assert nights.night().counts["retried"] == 1
    assert nights.tagged() == {"ann", "bob"}


def test_killed_while_it_is_sent_once_more_it_is_not_forgotten(nights: Nights) -> None:
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com"), record("bob@example.com"))
    nights.store.faults.clear()
    for seconds in (0.5, 1.5, 2.5, 3.0):
        nights.night(kill_after=seconds)
    nights.night()
    assert nights.tagged() == {"ann", "bob"}


def test_without_a_ledger_nothing_is_sent_once_more(nights: Nights) -> None:
    nights.settings["ledger_url"] = None
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com"), record("bob@example.com"))
    nights.store.faults.clear()
    assert nights.night(record("cid@example.com")).counts["retried"] == 0


@pytest.mark.parametrize("verify", ["sample", "off"])
def test_after_a_change_of_membership_a_contact_shows_it_the_new_way(
    nights: Nights, verify: str
) -> None:
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com", name="Ann"), record("bob@example.com"))
    nights.store.faults.clear()
    second = nights.night(record("bob@example.com"), membership="property", verify=verify)
    assert (second.code, second.counts["retried"]) == (0, 1), second.log
    assert nights.marked() == {"ann", "bob"}
    assert nights.store.contacts["ann@example.com"].first_name == "Ann"


def test_after_a_change_of_membership_a_leaver_leaves_the_new_way(nights: Nights) -> None:
    whole = {"sync_mode": "mirror", "mirror_on": "end_of_stream", "max_removed_percent": 50}
    nights.night(*people(4), **whole)
    nights.store.faults.add(Fault("status", "DELETE /contacts/tags", status=400))
    assert nights.night(*people(2), **whole).counts["not_removed"] == 2
    nights.store.faults.clear()
    third = nights.night(*people(2), membership="property", **whole)
    assert (third.code, third.counts["removed"]) == (0, 2), third.log
    assert nights.marked() == {"member0", "member1"}


def test_a_person_that_the_source_deleted_is_not_made_a_member_again(nights: Nights) -> None:
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com"), record("bob@example.com"))
    nights.store.faults.clear()
    strangers = [record(f"s{n}@example.com", _sdc_deleted_at="2026-01-01") for n in range(120)]
    gone = record("ann@example.com", _sdc_deleted_at="2026-01-01")
    second = nights.night(gone, *strangers, max_unconfirmed=100)  # too many to hold them all
    assert (second.code, second.counts["retried"]) == (0, 0), second.log
    assert sum(second.counts[name] for name in LAW) == second.counts["received"] == 121
    assert nights.tagged() == {"bob"}
    assert nights.night(record("cid@example.com")).counts["retried"] == 0
    assert nights.tagged() == {"bob", "cid"}


def test_a_person_of_a_batch_that_was_given_up_leaves_when_the_source_deletes_them(
    nights: Nights,
) -> None:
    nights.store.faults.add(Fault("stuck", seconds=90, times=1))
    first = nights.night(record("ann@example.com"), membership="property", confirm_timeout=60)
    assert (first.code, nights.marked()) == (5, {"ann"}), "Omnisend carried the batch out later"
    gone = record("ann@example.com", _sdc_deleted_at="2026-01-01")
    second = nights.night(gone, membership="property")
    assert (second.counts["retried"], second.counts["removed"]) == (0, 1), second.log
    assert nights.marked() == set()


def test_a_leaver_that_omnisend_will_not_let_go_is_tried_once_a_night(nights: Nights) -> None:
    whole = {"sync_mode": "mirror", "mirror_on": "end_of_stream"}
    nights.night(*people(6), **whole)
    nights.store.faults.add(Fault("status", "DELETE /contacts/tags", status=400))
    runs = [nights.night(*people(5), **whole) for _ in range(4)]
    assert [ran.counts["not_removed"] for ran in runs] == [1, 1, 1, 1]
    assert [ran.counts["retried"] for ran in runs] == [0, 1, 1, 1]
    assert [ran.calls["DELETE /contacts/tags"] for ran in runs] == [1, 1, 1, 1]


def test_to_retire_a_segment_sends_no_contact_and_none_later(nights: Nights) -> None:
    nights.store.faults.add(DOWN)
    nights.night(record("ann@example.com"), record("bob@example.com"))
    nights.store.faults.clear()
    retired = nights.retire("VIP", **nights.settings)
    assert (retired.code, retired.counts["removed"]) == (0, 1), retired.log
    assert retired.writes == {"DELETE /contacts/tags": 1}
    assert nights.night(record("cid@example.com")).counts["retried"] == 0
    assert nights.tagged() == {"cid"}
