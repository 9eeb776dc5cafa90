"""Omnisend rejects a contact for one of its values: it arrives without that value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import Command, record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.sandbox import Sandbox

TEXT = {"type": ["string", "null"]}
COLUMNS: dict[str, Any] = dict.fromkeys(("tel", "born", "sex", "land", "tier", "town"), TEXT)
MAPPED = {
    "mapping": {
        "email": "email",
        "phone": "tel",
        "birthdate": "born",
        "gender": "sex",
        "country": "land",
        "city": "town",
    },
    "custom_properties": {"Tier": "tier"},
}
FULL = {
    "tel": "+442079460018",
    "born": "1990-12-31",
    "sex": "f",
    "land": "GB",
    "tier": "gold",
    "town": "Hull",
}
FIELDS = {
    "phone": Fault("refuses_phones"),
    "birthdate": Fault("refuses_field", field="birthdate"),
    "gender": Fault("refuses_field", field="gender"),
    "country": Fault("refuses_field", field="countryCode"),
    "city": Fault("refuses_field", field="city"),
    "property": Fault("refuses_field", field="customProperties.Tier"),
}


def _has(contact: Any, name: str) -> bool:
    held = {
        "phone": contact.phone,
        "birthdate": contact.birthdate,
        "gender": contact.gender,
        "country": contact.country_code,
        "city": contact.city,
        "property": (contact.properties or {}).get("Tier"),
    }
    return bool(held[name])


CASES = [(name, shape) for name in FIELDS for shape in (None, "fields")]
CASES += [(name, "string") for name in ("phone", "birthdate", "gender", "country")]
"""A sentence alone names these and no others."""


@pytest.fixture
def rehearsal(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


@pytest.mark.parametrize("membership", ["tag", "property"])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_contact_arrives_without_the_value_that_omnisend_rejects(
    rehearsal: Rehearsal, name: str, shape: Any, membership: str
) -> None:
    rehearsal.store.faults.add(FIELDS[name])
    if shape:
        rehearsal.store.faults.add(Fault("answers", shape=shape))
    people = [record("member1@example.com", **FULL), record("member2@example.com")]
    ran = rehearsal(schema(**COLUMNS), *people, state(at=1), membership=membership, **MAPPED)
    assert (ran.code, ran.counts["accepted"], ran.states) == (0, 2, [{"at": 1}]), ran.log
    assert (ran.counts["warnings"], ran.counts["rejected"]) == (1, 0)
    contact = rehearsal.store.contacts["member1@example.com"]
    assert [one for one in FIELDS if not _has(contact, one)] == [name]
    shown = contact.tags if membership == "tag" else (contact.properties or {})
    assert {"tag": "VIP", "property": "segment_vip"}[membership] in shown
    assert len(rehearsal.store.batches) == 2


def test_a_batch_of_which_every_value_is_rejected_ends_nothing(rehearsal: Rehearsal) -> None:
    rehearsal.store.faults.add(FIELDS["birthdate"])
    people = [record(f"member{n}@example.com", born="1990-12-31") for n in range(250)]
    ran = rehearsal(schema(**COLUMNS), *people, **MAPPED)
    assert (ran.code, ran.counts["accepted"], ran.counts["warnings"]) == (0, 250, 250)
    assert len(rehearsal.store.batches) == 6


def test_several_values_cost_a_try_each(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(*FIELDS.values())
    ran = command(schema(**COLUMNS), record("member1@example.com", **FULL), **MAPPED)
    assert (ran.code, ran.counts["accepted"], ran.counts["left_out"]) == (0, 1, 6), ran.log
    assert len(sandbox.store.batches) == 5, "three values, then all the rest at once"


def test_a_contact_that_is_rejected_bare_too_is_kept_as_it_came(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("refuses_phones"), Fault("item_refused", email="member1@"))
    people = [record(f"member{n}@example.com", **FULL) for n in range(1, 3)]
    ran = command(schema(**COLUMNS), *people, **MAPPED)
    assert (ran.counts["accepted"], ran.counts["rejected"]) == (1, 1), ran.log
    (kept,) = [one for one in command.rejects() if one["type"] == "RECORD"]
    assert kept["record"] == {"email": "member1@example.com", **FULL}
    assert kept["rejection"]["code"] == "omnisend_refused"


def test_the_next_run_takes_it_for_unchanged(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(FIELDS["phone"])
    one, more = record("member1@example.com", **FULL), {"ledger_url": "sqlite:///ledger.db"}
    first = command(schema(**COLUMNS), one, **MAPPED, **more)
    again = command(schema(**COLUMNS), one, **MAPPED, **more)
    assert (first.counts["accepted"], again.counts["unchanged"]) == (1, 1)


def test_the_report_names_the_code(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(FIELDS["phone"])
    path = command.folder / "report.json"
    one = record("member1@example.com", **FULL)
    command(schema(**COLUMNS), one, report_path=str(path), **MAPPED)
    report = json.loads(path.read_text())
    assert report["totals"]["warnings"] == 1
    assert report["warnings"] == {"omnisend_refused_value": 1}
