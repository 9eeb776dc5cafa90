"""Only what changed is sent, and everything again where the ledger cannot vouch for it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

COLUMNS = schema(name={"type": ["string", "null"]})
NAMED: dict[str, Any] = {"mapping": {"email": "email", "first_name": "name"}}


def named(number: int, name: str = "Ada", start: int = 0) -> list[dict[str, Any]]:
    return [record(f"member{n}@example.com", name=name) for n in range(start, start + number)]


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def test_an_unchanged_rerun_writes_nothing(command: Command, sandbox: Sandbox, url: str) -> None:
    messages = [schema(), *people(300), state(night=1)]
    assert command(*messages, ledger_url=url, report_path="report.json").code == 0
    calls = sandbox.store.requests.counts.copy()

    ran = command(*messages, ledger_url=url)

    assert (ran.code, ran.states) == (0, [{"night": 1}]), ran.log
    assert "300 unchanged" in ran.log
    assert sandbox.store.requests.counts - calls == {"GET /brands/current": 1}


def test_each_state_of_an_unchanged_rerun_may_leave(night: Rehearsal, url: str) -> None:
    messages = [schema(), *people(150), state(a=1), *people(150, 150), state(a=2)]
    night(*messages, ledger_url=url)
    ran = night(*messages, ledger_url=url)
    assert (ran.code, ran.states[-1], ran.calls) == (0, {"a": 2}, {})
    assert ran.counts["unchanged"] == 300


@pytest.mark.parametrize("changed", [1, 100, 101, 250])
def test_what_changed_costs_a_call_for_each_hundred(
    night: Rehearsal, url: str, changed: int
) -> None:
    night(COLUMNS, *named(1_000), ledger_url=url, **NAMED)

    ran = night(
        COLUMNS,
        *named(changed, "Eve"),
        *named(1_000 - changed, start=changed),
        ledger_url=url,
        **NAMED,
    )

    assert ran.writes == {"POST /batches": math.ceil(changed / 100)}
    assert (ran.counts["accepted"], ran.counts["unchanged"]) == (changed, 1_000 - changed)
    assert ran.counts["tagged"] == 0
    assert sum(c.first_name == "Eve" for c in night.store.contacts.values()) == changed


def test_there_and_back_again_are_two_changes(night: Rehearsal, url: str) -> None:
    for name, unchanged in [("Ada", 0), ("Eve", 0), ("Ada", 0), ("Ada", 3)]:
        ran = night(COLUMNS, *named(3, name), ledger_url=url, **NAMED)
        assert ran.counts["unchanged"] == unchanged
        assert {c.first_name for c in night.store.contacts.values()} == {name}


def test_there_and_back_again_within_one_run(night: Rehearsal, url: str) -> None:
    night(COLUMNS, *named(100), ledger_url=url, **NAMED)
    ran = night(
        COLUMNS, *named(100, "Eve"), *named(100), ledger_url=url, batch_size_rows=100, **NAMED
    )
    assert (ran.counts["accepted"], ran.counts["unchanged"]) == (200, 0)
    assert {c.first_name for c in night.store.contacts.values()} == {"Ada"}


@pytest.mark.parametrize("seconds", [1.0, 2.0, 2.4])
def test_who_is_as_before_a_run_that_died_is_sent_again(
    night: Rehearsal, url: str, seconds: float
) -> None:
    night(COLUMNS, *named(150), ledger_url=url, **NAMED)
    assert night(COLUMNS, *named(150, "Eve"), kill_after=seconds, ledger_url=url, **NAMED).code < 0

    ran = night(COLUMNS, *named(150), ledger_url=url, **NAMED)

    assert (ran.code, ran.counts["tagged"]) == (0, 0)
    assert {c.first_name for c in night.store.contacts.values()} == {"Ada"}


def test_who_is_as_before_an_unconfirmed_batch_is_sent_again(night: Rehearsal, url: str) -> None:
    night(COLUMNS, *named(3), ledger_url=url, **NAMED)
    night.store.faults.add(Fault("stuck", times=1, seconds=500.0))
    ran = night(COLUMNS, *named(3, "Eve"), ledger_url=url, confirm_timeout=60, **NAMED)
    assert (ran.code, ran.states) == (5, [])
    night.now += 1_000.0  # carried out after all

    assert night(COLUMNS, *named(3), ledger_url=url, **NAMED).counts["accepted"] == 3
    assert {c.first_name for c in night.store.contacts.values()} == {"Ada"}


def test_the_refused_are_tried_again(night: Rehearsal, url: str) -> None:
    night.store.faults.add(Fault("item_refused", email="member1@", code=422))
    for _ in range(2):
        ran = night(schema(), *people(3), record("nobody"), ledger_url=url)
        assert (ran.counts["rejected"], ran.code) == (2, 0)
    assert ran.writes == {"POST /batches": 1, "POST /contacts/tags": 1}  # the tag check's
    night.store.faults.clear()
    assert night(schema(), *people(3), ledger_url=url).counts["unchanged"] == 2
    assert night(schema(), *people(3), ledger_url=url).counts["unchanged"] == 3


def test_the_unconfirmed_are_sent_again(night: Rehearsal, url: str) -> None:
    night.store.faults.add(Fault("stuck", times=1))
    ran = night(schema(), *people(150), state(a=1), ledger_url=url, confirm_timeout=60)
    assert (ran.code, ran.counts["unconfirmed"], ran.states) == (5, 100, [])
    ran = night(schema(), *people(150), state(a=1), ledger_url=url)
    assert (ran.counts["accepted"], ran.counts["unchanged"]) == (100, 50)


def test_those_whose_tag_call_was_not_taken_are_sent_again(night: Rehearsal, url: str) -> None:
    ran = night(schema(), *people(150), state(a=1), ledger_url=url, stop_after=2.4)
    assert (ran.code, ran.states) in [(143, []), (143, [{"a": 1}])]
    assert night.tagged() == {f"member{n}" for n in range(150)} or ran.states == []
    assert night(schema(), *people(150), ledger_url=url).code == 0
    assert len(night.tagged()) == 150


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("mapping", {"mapping": {"email": "email", "city": "name"}}),
    ("custom_properties", {"custom_properties": {"called": "name"}}),
    ("tags", {"tags": ["more"]}),
    ("membership", {"membership": "property"}),
    ("send_welcome_message", {"send_welcome_message": True}),
    ("null_policy", {"null_policy": "clear"}),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[name for name, _ in CHANGES])
def test_a_setting_that_decides_what_is_sent_sends_everything(
    night: Rehearsal, url: str, name: str, change: dict[str, Any]
) -> None:
    night(COLUMNS, *named(20), ledger_url=url, **NAMED)
    settings = {**NAMED, **change, "ledger_url": url}

    ran = night(COLUMNS, *named(20), **settings)

    assert ran.counts["accepted"] == 20
    assert re.search(f"everything is sent again, because .*'{name}'.* changed", ran.log)
    tagged = 0 if name == "membership" else 20
    assert ran.counts["tagged"] == tagged
    again = night(COLUMNS, *named(20), **settings)
    assert (again.counts["unchanged"], "sent again" in again.log) == (20, False)


def test_a_default_consent_is_such_a_setting(night: Rehearsal, url: str) -> None:
    columns = schema(at={"type": "string"})
    messages = [columns, record("member1@example.com", at="2026-01-02T03:04:05Z")]
    mapping = {"email": "email", "subscription_changed_at": "at"}
    night(*messages, ledger_url=url, mapping=mapping)
    ran = night(*messages, ledger_url=url, mapping=mapping, subscription_status="subscribed")
    assert "'subscription_status' has changed" in ran.log
    assert night.store.contacts["member1@example.com"].email_status == "subscribed"


def test_a_setting_that_decides_nothing_sends_nothing(night: Rehearsal, url: str) -> None:
    night(schema(), *people(20), ledger_url=url)
    ran = night(schema(), *people(20), ledger_url=url, quota_share=0.5, max_unconfirmed=100)
    assert (ran.writes, ran.counts["unchanged"]) == ({}, 20)


def test_a_full_refresh_sends_everything_once(night: Rehearsal, url: str) -> None:
    night(schema(), *people(20), ledger_url=url)
    ran = night(schema(), *people(20), ledger_url=url, full_refresh=True)
    assert (ran.counts["accepted"], ran.counts["tagged"]) == (20, 20)
    assert night(schema(), *people(20), ledger_url=url).counts["unchanged"] == 20


def test_segments_and_brands_do_not_know_each_others_members(night: Rehearsal, url: str) -> None:
    night(schema(), *people(20), ledger_url=url)
    assert night(schema(), *people(20), ledger_url=url, segment="Other").counts["unchanged"] == 0
    assert night(schema(), *people(20), ledger_url=url).counts["unchanged"] == 20
