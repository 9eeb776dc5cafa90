"""`create_contacts` and `max_new_contacts` by the real command, over real HTTP."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from support.command import Command, Ran
    from support.sandbox import Sandbox

MEMBERS, KNOWN = 130, 30
NEW = MEMBERS - KNOWN


@pytest.fixture(autouse=True)
def shop(sandbox: Sandbox) -> None:
    for number in range(KNOWN):
        sandbox.store.people.seed({"email": f"member{number}@example.com"}, time.time() - 1000)


def _run(command: Command, *more: str, **settings: Any) -> Ran:
    text = [schema(), *people(MEMBERS), state(at=1)]
    settings = {"quota_share": 0, "report_path": "report.json", **settings}
    return command.run(
        *("--config", command.config(**settings), *more),
        text=b"".join(json.dumps(message).encode() + b"\n" for message in text),
    )


def _writes(sandbox: Sandbox) -> int:
    return sum(n for call, n in sandbox.store.requests.counts.items() if not call.startswith("GET"))


def test_new_people_are_skipped(command: Command, sandbox: Sandbox) -> None:
    ran = _run(command, create_contacts=False)
    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert (ran.counts["accepted"], ran.counts["skipped"]) == (KNOWN, NEW)
    assert len(sandbox.store.contacts) == KNOWN
    assert command.rejects() == []
    totals = json.loads((command.folder / "report.json").read_text())["totals"]
    assert (totals["created"], totals["updated"], totals["skipped"]) == (0, KNOWN, NEW)


def test_a_run_within_the_limit_makes_them(command: Command, sandbox: Sandbox) -> None:
    ran = _run(command, max_new_contacts=NEW, verify="sample")
    assert (ran.code, ran.counts["accepted"], len(ran.states)) == (0, MEMBERS, 1), ran.log
    assert len(sandbox.store.contacts) == MEMBERS
    totals = json.loads((command.folder / "report.json").read_text())["totals"]
    assert (totals["created"], totals["updated"]) == (NEW, KNOWN)


def test_a_run_beyond_the_limit_sends_nothing(command: Command, sandbox: Sandbox) -> None:
    ran = _run(command, max_new_contacts=NEW - 1)
    assert (ran.code, ran.states, _writes(sandbox)) == (6, [], 0), ran.log
    assert ran.counts["not_sent"] == MEMBERS
    assert ran.errors[0].startswith(f"Too many people are new to Omnisend ({NEW} people")
    assert (command.folder / "report.json").exists()


@pytest.mark.slow  # the simulation has the same without processes
def test_members_of_the_ledger_are_not_looked_up(command: Command, sandbox: Sandbox) -> None:
    ledger = {"ledger_url": f"sqlite:///{command.folder}/ledger.db", "mapping": {"email": "email"}}
    assert _run(command, **ledger).code == 0
    before = sandbox.store.requests.counts["GET /contacts"]
    ran = _run(command, max_new_contacts=0, tags=["more"], **ledger)
    assert (ran.code, ran.counts["accepted"]) == (0, MEMBERS), ran.log
    assert sandbox.store.requests.counts["GET /contacts"] == before


@pytest.mark.slow  # the simulation has the same without processes
def test_members_of_the_ledger_wait_for_the_count_too(command: Command, sandbox: Sandbox) -> None:
    ledger = {"ledger_url": f"sqlite:///{command.folder}/ledger.db"}
    assert command(schema(), *people(KNOWN), **ledger).code == 0
    before = _writes(sandbox)
    ran = _run(command, max_new_contacts=0, tags=["more"], **ledger)
    assert (ran.code, ran.states, _writes(sandbox)) == (6, [], before), ran.log
    assert ran.counts["not_sent"] == MEMBERS


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"max_new_contacts": NEW - 1}, 6, "A run would send nothing"),
        ({"max_new_contacts": NEW}, 0, f"Omnisend does not have {NEW} of the people"),
        ({"create_contacts": False}, 0, f"{NEW} skipped"),
    ],
    ids=["beyond", "within", "skipped"],
)
def test_a_dry_run_counts_them(
    command: Command, sandbox: Sandbox, settings: dict[str, Any], code: int, words: str
) -> None:
    ran = _run(command, "--dry-run", **settings)
    assert (ran.code, ran.out, _writes(sandbox)) == (code, "", 0), ran.log
    assert words in ran.last
    assert len(sandbox.store.contacts) == KNOWN


@pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_a_key_that_cannot_read_contacts_ends_it(
    command: Command, sandbox: Sandbox, more: tuple[str, ...]
) -> None:
    sandbox.store.faults.add(Fault("status", "GET /contacts", status=403))
    ran = _run(command, *more, create_contacts=False)
    assert (ran.code, ran.states, _writes(sandbox)) == (3, [], 0), ran.log
    assert "scope contacts.read" in ran.errors[0]


@pytest.mark.slow  # the simulation has the same without processes
def test_a_deletion_makes_no_contact(command: Command, sandbox: Sandbox) -> None:
    deleted = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}
    ran = command(
        schema(_sdc_deleted_at={"type": ["string", "null"]}),
        record("member1@example.com", **deleted),
        record("stranger@example.com", **deleted),
        state(at=1),
        membership="property",
        create_contacts=False,
    )
    assert (ran.code, len(ran.states)) == (0, 1), ran.log
    assert (ran.counts["accepted"], ran.counts["skipped"]) == (1, 1)
    assert len(sandbox.store.contacts) == KNOWN
