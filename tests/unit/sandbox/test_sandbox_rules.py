"""What holds for every call: key, version, scopes, limits, query; and segments."""

from __future__ import annotations

from typing import Any

import pytest
from support.calls import HEADERS, Caller, person


@pytest.mark.parametrize(
    "key", [None, "", "Omnisend-API-Key nope", "Bearer nope", "Basic sandbox-key"]
)
def test_a_wrong_key_gets_omnisends_own_words(key: str | None) -> None:
    headers = {**HEADERS, "Authorization": key or ""}
    if key is None:
        del headers["Authorization"]
    reply = Caller().store.handle("GET", "/brands/current", (), headers)
    assert reply.status == 401
    assert reply.json() == {
        "type": "https://problems.omnisend.com/unauthorized",
        "title": "Unauthorized",
        "status": 401,
    }


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (None, 400),
        ("latest", 400),
        ("2026-13-01", 400),
        ("2025-01-01", 410),
        ("2026-06-01", 410),
        ("2026-03-15", 200),
        ("2026-05-01", 200),
    ],
)
def test_the_version_header_is_a_date_in_force(version: str | None, status: int) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != "Omnisend-Version"}
    if version is not None:
        headers["omnisend-VERSION"] = version
    call = Caller(retired=["2026-06-01"])
    assert call.store.handle("GET", "/api/brands/current", (), headers).status == status


def test_a_key_without_the_scope_is_forbidden() -> None:
    call = Caller(keys={"sandbox-key": ["contacts.write"]})
    assert call("GET", "/brands/current").status == 403
    assert call("GET", "/contacts").status == 403
    assert call("GET", "/batches", endpoint="contacts").status == 200
    assert call.upsert(person("ada@example.com")).status == 201


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("DELETE", "/contacts"), ("GET", "/contacts/zz"), ("POST", "/contacts")],
)
def test_what_does_not_exist_is_not_found(method: str, path: str) -> None:
    assert Caller()(method, path).status == 404


def test_an_unknown_query_parameter_is_refused() -> None:
    (error,) = Caller()("GET", "/contacts", pageSize="5").json()["errors"]
    assert (error["field"], error["code"]) == ("pageSize", "unknown")


def test_the_window_slides() -> None:
    call = Caller()
    for _ in range(400):
        assert call("GET", "/brands/current").status == 200
        call.clock.pass_(0.125)
    refused = call("GET", "/brands/current")
    assert (refused.status, refused.json()["retryAfter"]) == (429, 10)
    assert refused.json()["type"].endswith("/rate-limit-exceeded")
    call.clock.pass_(9.875)
    assert call("GET", "/brands/current").status == 429
    call.clock.pass_(0.125)
    assert call("GET", "/brands/current").status == 200
    requests = call.store.requests
    assert requests.throttled["GET /brands/current"] == 2
    assert requests.busiest["GET /brands/current"] == 402


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/contacts/tags", 60),
        ("DELETE", "/contacts/tags", 60),
        ("GET", "/segments", 100),
        ("POST", "/segments", 15),
        ("GET", "/contacts", 400),
    ],
)
def test_each_endpoint_has_a_limit_of_its_own(method: str, path: str, limit: int) -> None:
    call = Caller()
    answers = [call(method, path, {}).status for _ in range(limit + 1)]
    assert 429 not in answers[:-1]
    assert answers[-1] == 429


def test_limits_can_be_off() -> None:
    call = Caller(limits="off")
    assert {call("GET", "/brands/current").status for _ in range(500)} == {200}


def test_a_store_has_an_id_of_its_own_or_the_one_it_is_given() -> None:
    def shown(**options: Any) -> str:
        return str(Caller(**options)("GET", "/brands/current").json()["brandID"])

    assert len({shown(), shown(), shown()}) == 3
    assert shown(brand_id="mine") == "mine"


def tagged(*tags: str, operator: str = "anyOf") -> dict[str, Any]:
    return {"property": "tags", "operator": operator, "value": list(tags)}


def segment(*filters: Any, junction: str = "and") -> dict[str, Any]:
    condition = {"entity": "contact", "junction": junction, "filters": list(filters)}
    return {"name": "S", "conditionGroups": [{"conditions": [condition]}]}


def custom(name: str, kind: str, operator: str, value: Any) -> dict[str, Any]:
    return {
        "property": "custom",
        "name": name,
        "valueType": kind,
        "operator": operator,
        "value": value,
    }


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (segment(tagged("vip")), 2),
        (segment(tagged("VIP", "none")), 2),
        (segment(tagged("vip"), custom("segment_vip", "bool", "equals", value=True)), 1),
        (segment(tagged("other"), custom("segment_vip", "bool", "equals", value=True)), 0),
        (segment(tagged("other"), tagged("vip"), junction="or"), 2),
        (segment(custom("segment_vip", "bool", "equals", value=True)), 2),
        (segment(custom("segment_vip", "bool", "equals", value=False)), 1),
    ],
)
def test_a_segment_counts_who_is_in_it(body: Any, count: int) -> None:
    call = Caller()
    made = call("POST", "/segments", body)
    call.store.seed(
        [
            {"email": "a@example.com", "tags": ["Vip"], "customProperties": {"segment_vip": True}},
            {"email": "b@example.com", "tags": ["vip"], "customProperties": {"segment_vip": False}},
            {"email": "c@example.com", "customProperties": {"segment_vip": True}},
            {"email": "d@example.com", "customProperties": {"segment_vip": 1}},
        ]
    )
    identifier = made.json()["segmentID"]
    statistics = call("GET", f"/segments/{identifier}/statistics").json()
    assert (made.status, statistics) == (201, {"contactsCount": count})
    assert len(call("GET", "/contacts", segmentID=identifier).json()["contacts"]) == count


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "S"},
        {"name": "S", "conditionGroups": []},
        {"name": "x" * 257, "conditionGroups": segment(tagged("a"))["conditionGroups"]},
        segment(),
        segment(tagged()),
        segment({"property": "tag", "operator": "anyOf", "value": ["x"]}),
        segment(tagged("x"), junction="xor"),
        segment(custom("k", "boolean", "equals", value=True)),
        segment(custom("k", "bool", "equals", "true")),
    ],
)
def test_a_segment_of_another_shape_is_refused(body: Any) -> None:
    assert Caller()("POST", "/segments", body).status == 400


def test_a_segment_builds_for_a_while() -> None:
    call = Caller(build_time=30)
    call("POST", "/segments", segment(tagged("vip")))

    def status() -> str:
        (shown,) = call("GET", "/segments").json()["segments"]
        return str(shown["status"])

    assert status() == "building"
    call.clock.pass_(30)
    assert status() == "ready"


def test_segments_are_paged_newest_first() -> None:
    call = Caller()
    made = [call("POST", "/segments", segment(tagged("a"))).json()["segmentID"] for _ in range(5)]
    query, seen = {"limit": "2"}, []
    while True:
        page = call("GET", "/segments", **query).json()
        seen += [one["segmentID"] for one in page["segments"]]
        if not page["paging"]["hasMore"]:
            break
        query["after"] = page["paging"]["cursors"]["after"]
    assert seen == made[::-1]
    assert call("GET", "/segments", limit="51").status == 400
