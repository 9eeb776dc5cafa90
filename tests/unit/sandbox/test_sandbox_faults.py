"""Every kind of trouble, made in the model; the connection itself is for test_sandbox_http."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.calls import Caller, batch, person

from omnisend_sandbox.faults import Fault, Faults


def caller(*faults: Fault, **options: Any) -> Caller:
    return Caller(faults=Faults(faults), **options)


def emails(items: list[dict[str, Any]]) -> list[str]:
    return [item["request"]["identifiers"][0]["id"] for item in items]


PEOPLE = [person(f"p{n}@example.com") for n in range(6)]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, [500] * 8),
        ({"times": 2}, [500] * 2 + [200] * 6),
        ({"skip": 1, "times": 1}, [200, 500] + [200] * 6),
        ({"every": 3}, [200, 200, 500, 200, 200, 500, 200, 200]),
        ({"endpoint": "POST /batches"}, [200] * 8),
        ({"endpoint": "GET /brands/*"}, [500] * 8),
        ({"probability": 0.0}, [200] * 8),
        ({"probability": 1.0}, [500] * 8),
    ],
)
def test_a_fault_strikes_when_it_should(when: dict[str, Any], expected: list[int]) -> None:
    call = caller(Fault("status", **when))
    assert [call("GET", "/brands/current").status for _ in range(8)] == expected
    assert call.store.faults.hits["status"] == expected.count(500)


def test_chance_repeats_itself_by_its_seed() -> None:
    def answers(seed: int) -> list[int]:
        call = caller(Fault("status", probability=0.5, seed=seed))
        return [call("GET", "/brands/current").status for _ in range(50)]

    assert answers(1) == answers(1) != answers(2)


@pytest.mark.parametrize("status", [500, 502, 503, 524])
@pytest.mark.parametrize("acted", [False, True])
def test_a_status_comes_instead_of_the_call_or_after_it(status: int, *, acted: bool) -> None:
    call = caller(Fault("status", status=status, acted=acted))
    reply = call("POST", "/batches", batch(*PEOPLE))
    assert (reply.status, reply.headers["content-type"]) == (status, "text/html")
    assert bool(call.store.contacts) == acted


@pytest.mark.parametrize(
    ("kind", "acted", "wire"),
    [("reset_before", False, "reset"), ("reset_after", True, "reset"), ("cut", True, "cut")],
)
def test_a_broken_connection_says_so(kind: Any, acted: bool, wire: str) -> None:  # noqa: FBT001
    call = caller(Fault(kind))
    assert call("POST", "/batches", batch(*PEOPLE)).wire == wire
    assert bool(call.store.contacts) == acted


def test_a_slow_answer_names_its_delay() -> None:
    reply = caller(Fault("slow", seconds=90.0))("GET", "/brands/current")
    assert (reply.status, reply.delay) == (200, 90.0)


def test_broken_json_is_broken() -> None:
    reply = caller(Fault("broken_json"))("GET", "/brands/current")
    with pytest.raises(msgspec.DecodeError):
        reply.json()


@pytest.mark.parametrize(
    ("fault", "body", "header"),
    [
        (Fault("throttle"), None, None),
        (Fault("throttle", retry_after=7), 7, None),
        (Fault("throttle", retry_after=7, header=True), None, "7"),
    ],
)
def test_throttling_tells_as_much_as_it_is_told(
    fault: Fault, body: int | None, header: str | None
) -> None:
    call = caller(fault)
    reply = call("GET", "/brands/current")
    assert (reply.status, reply.json().get("retryAfter")) == (429, body)
    assert reply.headers.get("retry-after") == header
    assert call.store.requests.throttled["GET /brands/current"] == 1


def test_a_stopped_batch_has_done_half() -> None:
    call = caller(Fault("stopped"), batch_latency=4)
    identifier = call.submit(*PEOPLE)
    call.clock.pass_(4)
    shown = call.items(identifier)
    assert (shown["status"], shown["finishedCount"], shown["totalCount"]) == ("stopped", 3, 6)
    assert emails(shown["responses"]) == [f"p{n}@example.com" for n in range(3)]
    assert len(call.store.contacts) == 3


@pytest.mark.parametrize("acted", [False, True])
def test_a_vanished_batch_is_gone_from_everywhere(*, acted: bool) -> None:
    call = caller(Fault("vanished", acted=acted))
    identifier = call.submit(*PEOPLE)
    assert call("GET", f"/batches/{identifier}").status == 404
    assert call("GET", f"/batches/{identifier}/items").status == 404
    assert call("GET", "/batches", endpoint="contacts").json()["batches"] == []
    assert len(call.store.contacts) == (6 if acted else 0)


def test_a_batch_can_vanish_later() -> None:
    call = caller(Fault("vanished", acted=True, seconds=10))
    identifier = call.submit(*PEOPLE)
    assert call("GET", f"/batches/{identifier}").status == 200
    call.clock.pass_(10)
    assert call("GET", f"/batches/{identifier}").status == 404


@pytest.mark.parametrize(("seconds", "status"), [(0.0, "pending"), (100.0, "finished")])
def test_a_stuck_batch_stays_pending(seconds: float, status: str) -> None:
    call = caller(Fault("stuck", seconds=seconds), batch_latency=1)
    identifier = call.submit(*PEOPLE)
    call.clock.pass_(99)
    assert call("GET", f"/batches/{identifier}").json()["status"] == "pending"
    call.clock.pass_(5)
    assert call("GET", f"/batches/{identifier}").json()["status"] == status


def test_the_list_can_hide_its_counts() -> None:
    call = caller(Fault("no_counts", endpoint="GET /batches"))
    identifier = call.submit(*PEOPLE)
    (shown,) = call("GET", "/batches", endpoint="contacts").json()["batches"]
    assert (shown["finishedCount"], shown["errorsCount"]) == (None, None)
    assert call("GET", f"/batches/{identifier}").json()["finishedCount"] == 6
    call.store.faults.clear()
    call.store.faults.add(Fault("no_counts", shape="missing"))
    assert "finishedCount" not in call("GET", f"/batches/{identifier}").json()


def test_items_can_come_in_another_order() -> None:
    call = caller(Fault("shuffled"))
    found = emails(call.items(call.submit(*PEOPLE))["responses"])
    expected = [f"p{n}@example.com" for n in range(6)]
    assert found != expected
    assert sorted(found) == expected


def test_arrays_can_be_null_or_missing() -> None:
    call = caller(Fault("no_arrays", times=1), Fault("no_arrays", skip=1, shape="missing"))
    identifier = call.submit(*PEOPLE)
    assert call.items(identifier)["responses"] is None
    assert "responses" not in call.items(identifier)


@pytest.mark.parametrize("shape", ["fields", "string", "null", "no_request", "contact_id"])
def test_items_answer_in_any_shape(shape: Any) -> None:
    call = caller(Fault("answers", shape=shape))
    shown = call.items(call.submit(person("ada@example.com"), person("ada")))
    (error,), (response,) = shown["errors"], shown["responses"]
    if shape == "fields":
        assert error["response"]["fields"] == {"0": ["identifiers.0.id: Invalid email"]}
    elif shape == "string":
        assert error["response"] == "Invalid email"
    elif shape == "null":
        assert (error["response"], response["response"]) == (None, None)
    elif shape == "no_request":
        assert "request" not in error
    else:
        assert "contactID" in response["response"]


def test_a_flaky_item_fails_and_then_does_not() -> None:
    call = caller(Fault("item_flaky", email="p[12]@", code=503, failures=2))
    codes = []
    for _ in range(3):
        shown = call.items(call.submit(*PEOPLE))
        codes.append([item["responseCode"] for item in shown["errors"]])
    assert codes == [[503, 503], [503, 503], []]


def test_an_item_can_be_refused_by_its_address() -> None:
    call = caller(Fault("item_refused", email="^p1@", code=422))
    (error,) = call.items(call.submit(*PEOPLE, None))["errors"][:1]
    assert (error["responseCode"], emails([error])) == (422, ["p1@example.com"])
    call.store.faults.clear()
    assert call("POST", "/batches", batch(*PEOPLE)).status == 201
    assert "p1@example.com" in call.store.contacts
