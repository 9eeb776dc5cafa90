"""3,000 members, 3 % of them bad, into a store that others use too."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.command import record, schema, state

if TYPE_CHECKING:
    from support.command import Command
    from support.sandbox import Sandbox

MEMBERS = 3_000
BAD_OF_EACH = 18
TEXT: dict[str, Any] = {"type": ["string", "null"]}
SCHEMA = schema(
    keys=["id"],
    id={"type": "integer"},
    first={"type": ["string", "null"]},
    street=TEXT,
    town=TEXT,
    land=TEXT,
    phone=TEXT,
    born=TEXT,
    consent=TEXT,
    consent_at=TEXT,
    spent={"type": ["number", "null"]},
    note=TEXT,
)
SETTINGS: dict[str, Any] = {
    "mapping": {
        "email": "email",
        "first_name": "first",
        "address": ["street"],
        "city": "town",
        "country": "land",
        "phone": "phone",
        "birthdate": "born",
        "subscription_status": "consent",
        "subscription_changed_at": "consent_at",
    },
    "custom_properties": {"spent": "spent", "note": "note"},
    "segment": "VIP",
    "tags": ["source: warehouse"],
}
FAULTS: dict[str, dict[str, Any]] = {
    "email_missing": {"email": ""},
    "email_invalid": {"email": "Quillon Zembla"},
    "record_invalid": {"consent": 17},
    "consent_date_missing": {"consent": "subscribed", "consent_at": None},
}
LEFT_OUT: list[dict[str, Any]] = [{"spent": "Quillon"}, {"note": "Quillon " * 300}]
"""Values that cost themselves alone."""
SEEDED: list[dict[str, Any]] = [
    {
        "email": f"member{n}@example.com",
        "status": status,
        "statusChangedAt": "2024-05-06T07:08:09Z",
        "tags": ["theirs"],
        "customProperties": {"theirs": True, "note": "old"},
        "postalCode": "1234",
    }
    for n, status in enumerate(["subscribed", "unsubscribed", "nonSubscribed"] * 5)
]
STRANGER = {**SEEDED[0], "email": "member-of-nothing@example.com"}


def _member(n: int, **more: Any) -> dict[str, Any]:
    values = {
        "id": n,
        "first": f"Quillon{n}",
        "street": f"Zembla Street {n}",
        "town": "Novi Sad",
        "land": "Serbia",
        "phone": "+381 64 1234567" if n == 7 else None,
        "born": "1990-02-30" if n % 100 == 50 else "1990-02-03",
        "consent": "subscribed" if n % 1000 == 600 else None,
        "consent_at": "2025-01-02T03:04:05Z",
        "spent": n / 4,
        "note": None,
    }
    return record(**{"email": f"member{n}@example.com", **values, **more})


def _messages() -> list[dict[str, Any]]:
    made = []
    bad = [fault for fault in FAULTS.values() for _ in range(BAD_OF_EACH)]
    for n in range(MEMBERS):
        if n % 33 == 32 and bad:
            made.append(_member(n, **bad.pop()))
        elif n in {21, 22}:
            made.append(_member(n, **LEFT_OUT[n - 21]))
        elif n % 100 == 99:
            made.append(_member(n, email=f" Member{n - 9}@Example.com ", town="Subotica"))
        else:
            made.append(_member(n))
    assert not bad
    halfway = len(made) // 2
    return [SCHEMA, *made[:halfway], state(at=1), *made[halfway:], state(at=2)]


def test_the_main_job(command: Command, sandbox: Sandbox) -> None:
    store = sandbox.store
    store.seed([*SEEDED, STRANGER])
    messages = _messages()
    ran = command(*messages, **SETTINGS)

    assert ran.code == 0, ran.log
    assert ran.states[-1] == {"at": 2}
    counts = ran.counts
    assert counts["rejected"] == BAD_OF_EACH * len(FAULTS)
    assert counts["received"] == MEMBERS
    assert not re.search("Quillon|Zembla", ran.log + ran.out)

    _check_calls(Counter(store.requests.counts), members=MEMBERS)
    _check_contacts(store.contacts, messages)
    assert (store.ignored_fields, store.welcome_messages, store.tag_misses) == ({}, [], 1)
    _check_rejects(command, messages)
    _mend_and_send_again(command, sandbox)


def _check_calls(calls: Counter[str], members: int) -> None:
    assert calls.pop("GET /brands/current") == 1
    assert calls.pop("POST /batches") <= -(-members // 100)
    assert calls.pop("POST /contacts/tags") <= -(-members // 250) + 3
    assert calls.pop("GET /batches") < 30
    assert calls.pop("GET /batches/{id}/items", 0) == 0
    assert not calls


def _check_contacts(contacts: Any, messages: list[dict[str, Any]]) -> None:
    expected = {}
    for message in messages:
        member = message.get("record", {})
        if any(member and fault.items() <= member.items() for fault in FAULTS.values()):
            continue
        if member:
            expected[member["email"].strip().lower()] = member
    seeded = {one["email"]: one for one in SEEDED}
    stranger = contacts.pop(STRANGER["email"])
    assert (stranger.tags, stranger.properties) == (("theirs",), STRANGER["customProperties"])
    assert set(contacts) == set(expected)
    wrong = []
    for email, member in expected.items():
        contact, theirs = contacts[email], seeded.get(email, {})
        status = theirs.get("status") or member["consent"] or "nonSubscribed"
        tags = {"VIP", "source: warehouse", *theirs.get("tags", ())}
        properties = {**theirs.get("customProperties", {}), "spent": member["spent"]}
        if member["spent"] == "Quillon":
            del properties["spent"]
        if (
            contact.email_status != status
            or set(contact.tags) != tags
            or (contact.properties or {}) != properties
            or contact.postal_code != theirs.get("postalCode", "")
            or (contact.first_name, contact.city) != (member["first"], member["town"])
            or contact.country_code != "RS"
            or contact.birthdate != ("" if "02-30" in member["born"] else "1990-02-03")
        ):
            wrong.append(email)
    assert wrong == []
    assert contacts["member7@example.com"].phone == "+381641234567"
    assert contacts["member0@example.com"].email_changed == 1714979289.0


def _check_rejects(command: Command, messages: list[dict[str, Any]]) -> None:
    assert command.rejections() == dict.fromkeys(FAULTS, BAD_OF_EACH)
    (file,) = command.rejects_path.glob("*.jsonl")
    assert (file.stat().st_mode & 0o777, command.rejects_path.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )
    first, *refused = command.rejects()
    assert first == SCHEMA
    for message in refused:
        rejection = message.pop("rejection")
        assert message in messages
        assert list(rejection) == [
            *("code", "field", "message", "stage", "batch_id", "item_id", "status", "at")
        ]
        assert rejection["stage"] == "mapping"


def _mend_and_send_again(command: Command, sandbox: Sandbox) -> None:
    (file,) = command.rejects_path.glob("*.jsonl")
    mended = file.with_name("mended.jsonl")
    messages = command.rejects()
    members = [message["record"] for message in messages if message["type"] == "RECORD"]
    for member in members:
        member.update(_member(member["id"])["record"])
    mended.write_text("\n".join(json.dumps(message) for message in messages))

    ran = command.run("--config", command.config(**SETTINGS), "--input", str(mended))

    assert (ran.code, ran.states) == (0, []), ran.log
    assert ran.counts["accepted"] == len(members) == BAD_OF_EACH * len(FAULTS)
    assert {member["email"] for member in members} <= set(sandbox.store.contacts)
