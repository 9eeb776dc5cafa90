"""An Omnisend that does otherwise than it says: with `verify: sample` it gets one batch."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state

from omnisend_sandbox.faults import Fault
from target_omnisend.waits import SPEED_VARIABLE

if TYPE_CHECKING:
    from support.command import Command, Ran
    from support.sandbox import Sandbox

MEMBERS = 230
KNOWN = 40
NAMED: dict[str, Any] = {"mapping": {"email": "email", "phone": "tel"}}
WRONG: dict[str, tuple[Fault, dict[str, Any], str]] = {
    "consent downgraded": (Fault("downgrades_consent"), {}, "changed the consent"),
    "new people subscribed": (Fault("subscribes_new"), {}, "no status became subscribed"),
    "fields wiped": (Fault("wipes_fields"), {}, "(city)"),
    "properties wiped": (Fault("wipes_properties"), {}, "(customProperties.tier)"),
    "tags wiped": (Fault("wipes_tags"), {}, "(tags)"),
    "tags ignored": (Fault("ignores_tags"), {}, "accepted the tags of segment 'VIP', sent twice"),
}

OFTEN = ("consent downgraded", "tags ignored")


def _run(command: Command, sandbox: Sandbox, *faults: Fault, **settings: Any) -> Ran:
    for number in range(KNOWN):
        sandbox.store.people.seed(
            {
                "email": f"member{number}@example.com",
                "status": "nonSubscribed" if number % 3 else "subscribed",
                "tags": ["loyal"],
                "city": "Leeds",
                "customProperties": {"tier": "gold"},
            },
            time.time() - 1000,
        )
    sandbox.store.faults.add(*faults)
    text = [schema(tel={}), *people(MEMBERS), state(at=1)]
    settings = {"verify": "sample", "report_path": "report.json", **settings}
    return command.run(
        *("--config", command.config(**settings)),
        text=b"".join(json.dumps(message).encode() + b"\n" for message in text),
        variables={SPEED_VARIABLE: "50"},
    )


@pytest.mark.parametrize(
    ("fault", "settings", "words"),
    [
        # The simulation has each of them without a process.
        pytest.param(*case, id=name, marks=[] if name in OFTEN else pytest.mark.slow)
        for name, case in WRONG.items()
    ],
)
def test_it_is_seen_before_a_second_batch_goes_out(
    command: Command, sandbox: Sandbox, fault: Fault, settings: dict[str, Any], words: str
) -> None:
    ran = _run(command, sandbox, fault, **settings)
    assert (ran.code, ran.states) == (7, []), ran.log
    assert words in ran.errors[0]
    assert "exit code 7" in ran.log.splitlines()[-1]
    assert sum(batch.total for batch in sandbox.store.batches) == 100
    assert (ran.counts["accepted"], ran.counts["unconfirmed"]) == (0, 100)
    assert "example.com" not in ran.errors[0]


def test_without_looking_everybody_gets_it(command: Command, sandbox: Sandbox) -> None:
    ran = _run(command, sandbox, Fault("downgrades_consent"), verify="off")
    assert (ran.code, ran.counts["accepted"]) == (0, MEMBERS)
    assert sandbox.store.requests.counts["GET /contacts"] == 0
    subscribed = [one for one in sandbox.store.contacts.values() if one.status == "subscribed"]
    assert subscribed == []


def test_what_is_proven_is_said_and_reported(command: Command, sandbox: Sandbox) -> None:
    ran = _run(command, sandbox)
    assert (ran.code, ran.counts["accepted"], len(ran.states)) == (0, MEMBERS, 1), ran.log
    assert "Looked at 20 people before and after the first batch" in ran.log
    looks = json.loads((command.folder / "report.json").read_text())["looks"]
    assert (looks["looked_at"], looks["known"], looks["wrong"]) == (20, 8, False)
    assert sandbox.store.requests.counts["GET /contacts"] <= 45


@pytest.mark.slow  # several runs, each with its looks
def test_a_ledger_remembers_it_for_these_settings(command: Command, sandbox: Sandbox) -> None:
    ledger = {"ledger_url": f"sqlite:///{command.folder}/ledger.db"}
    assert not _looks(command, _run(command, sandbox, **ledger))["remembered"]
    assert _looks(command, _run(command, sandbox, full_refresh=True, **ledger))["remembered"]
    other = {"null_policy": "clear", **ledger}
    assert not _looks(command, _run(command, sandbox, **other))["remembered"]
    ran = _run(command, sandbox, Fault("downgrades_consent"), full_refresh=True, **ledger)
    assert ran.code == 7
    sandbox.store.faults.clear()
    assert not _looks(command, _run(command, sandbox, full_refresh=True, **ledger))["remembered"]


@pytest.mark.slow  # several runs, each with its looks
def test_people_of_a_batch_whose_tags_did_not_arrive_are_not_in_the_ledger(
    command: Command, sandbox: Sandbox
) -> None:
    ledger = {"ledger_url": f"sqlite:///{command.folder}/ledger.db"}
    assert _run(command, sandbox, Fault("ignores_tags"), **ledger).code == 7
    sandbox.store.faults.clear()
    ran = _run(command, sandbox, **ledger)
    assert (ran.code, ran.counts["accepted"], ran.counts["unchanged"]) == (0, MEMBERS, 0)


def test_a_record_with_its_own_consent_can_change_it(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.people.seed({"email": "ann@example.com", "status": "subscribed"}, 1000.0)
    given = record("ann@example.com", status="unsubscribed", at="2026-01-02T03:04:05Z")
    settings = {
        "verify": "sample",
        "mapping": {
            "email": "email",
            "subscription_status": "status",
            "subscription_changed_at": "at",
        },
    }
    ran = command(schema(status={}, at={}), given, **settings)
    assert (ran.code, ran.counts["accepted"]) == (0, 1), ran.log


def _looks(command: Command, ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.log
    looks: dict[str, Any] = json.loads((command.folder / "report.json").read_text())["looks"]
    return looks
