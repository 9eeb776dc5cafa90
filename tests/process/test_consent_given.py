"""Consent on its way through the whole target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = schema(consent={}, at={}, first={})
MAPPED: dict[str, Any] = {
    "max_rejected_percent": 100,
    "mapping": {
        "email": "email",
        "first_name": "first",
        "subscription_status": "consent",
        "subscription_changed_at": "at",
    },
}


@pytest.fixture
def target(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def test_a_column_of_unknown_words_is_said_in_a_line_of_its_own(target: Rehearsal) -> None:
    words = ["yes", "yes", "yes", "subscribed", "no", None]
    people = [
        record(f"m{n}@example.com", consent=word, at="2024-02-03 04:05:06 UTC")
        for n, word in enumerate(words)
    ]
    ran = target(COLUMNS, *people, **MAPPED)
    assert (ran.code, ran.counts["accepted"]) == (0, 6)
    said = "column 'consent' was left out of 3 of 5 records (subscription_status_unknown)"
    assert said in ran.log
    assert "column 'consent'" not in target(COLUMNS, *people[1:], **MAPPED).log


def test_a_date_that_cannot_be_read_shows_its_form_in_the_rejects_and_nothing_else(
    target: Rehearsal, tmp_path: Path
) -> None:
    ran = target(COLUMNS, record("m@example.com", consent="subscribed", at="31/12/2023"), **MAPPED)
    assert ran.counts["rejected"] == 1
    (file,) = (tmp_path / "rejects").glob("*.jsonl")
    message = json.loads(file.read_bytes().splitlines()[-1])["rejection"]["message"]
    assert "99/99/9999" in message
    assert "2024-05-31 07:08:09.123 +0200" in message


# -- several records of a person -------------------------------------------------------

OUT = record("m@example.com", first="Mia", last="Adler", consent="no", at="2025-06-01")
IN = record("m@example.com", first="Mia B.", last="", consent="subscribed", at="2025-01-01")


def only_person(target: Rehearsal) -> Any:
    target.store.advance()
    (person,) = target.store.contacts.values()
    return person.first_name, person.email_status, person.as_json([])["statuses"][0]


@pytest.mark.parametrize("records", [(OUT, IN), (IN, OUT)], ids=["out, in", "in, out"])
def test_of_a_persons_records_the_newest_status_goes_out_and_the_last_name(
    target: Rehearsal, tmp_path: Path, records: Any
) -> None:
    settings = {**MAPPED, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
    ran = target(COLUMNS, *records, **settings)
    assert (ran.counts["accepted"], ran.counts["duplicates"]) == (1, 1)
    name, status, channel = only_person(target)
    assert (name, status) == (records[1]["record"]["first"], "unsubscribed")
    assert channel["statusChangedAt"] == "2025-06-01T00:00:00.000Z"

    again = target(COLUMNS, *records, **settings)
    assert (again.counts["unchanged"], again.counts["duplicates"]) == (1, 1)


def test_a_merged_contact_that_is_sent_again_is_still_the_merged_one(target: Rehearsal) -> None:
    target.store.faults.add(Fault("item_flaky", email="m@", code=500, failures=2))
    ran = target(COLUMNS, OUT, IN, **MAPPED)
    assert ran.counts["accepted"] == 1
    assert only_person(target)[:2] == ("Mia B.", "unsubscribed")


def test_a_merged_contact_that_omnisend_refuses_leaves_the_record_with_the_status_too(
    target: Rehearsal, tmp_path: Path
) -> None:
    target.store.faults.add(Fault("item_refused", email="m@", code=422))
    ran = target(COLUMNS, OUT, IN, **MAPPED)
    assert (ran.counts["rejected"], ran.counts["duplicates"]) == (2, 0)
    (file,) = (tmp_path / "rejects").glob("*.jsonl")
    target.store.faults.clear()

    target(*file.read_bytes().splitlines(), **MAPPED)
    assert only_person(target)[:2] == ("Mia B.", "unsubscribed")


def test_no_state_passes_a_record_whose_status_a_later_one_carries(target: Rehearsal) -> None:
    target.store.faults.add(Fault("item_flaky", email="m@", code=500, failures=99))
    ran = target(COLUMNS, OUT, state(read=1), IN, state(read=2), stop_after=5.0, **MAPPED)
    assert (ran.code, ran.states) == (143, [])


@pytest.mark.parametrize("membership", ["tag", "property"])
def test_an_opt_out_arrives_although_the_person_is_deleted_after_it(
    target: Rehearsal, tmp_path: Path, membership: str
) -> None:
    settings = {**MAPPED, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
    settings |= {"membership": membership, "max_removed_percent": 100}
    target(COLUMNS, IN, state(read=1), **settings)
    gone = record("m@example.com", _sdc_deleted_at="2025-06-02T00:00:00Z")
    ran = target(COLUMNS, OUT, gone, state(read=2), **settings)
    assert (ran.code, ran.states, ran.counts["removed"]) == (0, [{"read": 2}], 1), ran.log
    assert only_person(target)[1] == "unsubscribed"
    (person,) = target.store.contacts.values()
    assert "VIP" not in person.tags
    assert not (person.properties or {}).get("segment_vip")
