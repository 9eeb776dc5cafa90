"""A person is the same in the records, in the ledger and in Omnisend's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

SPELLINGS = {
    "punycode": ("zoe@xn--mnchen-3ya.example", "zoe@xn--mnchen-3ya.example"),
    "decomposed": ("Zoe\u0308@example.com", "zoë@example.com"),
    "dotted capital": ("İPEK@EXAMPLE.COM", "ipek@example.com"),
    "spreadsheet's mark": ("'Zoe@example.com", "zoe@example.com"),
    "full-width domain": ("zoe@\uff45xample.com", "zoe@example.com"),
    "Kelvin sign": ("\u212aim@example.com", "\u212aim@example.com"),
}


@pytest.fixture
def mirror(tmp_path: Path) -> dict[str, Any]:
    return {
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "sync_mode": "mirror",
        "mirror_on": "end_of_stream",
        "max_removed_percent": 100,
        "max_rejected_percent": 100,
        "mapping": {
            "email": "email",
            "subscription_status": "consent",
            "subscription_changed_at": "at",
        },
    }


@pytest.mark.parametrize(("written", "sent"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_person_whose_record_is_rejected_stays_a_member_in_any_spelling(
    tmp_path: Path, mirror: dict[str, Any], written: str, sent: str
) -> None:
    night = Rehearsal(tmp_path)
    columns = schema(consent={}, at={})
    first = night(columns, *people(3), record(written), **mirror)
    assert (first.code, first.counts["accepted"]) == (0, 4)
    assert sent.partition("@")[0] in night.tagged()

    ran = night(columns, *people(3), record(written, consent="subscribed"), **mirror)

    assert (ran.counts["rejected"], ran.counts["removed"]) == (1, 0)
    assert sent.partition("@")[0] in night.tagged()


@pytest.mark.parametrize(("written", "sent"), SPELLINGS.values(), ids=SPELLINGS)
def test_an_answer_about_one_item_finds_its_person_in_any_spelling(
    tmp_path: Path, written: str, sent: str
) -> None:
    night = Rehearsal(tmp_path)
    night.store.faults.add(Fault("item_refused", email="member1@", code=422))
    ran = night(schema(), *people(3), record(written), max_rejected_percent=100)
    assert (ran.counts["accepted"], ran.counts["rejected"], ran.counts["created"]) == (3, 1, 3)
    assert sent.partition("@")[0] in night.tagged()
