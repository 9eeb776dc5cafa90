from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.calls import OLD, Caller, person, phone

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_upsert_creates_then_updates() -> None:
    call = Caller()
    first = call.upsert(person("ada@example.com", firstName="Ada", city="Bath"))
    second = call.upsert(person("ada@example.com", city="York"))
    assert (first.status, second.status) == (201, 200)
    assert first.response["id"] == second.response["id"]
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
        ({"identifiers": [phone("+441632960123")]}, "identifiers"),
    ],
)
def test_a_broken_rule_is_named_and_changes_nothing(body: Any, field: str) -> None:
    call = Caller()
    status, problem = call.upsert(body)
    assert status == 400
    assert problem["type"].endswith("/validation-failed")
    assert field in [error["field"] for error in problem["errors"]]
    assert not call.store.contacts


def test_an_identifier_without_its_channel_is_refused_in_omnisends_words() -> None:
    call = Caller()
    body = {"identifiers": [{"type": "email", "id": "ada@example.com"}]}
    assert call.upsert(body).response["detail"] == "Provide email channel for email identifier"


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
    call.upsert(person("ada@example.com", status=sent[0], at=sent[1]))
    assert call.store.contacts["ada@example.com"].status == left


@pytest.mark.parametrize(("welcome", "sent"), [(None, 1), (True, 1), (False, 0)])
def test_a_new_contact_is_welcomed_unless_told_not_to(*, welcome: bool | None, sent: int) -> None:
    call = Caller()
    body = person("ada@example.com")
    if welcome is None:
        del body["identifiers"][0]["sendWelcomeMessage"]
    else:
        body["identifiers"][0]["sendWelcomeMessage"] = welcome
    call.upsert(body)
    call.upsert(body)
    assert len(call.store.welcome_messages) == sent


def test_properties_merge_by_key_and_empty_ones_go() -> None:
    call = Caller()
    first = {"tier": "gold", "age": 41, "vip": False, "gone": "x", "null": 1}
    call.upsert(person("ada@example.com", customProperties=first))
    second = {"tier": "silver", "gone": "", "null": None}
    call.upsert(person("ada@example.com", customProperties=second))
    held = call.store.contacts["ada@example.com"].properties
    assert held == {"tier": "silver", "age": 41, "vip": False}


def test_tags_in_the_body_replace_and_blank_text_blanks() -> None:
    call = Caller()
    call.upsert(person("ada@example.com", tags=["a", "b"], city="Bath"))
    call.upsert(person("ada@example.com", tags=["c"], city=""))
    contact = call.store.contacts["ada@example.com"]
    assert (contact.tags, contact.city) == (("c",), "")


def test_unknown_fields_are_passed_over_and_counted() -> None:
    call = Caller()
    body = person("ada@example.com", first_name="Ada")
    body["identifiers"][0]["channels"]["email"]["statusDate"] = OLD
    assert call.upsert(body).status == 201
    assert call.store.ignored_fields == {
        "first_name": 1,
        "identifiers.channels.email.statusDate": 1,
    }


def test_a_phone_of_another_contact_is_left_out() -> None:
    call = Caller()
    call.upsert(person("ada@example.com", also=[phone("+441632960123")]))
    assert call.upsert(person("bob@example.com", also=[phone("+441632960123")])).status == 201
    assert call.store.contacts["bob@example.com"].phone == ""


def test_case_makes_two_contacts() -> None:
    call = Caller()
    for email in ("Ada@example.com", "ada@example.com"):
        assert call.upsert(person(email)).status == 201
    assert len(call.store.contacts) == 2


def test_a_contact_shows_all_that_is_known_of_it() -> None:
    call = Caller()
    more: dict[str, Any] = {"firstName": "Ada", "city": "Bath", "also": [phone("+441632960123")]}
    call.upsert(person("ada@example.com", customProperties={"tier": "gold"}, **more))
    call("POST", "/contacts/tags", {"emails": ["ada@example.com"], "tags": ["VIP"]})
    call.submit(person("bob@example.com"))
    bob, ada = call("GET", "/contacts").json()["contacts"]
    since = {"status": "nonSubscribed", "statusChangedAt": "2000-01-01T00:00:00.000Z"}
    assert ada["identifiers"] == [
        {"type": "email", "id": "ada@example.com", "channels": {"email": since}},
        {"type": "phone", "id": "+441632960123", "channels": {"sms": since}},
    ]
    assert ada["statuses"] == [{"channel": "email", **since}, {"channel": "sms", **since}]
    assert (ada["email"], ada["firstName"], ada["city"]) == ("ada@example.com", "Ada", "Bath")
    assert (ada["tags"], ada["customProperties"]) == (["VIP"], {"tier": "gold"})
    assert ada["createdAt"] == ada["updatedAt"] == "2026-05-28T20:26:40.000Z"
    assert len(ada["id"]) == 24
    assert (bob["customProperties"], bob["phone"], bob["lastName"]) == (None, None, "")


def test_pages_show_each_contact_once_newest_first() -> None:
    call = Caller()
    call.store.seed([{"email": f"p{n}@example.com", "tags": ["x"] * (n % 2)} for n in range(13)])
    queries: list[Any] = [{}, {"tag": "x"}]
    for query in queries:
        held = [f"p{n}@example.com" for n in range(13) if n % 2 or not query]
        assert pages(call, limit="3", **query) == [
            held[::-1][at : at + 3] for at in range(0, len(held), 3)
        ]
    page = call("GET", "/contacts", limit="250").json()["paging"]
    assert page == {"limit": 250, "hasMore": False, "cursors": {"after": None, "before": None}}


def test_a_contact_made_while_paging_is_not_shown_and_none_is_shown_twice() -> None:
    call = Caller()
    call.store.seed([{"email": f"p{n}@example.com"} for n in range(4)])
    seen = pages(call, lambda: call.store.seed([{"email": "new@example.com"}]), limit="2")
    assert seen == [["p3@example.com", "p2@example.com"], ["p1@example.com", "p0@example.com"]]


def pages(call: Caller, between: Callable[[], Any] = bool, **query: str) -> list[list[str]]:
    """E-mails by page, to the end."""
    seen = []
    while True:
        page = call("GET", "/contacts", **query).json()
        seen.append([contact["email"] for contact in page["contacts"]])
        if not page["paging"]["hasMore"]:
            return seen
        query["after"] = page["paging"]["cursors"]["after"]
        between()


def test_filters_of_get_contacts() -> None:
    call = Caller()
    call.store.seed(
        [
            {"email": "ada@example.com", "status": "subscribed", "tags": ["vip"]},
            {"email": "bob@example.com"},
        ]
    )
    call.clock.pass_(10)
    call.upsert(person("cyd@example.com"))

    def found(**query: str) -> list[str]:
        page = call("GET", "/contacts", **query).json()
        return sorted(contact["email"][:3] for contact in page["contacts"])

    assert found(email="ada@example.com") == ["ada"]
    assert found(email="nobody@example.com") == []
    assert found(tag="vip") == found(tag="VIP") == ["ada"]
    assert found(status="nonSubscribed") == ["bob", "cyd"]
    assert found(email="ada@example.com", status="nonSubscribed") == []
    assert found(updatedAtFrom="2026-05-28T20:26:50Z") == ["cyd"]
    for wrong in (
        {"tag": "vip", "status": "subscribed"},
        {"updatedAtFrom": OLD, "email": "ada@example.com"},
        {"limit": "251"},
        {"sort": "updatedAt"},
        {"updatedAtFrom": "yesterday"},
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


def test_tags_are_compared_whatever_their_case_and_kept_as_sent() -> None:
    call = Caller()
    call.store.seed([{"email": "ada@example.com", "tags": ["Theirs"]}])
    call("POST", "/contacts/tags", {"emails": ["ada@example.com"], "tags": ["VIP été", "theirs"]})
    call("POST", "/contacts/tags", {"emails": ["ada@example.com"], "tags": ["vip ÉTÉ"]})
    assert tags_of(call) == ["Theirs", "VIP été"]
    call("DELETE", "/contacts/tags", {"emails": ["ada@example.com"], "tags": ["vip Été"]})
    assert tags_of(call) == ["Theirs"]
    call.upsert(person("ada@example.com", tags=["New", "new"]))
    assert tags_of(call) == ["New"]


def test_selectors_are_united() -> None:
    call = Caller()
    call.store.seed([{"email": f"p{n}@example.com", "tags": ["x"] * (n == 3)} for n in range(5)])
    condition = {"property": "tags", "operator": "anyOf", "value": ["X"]}
    groups = [{"conditions": [{"entity": "contact", "junction": "and", "filters": [condition]}]}]
    segment = call("POST", "/segments", {"name": "S", "conditionGroups": groups}).json()
    identifiers = [call.store.contacts[f"p{n}@example.com"].id for n in (1, 2)]
    body = {"emails": ["p0@example.com", "p1@example.com"], "contactIDs": identifiers}
    selected = {**body, "segmentID": segment["segmentID"], "tags": ["vip"]}
    assert call("POST", "/contacts/tags", selected).status == 202
    tagged = [n for n, one in enumerate(call.store.people.all) if one.has_tag("vip")]
    assert (tagged, call.store.tag_misses) == ([0, 1, 2, 3], 0)
    two_lists = {"emails": ["x@example.com"] * 250, "contactIDs": ["y"] * 250, "tags": ["vip"]}
    assert call("POST", "/contacts/tags", two_lists).status == 202


def test_a_new_contact_is_shown_to_tag_calls_when_told_to() -> None:
    call = Caller(visibility_delay=3)
    call.submit(person("ada@example.com"))
    body = {"emails": ["ada@example.com"], "tags": ["vip"]}
    call("POST", "/contacts/tags", body)
    assert (tags_of(call), call.store.tag_misses) == ([], 1)
    call.clock.pass_(3)
    call("POST", "/contacts/tags", body)
    assert tags_of(call) == ["vip"]
