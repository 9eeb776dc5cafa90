"""What ends a run early or badly: the exit code, and one sentence that says what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox


@pytest.mark.parametrize(
    ("sandbox", "settings", "words"),
    [
        ({}, {"api_key": "another-key"}, ["does not accept the API key", "'api_key'"]),
        ({"keys": {"sandbox-key": []}}, {}, ["scopes contacts.read and contacts.write"]),
        ({"retired": ["2026-03-15"]}, {}, ["retired this API version", "'api_version'"]),
    ],
    indirect=["sandbox"],
    ids=["401", "403", "410"],
)
def test_a_key_or_version_that_will_not_do_ends_it_before_stdin_is_read(
    command: Command, sandbox: Sandbox, settings: dict[str, Any], words: list[str]
) -> None:
    ran = command.run("--config", command.config(**settings), text=None)

    assert ran.code == 3
    (error,) = ran.errors
    assert [word for word in words if word not in error] == []
    assert "another-key" not in ran.log
    assert sandbox.store.batches == []


@pytest.mark.parametrize(
    ("sandbox", "words"),
    [
        ({"keys": {"sandbox-key": ["brands.read", "contacts.read"]}}, ["contacts.write"]),
        ({"max_contacts": 300}, ["plan takes no more contacts"]),
        ({"max_contacts": 0, "when_full": "403-items"}, ["every contact", "plan"]),
    ],
    indirect=["sandbox"],
    ids=["403 on writing", "402", "403 on each item"],
)
def test_what_refuses_everybody_ends_the_run(
    command: Command, sandbox: Sandbox, words: list[str]
) -> None:
    ran = command(schema(), *people(900), state(at=1), membership="property")

    assert (ran.code, ran.states) == (3, []), ran.log
    (error,) = ran.errors
    assert [word for word in words if word not in error] == []
    assert command.rejects() == [], "another run may succeed"
    assert len(sandbox.store.batches) <= 10


def test_an_address_without_an_api_is_told(command: Command, sandbox: Sandbox) -> None:
    ran = command.run("--config", command.config(api_url=f"{sandbox.url}/other"), text=None)

    assert ran.code == 3
    assert "'api_url'" in ran.errors[0]


def test_a_key_that_may_not_read_the_brand_will_do(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(Fault("status", "GET /brands/current", status=403))
    assert command(schema(), *people(3), membership="property").code == 0
    assert sandbox.store.requests.counts["GET /contacts"] == 1


def test_a_source_that_brings_its_bad_records_first_is_read_to_its_end(command: Command) -> None:
    bad = [record("nobody")] * 120
    ran = command(schema(), *bad, *people(1200), state(at=1), membership="property")

    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert (ran.counts["received"], ran.counts["rejected"]) == (1320, 120)


def test_too_many_rejected_records_are_judged_at_the_end(command: Command) -> None:
    bad = [record("nobody")] * 12
    ran = command(schema(), *people(88), *bad, membership="property")

    assert (ran.code, ran.counts["received"]) == (4, 100), ran.log
    assert "max_rejected_percent (10 %)" in ran.errors[0]
    assert command.rejections()["email_invalid"] == 12


def test_a_run_ends_early_when_most_of_the_first_thousand_are_rejected(
    command: Command, sandbox: Sandbox
) -> None:
    bad = [record("nobody")] * 600
    ran = command(schema(), *people(400), *bad, state(at=1), *people(5000, start=400))

    assert ran.code == 4
    assert ran.counts["received"] < 1100
    assert "max_rejected_percent (10 %)" in ran.errors[0]
    assert sandbox.store.welcome_messages == []


@pytest.mark.parametrize("records", [1, 2, 99])
@pytest.mark.parametrize("percent", [0, 10, 100])
def test_a_run_of_which_nothing_arrives_fails_and_emits_no_state(
    command: Command, records: int, percent: int
) -> None:
    messages = [m for n in range(records) for m in (record("nobody"), state(at=n))]
    ran = command(schema(), *messages, max_rejected_percent=percent)

    assert (ran.code, ran.states) == (4, []), ran.log
    assert "Omnisend has none of the records" in ran.errors[0]
    assert command.rejections() == {"email_invalid": records}


def test_omnisend_may_be_the_one_that_rejects_all(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(Fault("item_refused", code=400))
    ran = command(schema(), *people(7), state(at=1), membership="property")

    assert (ran.code, ran.states) == (4, []), ran.log
    assert command.rejections() == {"omnisend_refused": 7}


def test_one_record_that_arrives_lets_the_states_leave(command: Command) -> None:
    messages = [schema(), record("nobody"), state(at=1), *people(1), state(at=2)]
    ran = command(*messages, membership="property")

    assert (ran.code, ran.states) == (0, [{"at": 2}]), ran.log


def test_one_unchanged_record_will_do(command: Command, tmp_path: Path) -> None:
    settings = {"ledger_url": f"sqlite:///{tmp_path}/ledger.db", "membership": "property"}
    assert command(schema(), *people(1), **settings).code == 0
    ran = command(schema(), *people(1), record("nobody"), state(at=1), **settings)

    assert (ran.code, ran.counts["unchanged"], ran.states) == (0, 1, [{"at": 1}]), ran.log


def test_a_batch_that_never_ends_stays_unconfirmed_and_is_named(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("stuck", skip=1, times=1))
    messages = [schema(), *people(100), state(at=1), *people(100, start=100), state(at=2)]
    ran = command(*messages, confirm_timeout=3, batch_size_rows=100)

    assert ran.code == 5, ran.log
    stuck = sandbox.store.batches[1]
    assert stuck.id in ran.log
    assert ran.counts["unconfirmed"] == ran.counts["accepted"] == 100
    # Which of the two calls comes first is not said: two threads make them.
    first = b"member0@example.com" in stuck.body
    assert ran.states == ([] if first else [{"at": 1}]), "no state passes what is unsettled"
    assert command.rejects() == []


def test_what_omnisend_refuses_is_kept_with_its_reason(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(Fault("item_refused", email="member[12]@", code=400))
    ran = command(schema(), *people(50), state(at=1), membership="property")

    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert ran.counts["rejected"] == 2
    first, *refused = command.rejects()
    assert first == schema()
    batch = sandbox.store.batches[0]
    for message in refused:
        rejection = message["rejection"]
        assert rejection["code"] == "omnisend_refused"
        assert (rejection["stage"], rejection["status"]) == ("omnisend", 400)
        assert (rejection["batch_id"], len(rejection["item_id"])) == (batch.id, 24)
        assert rejection["message"]


def test_a_segment_name_that_omnisend_refuses_as_a_tag_is_the_settings_fault(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("status", "POST /contacts/tags", status=400, html=False))
    ran = command(schema(), *people(8), state(at=1))

    assert (ran.code, ran.states) == (3, [])
    assert "'segment' or 'tags'" in ran.errors[0]


@pytest.mark.parametrize("sandbox", [{"keys": {"sandbox-key": []}}], indirect=True)
def test_a_run_that_ends_before_it_sends_has_nothing_unconfirmed(command: Command) -> None:
    ran = command(schema(), *people(3))
    assert (ran.code, ran.counts["unconfirmed"]) == (3, 0), ran.log


def test_records_that_no_call_carried_are_not_sent_and_not_unconfirmed(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.store.faults.add(Fault("status", "POST /batches", status=402, skip=2))
    report = tmp_path / "report.json"
    settings = {"quota_share": 0.01, "membership": "property", "report_path": str(report)}
    ran = command(schema(), *people(1500), state(at=1), batch_size_rows=100, **settings)

    assert (ran.code, ran.states) == (3, []), ran.log
    sent = 100 * sandbox.store.requests.counts["POST /batches"]
    assert ran.counts["accepted"] + ran.counts["unconfirmed"] == sent < 1500
    assert ran.counts["not_sent"] == ran.counts["received"] - sent > 0
    totals = json.loads(report.read_text())["totals"]
    assert totals["not_sent"] == ran.counts["not_sent"]
