"""What a client sees on the wire."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.calls import HEADERS, batch, person
from support.sandbox import Sandbox, running_sandbox

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.server import listen

if TYPE_CHECKING:
    from collections.abc import Iterator


class Client:
    """A session on one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()

    def api(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        url = self.sandbox.api_url + path
        return self.session.request(
            method, url, json=body, params=query, headers=HEADERS, timeout=5
        )

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, self.sandbox.url + path, json=body, timeout=5)


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def client(served: Sandbox) -> Iterator[Client]:
    client = Client(served)
    with client.session:
        yield client
    served.store.faults.clear()


def test_a_batch_arrives(client: Client) -> None:
    reply = client.api("POST", "/batches", batch(person("ada@example.com", city="Bath")))
    assert reply.status_code == 201
    shown = client.api("GET", f"/batches/{reply.json()['batchID']}/items").json()
    assert shown["responses"][0]["responseCode"] == 201
    found = client.api("GET", "/contacts", email="ada@example.com").json()["contacts"]
    assert [contact["city"] for contact in found] == ["Bath"]


def test_a_plus_in_an_address_survives_the_query(client: Client) -> None:
    client.api("POST", "/batches", batch(person("ada+x@example.com")))
    found = client.api("GET", "/contacts", email="ada+x@example.com").json()["contacts"]
    assert len(found) == 1


def test_a_problem_is_typed_as_one(client: Client) -> None:
    reply = client.api("GET", "/contacts", color="red")
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")


def test_a_tag_call_has_no_body(client: Client) -> None:
    body = {"emails": ["ada@example.com"], "tags": ["vip"]}
    reply = client.api("DELETE", "/contacts/tags", body)
    assert (reply.status_code, reply.content) == (202, b"")


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_reset_is_a_reset(client: Client, kind: Any) -> None:
    client.sandbox.store.faults.add(Fault(kind, times=1))
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        client.api("POST", "/batches", batch(person(f"{kind}@example.com")))
    assert (f"{kind}@example.com" in client.sandbox.store.contacts) == (kind == "reset_after")
    assert client.api("GET", "/brands/current").status_code == 200


def test_a_cut_body_is_short(client: Client) -> None:
    client.sandbox.store.faults.add(Fault("cut", times=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.api("GET", "/brands/current")
    assert client.api("GET", "/brands/current").status_code == 200


def test_a_cut_answer_without_body_is_short_too(client: Client) -> None:
    client.sandbox.store.faults.add(Fault("cut", times=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.api("POST", "/contacts/tags", {"emails": ["a@example.com"], "tags": ["vip"]})


def test_a_slow_answer_runs_into_a_timeout_but_has_acted(client: Client) -> None:
    client.sandbox.store.faults.add(Fault("slow", times=1, seconds=0.3))
    url, body = f"{client.sandbox.api_url}/batches", batch(person("late@example.com"))
    with pytest.raises(requests.ReadTimeout):
        client.session.post(url, json=body, headers=HEADERS, timeout=0.05)
    assert "late@example.com" in client.sandbox.store.contacts


def test_html_and_broken_json_arrive_as_such(client: Client) -> None:
    faults = client.sandbox.store.faults
    faults.add(Fault("status", times=1, status=502))
    reply = client.api("GET", "/brands/current")
    assert (reply.status_code, reply.headers["content-type"]) == (502, "text/html")
    faults.clear()
    faults.add(Fault("broken_json", times=1))
    with pytest.raises(requests.JSONDecodeError):
        client.api("GET", "/brands/current").json()


def test_faults_are_set_and_lifted_over_http(client: Client) -> None:
    planted = [{"kind": "throttle", "endpoint": "GET /brands/current", "retry_after": 3}]
    assert client.control("POST", "/_sandbox/faults", planted).json()["inForce"] == planted
    assert client.api("GET", "/brands/current").json()["retryAfter"] == 3
    assert client.control("DELETE", "/_sandbox/faults").status_code == 204
    assert client.api("GET", "/brands/current").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", [{"kind": "unheard of"}]),
        ("faults", [{"kind": "slow", "secnods": 1}]),
        ("faults", [{"kind": "item_refused", "email": "("}]),
        ("faults", [{"kind": "refuses_field"}]),
        ("faults", {}),
        ("contacts", [{"tags": ["no e-mail"]}]),
        ("contacts", ["x"]),
    ],
)
def test_controls_say_what_is_wrong(client: Client, path: str, body: Any) -> None:
    reply = client.control("POST", f"/_sandbox/{path}", body)
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_the_state_shows_everything() -> None:
    with running_sandbox() as sandbox, requests.Session() as session:
        client = Client(sandbox)
        seeded = [{"email": "ada@example.com", "status": "subscribed", "tags": ["theirs"]}]
        assert client.control("POST", "/_sandbox/contacts", seeded).json() == {"contactsCount": 1}
        client.api("POST", "/batches", batch(person("bob@example.com", welcome=True, typo=1)))
        client.api("POST", "/contacts/tags", {"emails": ["eve@example.com"], "tags": ["vip"]})
        state = session.get(f"{sandbox.url}/_sandbox/state", timeout=5).json()
        client.session.close()
        few = session.get(f"{sandbox.url}/_sandbox/state?contacts=no", timeout=5).json()
        reset = session.post(f"{sandbox.url}/_sandbox/reset", timeout=5)
    assert [(one["email"], one["tags"], one["status"]) for one in state["contacts"]] == [
        ("ada@example.com", ["theirs"], "subscribed"),
        ("bob@example.com", [], "nonSubscribed"),
    ]
    assert state["requests"]["busiest"] == {"POST /batches": 1, "POST /contacts/tags": 1}
    assert state["welcomeMessages"] == ["bob@example.com"]
    assert (state["tagMisses"], state["ignoredFields"]) == (1, {"typo": 1})
    assert (few["contacts"], few["contactsCount"]) == ([], 2)
    assert reset.status_code == 409


def test_it_starts_and_stops_at_once() -> None:
    started = time.perf_counter()
    with running_sandbox() as sandbox, requests.Session() as session:
        session.get(f"{sandbox.api_url}/brands/current", headers=HEADERS, timeout=5)
    assert time.perf_counter() - started < 2  # 0.3 s on an idle machine


def test_calls_on_one_connection_do_not_wait_for_acknowledgements(client: Client) -> None:
    started = time.perf_counter()
    for _ in range(50):
        client.api("GET", "/brands/current")
    # 40 ms each, with the kernel's delayed acknowledgement.
    assert time.perf_counter() - started < 50 * 0.03


def test_each_call_takes_the_latency() -> None:
    with running_sandbox(latency=0.1) as sandbox:
        started = time.perf_counter()
        requests.get(f"{sandbox.api_url}/brands/current", headers=HEADERS, timeout=5)
        assert time.perf_counter() - started >= 0.1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        listen(host, 0)
