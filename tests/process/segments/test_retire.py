"""`--retire`: a segment's membership is taken back from all who have it from this target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.command import people, schema
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def test_the_command(command: Command, sandbox: Sandbox, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    sandbox.store.seed([{"email": "theirs@example.com", "tags": ["VIP"]}])
    command(schema(), *people(300), ledger_url=url)
    calls = sandbox.store.requests.counts.copy()
    other = {"segment": "Another", "ledger_url": url}

    dry = command.run("--config", command.config(**other), "--retire", "VIP", "--dry-run")
    assert (dry.code, dry.counts["removed"]) == (0, 300), dry.log
    assert "has 300 members by this target" in dry.log
    assert "batch calls: 0, tag calls: 2" in dry.log
    assert "Dry run, segment 'VIP', stream 'VIP'" in dry.log
    assert sandbox.store.requests.counts - calls == {"GET /brands/current": 1}

    ran = command.run("--config", command.config(ledger_url=url), "--retire", "VIP")
    assert (ran.code, ran.out, ran.counts["removed"]) == (0, "", 300), ran.log
    assert sandbox.store.requests.counts["DELETE /contacts/tags"] == 2
    tagged = [c.email for c in sandbox.store.contacts.values() if "VIP" in c.tags]
    assert tagged == ["theirs@example.com"]

    again = command.run("--config", command.config(ledger_url=url), "--retire", "VIP")
    assert (again.code, again.counts["removed"]) == (0, 0), again.log
    assert "Segment 'VIP' has 0 members by this target." in again.log
    assert command(schema(), *people(300), ledger_url=url).counts["accepted"] == 300


def test_a_property_is_cleared(night: Rehearsal, url: str) -> None:
    more = {"membership": "property", "ledger_url": url}
    night(schema(), *people(150), **more)
    ran = night.retire("VIP", **more)
    assert (ran.code, ran.counts["removed"], ran.writes) == (0, 150, {"POST /batches": 2})
    assert night.marked() == set()
    left = night.store.contacts.values()
    assert [contact.properties for contact in left] == [{"segment_vip": False}] * 150


def test_a_segment_of_a_stream_of_its_own(night: Rehearsal, url: str) -> None:
    streams = {"a": {"segment": "Old", "membership": "property"}}
    more = {"streams": streams, "ledger_url": url}
    night(schema("a"), *[{**m, "stream": "a"} for m in people(3)], **more)
    night(schema(), *people(3), ledger_url=url)
    assert night.retire("Old", **more).counts["removed"] == 3
    assert (night.marked("segment_old"), len(night.tagged())) == (set(), 3)


def test_an_unknown_segment_names_those_there_are(night: Rehearsal, url: str) -> None:
    night(schema(), *people(3), ledger_url=url)
    ran = night.retire("VIPs", ledger_url=url)
    assert (ran.code, ran.writes) == (3, {})
    assert "no members of a segment 'VIPs'; it knows 'VIP' (3)." in ran.log


def test_without_a_ledger(night: Rehearsal) -> None:
    ran = night.retire("VIP")
    assert (ran.code, ran.writes, "needs the setting 'ledger_url'" in ran.log) == (3, {}, True)


def test_what_was_interrupted_goes_on(night: Rehearsal, url: str) -> None:
    night(schema(), *people(600), ledger_url=url)
    night.store.faults.add(Fault("status", "DELETE /contacts/tags", status=410, skip=1, times=1))
    assert night.retire("VIP", ledger_url=url).code == 3
    left = night.retire("VIP", ledger_url=url)
    assert (left.code, left.counts["removed"]) in [(0, 250), (0, 350)]  # the third call
    assert night.tagged() == set()


def test_without_anything_that_shows_membership_nothing_is_taken_back(
    night: Rehearsal, tmp_path: Path
) -> None:
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    night(schema(), *people(4), ledger_url=ledger)
    ran = night.retire("VIP", ledger_url=ledger, membership="none")
    assert (ran.code, len(night.tagged())) == (3, 4)
    assert "set 'membership' to what it was" in ran.log
