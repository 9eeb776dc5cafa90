"""`--verify` and `verify: all`: the members in the ledger against those in Omnisend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema
from support.rehearsal import Rehearsal
from support.simulation import StoreClient

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.model import DEFAULT_KEY
from target_omnisend.waits import SPEED_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

    from target_omnisend.api.answers import Answer

READ = "GET /contacts"


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> dict[str, Any]:
    return {"ledger_url": f"sqlite:///{tmp_path}/ledger.db"}


def untag(night: Rehearsal, emails: Collection[str]) -> None:
    """Somebody takes the tag away in Omnisend."""
    night.store.seed({"email": email, "tags": ["other"]} for email in emails)


def emails(number: int, start: int = 0) -> list[str]:
    return [f"member{n}@example.com" for n in range(start, start + number)]


class Hiding(StoreClient):
    """Its pages lack people, who are there when they are looked up by address."""

    def __init__(self, night: Rehearsal, hidden: Callable[[int], Collection[str]]) -> None:
        super().__init__(night.store)
        self.hidden = hidden
        self.walks = 0

    def contacts(self, filters: Mapping[str, str], after: str | None = None) -> Answer:
        answer = super().contacts(filters, after)
        self.walks += after is None
        hidden = self.hidden(self.walks)
        shown = [one for one in answer.body["contacts"] if one["email"] not in hidden]
        answer.body["contacts"] = shown
        return answer


# -- what it finds ---------------------------------------------------------------------


def test_all_are_right(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(600), **ledger)
    ran = night.verify("VIP", **ledger)
    assert (ran.code, ran.verifications) == (0, {"VIP": (600, 0, 0, None)}), ran.log
    assert (ran.counts["verified"], ran.calls, ran.writes) == (600, {READ: 3}, {})
    assert "exit code 0; 600 right, 0 missing, 0 extra." in ran.log


def test_the_missing_are_sent_by_the_next_run(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(600), **ledger)
    untag(night, emails(3, 50))
    ran = night.verify("VIP", **ledger)
    assert (ran.code, ran.verifications) == (5, {"VIP": (597, 3, 0, None)}), ran.log
    assert "forgot the missing members" in ran.log
    again = night(schema(), *people(600), **ledger)
    assert (again.counts["accepted"], again.counts["unchanged"]) == (3, 597)
    assert night.verify("VIP", **ledger).code == 0
    assert len(night.tagged()) == 600


def test_the_extra_are_only_counted(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(4), **ledger)
    night.store.seed([{"email": "theirs@example.com", "tags": ["vip"]}])
    ran = night.verify("VIP", **ledger)
    assert (ran.code, ran.verifications) == (0, {"VIP": (4, 0, 1, None)}), ran.log
    assert len(night.store.contacts["theirs@example.com"].tags) == 1


def test_many_missing_are_counted_after_all_pages_came_twice(
    night: Rehearsal, ledger: dict[str, Any]
) -> None:
    night(schema(), *people(900), **ledger)
    untag(night, emails(600))
    began = night.now
    ran = night.verify("VIP", **ledger)
    assert (ran.code, ran.verifications) == (5, {"VIP": (300, 600, 0, None)}), ran.log
    assert ran.calls == {READ: 2 + 2 + 250}
    assert "more than 20 % of the members are missing" in ran.log
    assert night.now - began < 120 + 60 + 60
    assert night(schema(), *people(900), **ledger).counts["accepted"] == 600


# -- pages that cannot be believed -----------------------------------------------------


def test_a_member_that_no_page_had_is_looked_up(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(300), **ledger)
    client = Hiding(night, lambda _: emails(20))
    ran = night.verify("VIP", parts={"client": lambda *_: client}, **ledger)
    assert (ran.code, ran.verifications) == (0, {"VIP": (300, 0, 0, None)}), ran.log
    assert client.walks == 1


def test_members_that_only_the_second_pages_had(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(600), **ledger)
    client = Hiding(night, lambda walk: emails(500) if walk == 1 else emails(10))
    ran = night.verify("VIP", parts={"client": lambda *_: client}, **ledger)
    assert (ran.code, ran.verifications) == (0, {"VIP": (600, 0, 0, None)}), ran.log
    assert client.walks == 2


def test_pages_that_lack_most_members_cost_no_member(
    night: Rehearsal, ledger: dict[str, Any]
) -> None:
    night(schema(), *people(600), **ledger)
    client = Hiding(night, lambda _: emails(500))
    ran = night.verify("VIP", parts={"client": lambda *_: client}, **ledger)
    assert (ran.code, ran.verifications) == (1, {}), ran.log
    assert "lack members that Omnisend has: 250 of 250 looked up by address" in ran.log
    assert night(schema(), *people(600), **ledger).counts["unchanged"] == 600


def test_a_page_that_never_comes_costs_no_member(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(600), **ledger)
    night.store.faults.add(Fault("status", READ, status=400, skip=1))
    ran = night.verify("VIP", **ledger)
    assert (ran.code, "Omnisend does not list its contacts (400)" in ran.log) == (1, True)
    assert night(schema(), *people(600), **ledger).counts["unchanged"] == 600


# -- how the segment shows -------------------------------------------------------------


def test_a_property_without_a_segment_is_looked_for_in_the_whole_store(
    night: Rehearsal, ledger: dict[str, Any]
) -> None:
    more = {"membership": "property", **ledger}
    night.store.seed({"email": f"other{n}@example.com"} for n in range(1_000))
    night(schema(), *people(150), **more)
    night.store.seed([{"email": emails(1)[0], "customProperties": {"segment_vip": False}}])
    ran = night.verify("VIP", **more)
    assert (ran.code, ran.verifications) == (5, {"VIP": (149, 1, 0, None)}), ran.log
    assert "Omnisend cannot filter by" in ran.log
    assert ran.calls[READ] >= 5


def test_a_property_with_a_segment_is_read_from_that(
    night: Rehearsal, ledger: dict[str, Any]
) -> None:
    more = {"membership": "property", "create_segment": True, **ledger}
    night.store.seed({"email": f"other{n}@example.com"} for n in range(1_000))
    night(schema(), *people(150), **more)
    ran = night.verify("VIP", **more)
    assert (ran.code, ran.verifications) == (0, {"VIP": (150, 0, 0, 150)}), ran.log
    assert ran.calls == {READ: 1, "GET /segments": 1, "GET /segments/{id}/statistics": 1}
    assert "own segment 'VIP' counts 150 contacts; 150 contacts have" in ran.log


def test_the_count_of_a_segment_over_a_tag(night: Rehearsal, ledger: dict[str, Any]) -> None:
    more = {"create_segment": True, **ledger}
    night(schema(), *people(5), **more)
    night.store.seed([{"email": "theirs@example.com", "tags": ["VIP"]}])
    ran = night.verify("VIP", **more)
    assert (ran.code, ran.verifications) == (0, {"VIP": (5, 0, 1, 6)}), ran.log


@pytest.mark.parametrize("membership", ["property", "none"])
def test_a_membership_that_was_never_given_costs_no_member(
    night: Rehearsal, ledger: dict[str, Any], membership: str
) -> None:
    night(schema(), *people(5), **ledger)
    ran = night.verify("VIP", membership=membership, **ledger)
    assert (ran.code, ran.calls) == (3, {}), ran.log
    assert "Set 'membership' to what it was" in ran.log
    assert night(schema(), *people(5), **ledger).counts["unchanged"] == 5


def test_a_segment_that_the_ledger_does_not_know(night: Rehearsal, ledger: dict[str, Any]) -> None:
    assert "Name one that it knows: none yet." in night.verify("VIP", **ledger).log
    night(schema(), *people(5), **ledger)
    ran = night.verify("VIPs", **ledger)
    assert (ran.code, "no segment 'VIPs'. Name one that it knows: 'VIP'." in ran.log) == (3, True)


def test_without_a_ledger(night: Rehearsal) -> None:
    ran = night.verify("VIP")
    assert (ran.code, "--verify needs the setting 'ledger_url'." in ran.log) == (3, True)


def test_a_key_that_cannot_read_contacts(tmp_path: Path, ledger: dict[str, Any]) -> None:
    scopes = ["contacts.write", "brands.read"]
    night = Rehearsal(tmp_path, keys={DEFAULT_KEY: scopes})
    night(schema(), *people(5), **ledger)
    ran = night.verify("VIP", **ledger)
    assert (ran.code, "Give it the scope contacts.read" in ran.log) == (3, True), ran.log
    ran = night(schema(), *people(5), verify="all", **ledger)
    assert (ran.code, ran.counts["unchanged"], ran.verifications) == (0, 5, {})
    assert "Give it the scope contacts.read" in ran.log


# -- after each run --------------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 400])
def test_tags_that_show_late_are_not_missing(
    night: Rehearsal, ledger: dict[str, Any], number: int
) -> None:
    night.store.faults.add(Fault("tags_late", seconds=50))
    ran = night(schema(), *people(number), verify="all", **ledger)
    assert (ran.code, ran.verifications) == (0, {"VIP": (number, 0, 0, None)}), ran.log


def test_tags_that_show_no_more_are_missing(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(10), verify="all", **ledger)
    for contact in night.store.contacts.values():
        contact.tags = ()
    ran = night(schema(), *people(10), verify="all", **ledger)
    assert (ran.code, ran.verifications) == (5, {"VIP": (0, 10, 0, None)}), ran.log
    assert "exit code 5; 10 members are missing in Omnisend and the ledger forgot them;" in ran.log
    ran = night(schema(), *people(10), verify="all", **ledger)
    assert (ran.code, ran.counts["accepted"], ran.counts["verified"]) == (0, 10, 10)


def test_each_segment_of_the_run_is_looked_at_once(
    night: Rehearsal, ledger: dict[str, Any]
) -> None:
    streams = {
        "a": {"segment": "A"},
        "b": {"segment": "A"},
        "c": {"segment": "C", "membership": "none"},
    }
    messages = [m for s in "abc" for m in (schema(s), record(f"{s}@example.com", s))]
    ran = night(*messages, streams=streams, verify="all", **ledger)
    assert (ran.code, ran.verifications) == (0, {"A": (2, 0, 0, None)}), ran.log
    assert {name: one["verified"] for name, one in ran.streams.items()} == {"a": 2, "b": 0, "c": 0}
    assert ran.calls[READ] == 1 + 2 * 2, "one page, and two looks at each person of the sample"


def test_a_run_that_fails_is_not_followed_by_a_look(
    night: Rehearsal, ledger: dict[str, Any]
) -> None:
    ran = night(schema(), *people(5), b"no JSON", verify="all", **ledger)
    assert (ran.code, ran.verifications) == (1, {})
    assert ran.calls[READ] == 2 * 5, "of the sample alone"


# -- the command -----------------------------------------------------------------------


def test_the_command(command: Command, sandbox: Sandbox, ledger: dict[str, Any]) -> None:
    command(schema(), *people(300), **ledger)
    sandbox.store.seed({"email": email, "tags": []} for email in emails(2))
    calls = sandbox.store.requests.counts.copy()

    ran = command.run(
        *("--config", command.config(report_path="report.json", **ledger)),
        *("--verify", "VIP"),
        variables={SPEED_VARIABLE: "200"},
    )

    assert (ran.code, ran.out) == (5, ""), ran.log
    assert "Verify, segment 'VIP': exit code 5; 298 right, 2 missing, 0 extra; " in ran.last
    assert set(sandbox.store.requests.counts - calls) == {"GET /brands/current", READ}
    report = json.loads((command.folder / "report.json").read_text())
    found = {"right": 298, "missing": 2, "extra": 0, "counted": None}
    assert report["verification"] == {"VIP": found}
    assert (report["totals"]["verified"], report["streams"]["VIP"]["verified"]) == (298, 298)
    assert report["run"]["outcome"] == "some members are missing in Omnisend"
    assert any("2 of 300 members are missing" in step for step in report["next"])
    page = (command.folder / "report.html").read_text()
    assert "Some members are missing in Omnisend" in page
    assert "298 members right, 2 missing, 0 extra." in page
    again = command(schema(), *people(300), report_path="report.json", **ledger)
    assert (again.counts["accepted"], again.counts["unchanged"]) == (2, 298)
    assert command.run("--config", command.config(**ledger), "--verify", "VIP").code == 0


@pytest.mark.parametrize("other", [["--check"], ["--dry-run"], ["--retire", "VIP"]])
@pytest.mark.slow  # a process for each
def test_options_that_do_not_go_together(command: Command, other: list[str]) -> None:
    ran = command.run("--config", command.config(), "--verify", "VIP", *other)
    assert (ran.code, "do not go together" in ran.log) == (2, True)


def test_a_signal_ends_it_at_once(night: Rehearsal, ledger: dict[str, Any]) -> None:
    night(schema(), *people(600), **ledger)
    untag(night, emails(5))
    began = night.now
    ran = night.verify("VIP", stop_after=10.0, **ledger)
    assert (ran.code, ran.verifications) == (143, {}), ran.log
    assert "stopped by a signal" in ran.log
    assert night.now - began < 10 + 5 + 120
    assert night(schema(), *people(600), **ledger).counts["unchanged"] == 600
