from __future__ import annotations

from typing import Any

import pytest
from support.calls import HEADERS, Caller, batch, person


def people(count: int) -> list[dict[str, Any]]:
    return [person(f"p{n}@example.com") for n in range(count)]


def test_a_batch_goes_through_its_states_on_the_stores_clock() -> None:
    call = Caller(batch_latency=8)
    identifier = call.submit(*people(3))
    seen = []
    for _ in range(4):
        shown = call("GET", f"/batches/{identifier}").json()
        seen.append((shown["status"], shown["finishedCount"], len(call.store.contacts)))
        call.clock.pass_(3)
    assert seen == [
        ("pending", 0, 0),
        ("inProgress", 0, 0),
        ("inProgress", 0, 0),
        ("finished", 3, 3),
    ]


def test_a_progressive_batch_shows_its_progress() -> None:
    call = Caller(batch_latency=8, progressive=True)
    call.submit(*people(8))
    seen = []
    for _ in range(5):
        call.store.advance()
        seen.append(len(call.store.contacts))
        call.clock.pass_(2)
    assert seen == [0, 0, 2, 4, 8]


def test_items_answer_each_for_itself() -> None:
    call = Caller()
    good, bad = person("ada@example.com"), person("ada")
    call.submit(good)
    shown = call.items(call.submit(good, bad, person("bob@example.com")))
    assert (shown["totalCount"], shown["finishedCount"], shown["errorsCount"]) == (3, 3, 1)
    assert [item["responseCode"] for item in shown["responses"]] == [200, 201]
    (error,) = shown["errors"]
    assert error["request"] == bad
    assert (error["responseCode"], error["response"]["status"]) == (400, 400)
    assert len(error["itemID"]) == 24
    contact = call.store.contacts["bob@example.com"]
    assert shown["responses"][1]["response"] == {"id": contact.id, "email": "bob@example.com"}
    assert call("GET", f"/batches/{shown['batchID']}").json()["errors"] is None


@pytest.mark.parametrize("item", [None, 7, "x", [], {}, {"identifiers": "x"}])
def test_an_item_of_any_shape_is_only_its_own_fault(item: Any) -> None:
    call = Caller()
    shown = call.items(call.submit(item, person("ada@example.com")))
    assert (shown["status"], shown["errorsCount"]) == ("finished", 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**batch(person("a@example.com")), "method": "PUT"}, "method"),
        ({**batch(person("a@example.com")), "endpoint": "products"}, "endpoint"),
        (batch(), "items"),
        (batch(*[{}] * 101), "items"),
        ({**batch({}), "origin": 1}, "origin"),
    ],
)
def test_a_bad_envelope_is_refused_at_once(body: Any, field: str) -> None:
    reply = Caller()("POST", "/batches", body)
    assert reply.status == 400
    assert [error["field"] for error in reply.json()["errors"]] == [field]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff"])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    assert Caller().store.handle("POST", "/batches", {}, HEADERS, body).status == 400


def test_a_number_too_large_costs_its_batch_not_the_store() -> None:
    call = Caller()
    body = b'{"method":"POST","endpoint":"contacts","items":[{"x":1e999}]}'
    reply = call.store.handle("POST", "/batches", {}, HEADERS, body)
    assert call("GET", f"/batches/{reply.json()['batchID']}").json()["errorsCount"] == 1


def test_more_than_a_megabyte_is_too_much() -> None:
    item = person("ada@example.com", address="x" * 1_000_000)
    assert Caller()("POST", "/batches", batch(item)).status == 413


def test_the_list_is_newest_first_by_offset() -> None:
    call = Caller()
    made = []
    for n in range(5):
        made.append(call.submit(person(f"p{n}@example.com")))
        call.clock.pass_(86_400)

    def listed(**query: str) -> list[str]:
        page = call("GET", "/batches", endpoint="contacts", **query).json()
        return [shown["batchID"] for shown in page["batches"]]

    assert listed() == made[::-1]
    assert listed(limit="2", offset="1") == [made[3], made[2]]
    assert listed(dateFrom="2026-05-30") == [made[4], made[3], made[2]]
    first = call("GET", "/batches", endpoint="contacts", limit="2").json()["paging"]
    assert first == {
        "limit": 2,
        "offset": 0,
        "next": "/batches?endpoint=contacts&limit=2&offset=2",
        "previous": None,
    }
    last = call("GET", "/batches", endpoint="contacts", limit="2", offset="4").json()["paging"]
    assert (last["next"], last["previous"]) == (
        None,
        "/batches?endpoint=contacts&limit=2&offset=2",
    )


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"endpoint": "events"},
        {"endpoint": "contacts", "status": "finished"},
        {"endpoint": "contacts", "limit": "251"},
        {"endpoint": "contacts", "offset": "-1"},
        {"endpoint": "contacts", "dateFrom": "yesterday"},
        {"endpoint": "contacts", "after": "x"},
    ],
)
def test_the_list_is_strict_about_its_query(query: dict[str, str]) -> None:
    reply = Caller()("GET", "/batches", **query)
    assert reply.status == 400
    assert reply.json()["errors"]


def test_after_seven_days_a_batch_is_forgotten() -> None:
    call = Caller()
    identifier = call.submit(person("ada@example.com"))
    call.clock.pass_(7 * 86_400)
    assert call("GET", f"/batches/{identifier}").status == 404
    assert call("GET", "/batches", endpoint="contacts").json()["batches"] == []


@pytest.mark.parametrize("name", ["x", "6a1d2c5f", "6a1d2c5fzzzz", "6a1d2c5f0000000000000009"])
def test_an_unknown_batch_is_not_found(name: str) -> None:
    assert Caller()("GET", f"/batches/{name}").status == 404


def test_a_full_plan_refuses_the_batch() -> None:
    call = Caller(max_contacts=2)
    call.submit(*people(2))
    assert call("POST", "/batches", batch(*people(1))).status == 402


def test_or_every_item_of_it() -> None:
    call = Caller(max_contacts=2, when_full="403-items")
    shown = call.items(call.submit(*people(4)))
    assert [item["responseCode"] for item in shown["errors"]] == [403, 403]
