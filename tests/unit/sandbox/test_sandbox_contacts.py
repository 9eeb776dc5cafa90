from __future__ import annotations

from typing import Any

import pytest
from support.calls import OLD, Caller, person, phone


def test_an_upsert_creates_then_updates() -> None:
    call = Caller()
    first = call("POST", "/contacts", person("ada@example.com", firstName="Ada", city="Bath"))
    second = call("POST", "/contacts", person("ada@example.com", city="York"))
    assert (first.status, second.status) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    contact = call.store.contacts["ada@example.com"]
    assert (contact.first_name, contact.city) == ("Ada", "York")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"identifiers": []}, "identifiers"),
        ({}, "identifiers"),
        ({"identifiers": [{"type": "fax", "id": "1"}]}, "identifiers.0.type"),
        (person("not an address"), "identifiers.0.id"),
        (person("a@b"), "identifiers.0.id"),
        (person("a" * 250 + "@example.com"), "identifiers.0.id"),
        (person("a@example.com", status="maybe"), "identifiers.0.channels.email.status"),
        (
            person("a@example.com", at="2026-01-02"),
            "identifiers.0.channels.email.statusChangedAt",
        ),
        (person("a@example.com", welcome="no"), "identifiers.0.sendWelcomeMessage"),
        (person("a@example.com", also=[phone("01632 960123")]), "identifiers.1.id"),
        (person("a@example.com", gender="female"), "gender"),
        (person("a@example.com", birthdate="1990-02-30"), "birthdate"),
        (person("a@example.com", countryCode="GBR"), "countryCode"),
        (person("a@example.com", city=7), "city"),
        (person("a@example.com", tags=[f"t{n}" for n in range(101)]), "tags"),
        (person("a@example.com", customProperties={"no-dash": 1}), "customProperties.no-dash"),
        (person("a@example.com", customProperties={"o": {"a": 1}}), "customProperties.o"),
        (person("a@example.com", customProperties={"s": "x" * 2049}), "customProperties.s"),
        (
            person("a@example.com", customProperties={f"p{n}": n for n in range(201)}),
            "customProperties",
        ),
        (person("a@example.com", createdAt="yesterday"), "createdAt"),
    ],
)
def test_a_broken_rule_is_named_and_changes_nothing(body: Any, field: str) -> None:
    call = Caller()
    reply = call("POST", "/contacts", body)
    assert reply.status == 400
    problem = reply.json()
    assert problem["type"].endswith("/validation-failed")
    assert problem["instance"].startswith("urn:omnisend:request:")
    assert field in [error["field"] for error in problem["errors"]]
    assert not call.store.contacts


def test_an_identifier_without_its_channel_is_refused_in_omnisends_words() -> None:
    call = Caller()
    body = {"identifiers": [{"type": "email", "id": "ada@example.com"}]}
    problem = call("POST", "/contacts", body).json()
    assert problem["detail"] == "Provide email channel for email identifier"


@pytest.mark.parametrize(
    ("stored", "sent", "left"),
    [
        (("subscribed", "2020-01-01T00:00:00Z"), ("nonSubscribed", OLD), "subscribed"),
        (
            ("subscribed", "2020-01-01T00:00:00Z"),
            ("unsubscribed", "2020-01-01T00:00:00Z"),
            "subscribed",
        ),
        (
            ("unsubscribed", "2020-01-01T00:00:00Z"),
            ("subscribed", "2020-01-01T00:00:01Z"),
            "subscribed",
        ),
        (("subscribed", "2020-01-01T00:00:00Z"), ("nonSubscribed", None), "nonSubscribed"),
        (
            ("subscribed", "2020-01-01T00:00:00Z"),
            ("nonSubscribed", "1970-01-01T00:00:00Z"),
            "nonSubscribed",
        ),
    ],
    ids=["older", "equal", "newer", "absent is now", "zero is absent"],
)
def test_the_newest_status_date_wins(
    stored: tuple[str, str], sent: tuple[str, str | None], left: str
) -> None:
    call = Caller()
    call.store.seed(
        [{"email": "ada@example.com", "status": stored[0], "statusChangedAt": stored[1]}]
    )
    call("POST", "/contacts", person("ada@example.com", status=sent[0], at=sent[1]))
    assert call.store.contacts["ada@example.com"].status == left


def test_eager_consent_lets_an_older_subscription_win() -> None:
    for eager, expected in ((False, "nonSubscribed"), (True, "subscribed")):
        call = Caller(eager_consent=eager)
        call("POST", "/contacts", person("ada@example.com", at="2020-01-01T00:00:00Z"))
        call("POST", "/contacts", person("ada@example.com", "subscribed", OLD))
        assert call.store.contacts["ada@example.com"].status == expected


@pytest.mark.parametrize(("welcome", "sent"), [(None, 1), (True, 1), (False, 0)])
def test_a_new_contact_is_welcomed_unless_told_not_to(*, welcome: bool | None, sent: int) -> None:
    call = Caller()
    body = person("ada@example.com")
    if welcome is None:
        del body["identifiers"][0]["sendWelcomeMessage"]
    else:
        body["identifiers"][0]["sendWelcomeMessage"] = welcome
    call("POST", "/contacts", body)
    call("POST", "/contacts", body)
    assert len(call.store.welcome_messages) == sent


def test_properties_merge_by_key_and_empty_ones_go() -> None:
    call = Caller()
    first = {"tier": "gold", "age": 41, "vip": False, "gone": "x", "null": 1}
    call("POST", "/contacts", person("ada@example.com", customProperties=first))
    second = {"tier": "silver", "gone": "", "null": None}
    call("POST", "/contacts", person("ada@example.com", customProperties=second))
    held = call.store.contacts["ada@example.com"].properties
    assert held == {"tier": "silver", "age": 41, "vip": False}


def test_tags_in_the_body_replace_and_blank_text_blanks() -> None:
    call = Caller()
    call("POST", "/contacts", person("ada@example.com", tags=["a", "b"], city="Bath"))
    call("POST", "/contacts", person("ada@example.com", tags=["c"], city=""))
    contact = call.store.contacts["ada@example.com"]
    assert (contact.tags, contact.city) == (("c",), "")


def test_unknown_fields_are_passed_over_and_counted() -> None:
    call = Caller()
    body = person("ada@example.com", first_name="Ada")
    body["identifiers"][0]["channels"]["email"]["statusDate"] = OLD
    assert call("POST", "/contacts", body).status == 201
    assert call.store.ignored_fields == {
        "first_name": 1,
        "identifiers.channels.email.statusDate": 1,
    }


def test_a_phone_of_another_contact_is_left_out() -> None:
    call = Caller()
    call("POST", "/contacts", person("ada@example.com", also=[phone("+441632960123")]))
    reply = call("POST", "/contacts", person("bob@example.com", also=[phone("+441632960123")]))
    assert (reply.status, reply.json()["phone"]) == (201, None)
    alone = call("POST", "/contacts", {"identifiers": [phone("+441632960123")]})
    assert (alone.status, len(call.store.people.all)) == (400, 2)


def test_case_makes_two_contacts() -> None:
    call = Caller()
    for email in ("Ada@example.com", "ada@example.com"):
        assert call("POST", "/contacts", person(email)).status == 201
    assert len(call.store.contacts) == 2


def test_patch_updates_and_a_foreign_identifier_conflicts() -> None:
    call = Caller()
    for email in ("ada@example.com", "bob@example.com"):
        call("POST", "/contacts", person(email))
    assert call("PATCH", "/contacts", {"city": "Bath"}, email="ada@example.com").status == 200
    identifier = call.store.contacts["ada@example.com"].id
    assert call("PATCH", f"/contacts/{identifier}", person("bob@example.com")).status == 409
    assert call("PATCH", f"/contacts/{identifier}", person("eve@example.com")).status == 200
    assert set(call.store.contacts) == {"eve@example.com", "bob@example.com"}
    assert call("PATCH", "/contacts", {}, email="nobody@example.com").status == 404
    assert call("PATCH", "/contacts", {}).status == 400


@pytest.mark.parametrize("sort", ["createdAt", "updatedAt"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_show_each_contact_once(sort: str, direction: str) -> None:
    call = Caller()
    for n in range(7):
        call.clock.pass_(1)
        call("POST", "/contacts", person(f"p{n}@example.com"))
    expected = [f"p{n}@example.com" for n in range(7)]
    if direction == "desc":
        expected.reverse()
    query = {"limit": "3", "sort": sort, "direction": direction}
    seen: list[str] = []
    pages = []
    while True:
        page = call("GET", "/contacts", **query).json()
        pages.append([contact["email"] for contact in page["contacts"]])
        seen += pages[-1]
        if not page["paging"]["hasMore"]:
            break
        query["after"] = page["paging"]["cursors"]["after"]
    assert seen == expected
    del query["after"]
    back = call("GET", "/contacts", before=page["paging"]["cursors"]["before"], **query).json()
    assert [contact["email"] for contact in back["contacts"]] == pages[-2]


def test_filters_of_get_contacts() -> None:
    call = Caller()
    call.store.seed(
        [
            {"email": "ada@example.com", "status": "subscribed", "tags": ["vip"]},
            {"email": "bob@example.com", "phone": "+441632960123"},
        ]
    )
    call.clock.pass_(10)
    call("POST", "/contacts", person("cyd@example.com"))

    def found(**query: str) -> list[str]:
        page = call("GET", "/contacts", **query).json()
        return sorted(contact["email"][:3] for contact in page["contacts"])

    assert found(email="ada@example.com") == ["ada"]
    assert found(email="nobody@example.com") == []
    assert found(phone="+441632960123") == ["bob"]
    assert found(tag="vip") == ["ada"]
    assert found(status="nonSubscribed") == ["bob", "cyd"]
    assert found(email="ada@example.com", status="nonSubscribed") == []
    assert found(updatedAtFrom="2026-05-28T20:26:50Z") == ["cyd"]
    for wrong in (
        {"tag": "vip", "status": "subscribed"},
        {"updatedAtFrom": OLD, "email": "ada@example.com"},
        {"limit": "251"},
        {"sort": "name"},
        {"after": "rubbish"},
    ):
        assert call("GET", "/contacts", **wrong).status == 400
    cursor = call("GET", "/contacts", limit="1").json()["paging"]["cursors"]["after"]
    changed = call("GET", "/contacts", limit="1", after=cursor, status="subscribed")
    assert changed.json()["errors"][0]["code"] == "filters_changed"


def tags_of(call: Caller) -> list[str]:
    call.store.advance()
    return list(call.store.contacts["ada@example.com"].tags)


def test_tags_are_added_and_taken_and_strangers_are_counted() -> None:
    call = Caller()
    call.store.seed([{"email": "ada@example.com", "tags": ["theirs"]}])
    body = {"emails": ["ada@example.com", "nobody@example.com"], "tags": ["vip", "theirs"]}
    reply = call("POST", "/contacts/tags", body)
    assert (reply.status, reply.body) == (202, b"")
    assert tags_of(call) == ["theirs", "vip"]
    assert call.store.tag_misses == 1
    identifier = call.store.contacts["ada@example.com"].id
    call("DELETE", "/contacts/tags", {"contactIDs": [identifier], "tags": ["vip"]})
    assert tags_of(call) == ["theirs"]


@pytest.mark.parametrize(
    "body",
    [
        {"tags": ["vip"]},
        {"emails": ["a@example.com"]},
        {"emails": ["a@example.com"], "tags": []},
        {"emails": ["a@example.com"] * 251, "tags": ["vip"]},
        {"emails": ["a@example.com"], "tags": [f"t{n}" for n in range(101)]},
        {"contactID": "1", "tags": ["vip"]},
    ],
)
def test_a_tag_call_out_of_bounds_is_refused(body: Any) -> None:
    assert Caller()("POST", "/contacts/tags", body).status == 400


def test_tags_take_effect_and_contacts_show_up_when_told_to() -> None:
    call = Caller(tag_latency=5, visibility_delay=3)
    call.submit(person("ada@example.com"))
    body = {"emails": ["ada@example.com"], "tags": ["vip"]}
    call("POST", "/contacts/tags", body)
    assert tags_of(call) == []
    call.clock.pass_(5)
    assert tags_of(call) == ["vip"]
    call = Caller(visibility_delay=3)
    call.submit(person("ada@example.com"))
    call("POST", "/contacts/tags", body)
    assert (tags_of(call), call.store.tag_misses) == ([], 1)
