"""Each way in which the local Omnisend can be wrong on purpose, over its HTTP API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.calls import HEADERS, Clock, batch, person, phone
from support.sandbox import running_sandbox

from omnisend_sandbox import __main__ as command
from omnisend_sandbox.faults import KINDS
from omnisend_sandbox.model import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA, BOB = "ada@example.com", "bob@example.com"
NUMBER = "+441632960123"


class Client:
    """A session on a sandbox whose clock the test moves."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.clock = clock
        self._url = url
        self._session = requests.Session()

    def __call__(
        self, method: str, path: str, body: Any = None, /, **query: str
    ) -> requests.Response:
        return self._session.request(
            method, f"{self._url}/api{path}", json=body, params=query, headers=HEADERS, timeout=5
        )

    def plant(self, kind: str, **more: Any) -> None:
        planted = [{"kind": kind, **more}]
        reply = self._session.post(f"{self._url}/_sandbox/faults", json=planted, timeout=5)
        assert reply.status_code == 201, reply.text

    def seed(self, contact: dict[str, Any]) -> None:
        reply = self._session.post(f"{self._url}/_sandbox/contacts", json=[contact], timeout=5)
        assert reply.status_code == 201, reply.text

    def submit(self, *items: Any) -> str:
        reply = self("POST", "/batches", batch(*items))
        assert reply.status_code == 201, reply.text
        return str(reply.json()["batchID"])

    def refused(self, *items: Any) -> dict[str, str]:
        """Field of the first error, by e-mail, of the items that were refused."""
        shown = self("GET", f"/batches/{self.submit(*items)}/items").json()
        return {
            one["request"]["identifiers"][0]["id"]: one["response"]["errors"][0]["field"]
            for one in shown["errors"]
        }

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def client() -> Iterator[Client]:
    clock = Clock(time.time())
    with running_sandbox(Store(clock)) as sandbox:
        made = Client(sandbox.url, clock)
        yield made
        made.close()


def test_phones_can_be_refused(client: Client) -> None:
    client.plant("refuses_phones", code=422)
    refused = client.refused(person(ADA, also=[phone(NUMBER)]), person(BOB))
    assert refused == {ADA: "identifiers.1.id"}


@pytest.mark.parametrize(
    ("field", "more", "named"),
    [
        ("birthdate", {"birthdate": "1990-01-31"}, "birthdate"),
        ("customProperties.tier", {"customProperties": {"tier": "gold"}}, "customProperties.tier"),
        ("phone", {"also": [phone(NUMBER)]}, "identifiers.1.id"),
    ],
)
def test_a_named_field_can_be_refused(
    client: Client, field: str, more: dict[str, Any], named: str
) -> None:
    client.plant("refuses_field", field=field)
    others = person(BOB, gender="f", customProperties={"other": 1})
    assert client.refused(person(ADA, **more), others) == {ADA: named}


def test_new_batches_can_be_shown_late(client: Client) -> None:
    client.plant("shown_late", seconds=3)
    identifier = client.submit(person(ADA))

    def shown() -> tuple[list[int], int]:
        path = f"/batches/{identifier}"
        listed = client("GET", "/batches", endpoint="contacts").json()["batches"]
        calls = [client("GET", where).status_code for where in (path, f"{path}/items")]
        return calls, len(listed)

    assert shown() == ([404, 404], 0)
    client.clock.pass_(3)
    assert shown() == ([200, 200], 1)


def test_content_that_matches_can_be_forbidden(client: Client) -> None:
    client.plant("status", status=403, content="<script|VERBOTEN")
    bad, good = person(ADA, city="<script>"), person(BOB, city="Bath")
    assert client("POST", "/batches", batch(good, bad)).status_code == 403
    assert client("POST", "/batches", batch(good)).status_code == 201
    tagging = {"emails": [ADA], "tags": ["VERBOTEN"]}
    assert client("POST", "/contacts/tags", tagging).status_code == 403
    assert client("GET", "/contacts").status_code == 200


def test_the_brand_can_answer_anything(client: Client) -> None:
    for status in (401, 403, 404, 422):
        client.plant("status", endpoint="GET /brands/current", status=status, times=1)
        assert client("GET", "/brands/current").status_code == status
    assert client("GET", "/brands/current").status_code == 200


# -- items that succeed, and do harm ---------------------------------------------------


def found(client: Client, email: str = ADA) -> dict[str, Any]:
    (contact,) = client("GET", "/contacts", email=email).json()["contacts"]
    return dict(contact)


SUBSCRIBED = {"email": ADA, "status": "subscribed", "statusChangedAt": "2024-05-06T07:08:09Z"}


@pytest.mark.parametrize(("wrong", "status"), [(False, "subscribed"), (True, "nonSubscribed")])
def test_consent_can_be_downgraded(client: Client, status: str, *, wrong: bool) -> None:
    client.seed(SUBSCRIBED)
    if wrong:
        client.plant("downgrades_consent")
    client.submit(person(ADA))
    assert found(client)["status"] == found(client)["statuses"][0]["status"] == status


def test_new_people_can_be_subscribed(client: Client) -> None:
    client.seed({"email": ADA})
    client.plant("subscribes_new", email="ada|bob")
    client.submit(person(ADA), person(BOB), person("cyd@example.com"))
    statuses = [found(client, email)["status"] for email in (ADA, BOB, "cyd@example.com")]
    assert statuses == ["nonSubscribed", "subscribed", "nonSubscribed"]


THEIRS = {"email": ADA, "tags": ["theirs"], "city": "Bath", "customProperties": {"theirs": 1}}
KEPT = {"tags": ["theirs"], "city": "Bath", "customProperties": {"theirs": 1, "ours": 2}}


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("wipes_tags", {"tags": []}),
        ("wipes_fields", {"city": ""}),
        ("wipes_properties", {"customProperties": {"ours": 2}}),
    ],
)
def test_what_others_wrote_can_be_wiped(client: Client, kind: str, left: dict[str, Any]) -> None:
    client.seed(THEIRS)
    client.plant(kind)
    client.submit(person(ADA, firstName="Ada", customProperties={"ours": 2}))
    contact = found(client)
    assert contact["firstName"] == "Ada"
    assert {name: contact[name] for name in KEPT} == {**KEPT, **left}


def test_null_can_leave_a_property(client: Client) -> None:
    client.seed({"email": ADA, "customProperties": {"a": 1, "b": 2, "c": 3}})
    client.plant("keeps_on_null")
    client.submit(person(ADA, customProperties={"a": None, "b": "", "c": False}))
    assert found(client)["customProperties"] == {"a": 1, "c": False}


# -- tag calls -------------------------------------------------------------------------


def tags(client: Client) -> list[str]:
    return list(found(client)["tags"])


@pytest.mark.parametrize(("method", "held"), [("POST", []), ("DELETE", ["vip"])])
def test_tag_calls_can_change_nothing(client: Client, method: str, held: list[str]) -> None:
    client.seed({"email": ADA, "tags": held})
    client.plant("ignores_tags", times=1)
    body = {"emails": [ADA], "tags": ["vip"]}
    assert client(method, "/contacts/tags", body).status_code == 202
    assert tags(client) == held
    client(method, "/contacts/tags", body)
    assert tags(client) != held


def test_tags_can_come_seconds_late(client: Client) -> None:
    client.seed({"email": ADA})
    client.plant("tags_late", seconds=5)
    client("POST", "/contacts/tags", {"emails": [ADA], "tags": ["vip"]})
    assert tags(client) == []
    client.clock.pass_(5)
    assert tags(client) == ["vip"]


def test_tags_can_come_calls_late(client: Client) -> None:
    client.seed({"email": ADA})
    client.plant("tags_late", calls=2)
    client("POST", "/contacts/tags", {"emails": [ADA], "tags": ["vip"]})
    assert [tags(client) for _ in range(4)] == [[], [], ["vip"], ["vip"]]


def test_every_fault_says_what_happens() -> None:
    told = command._parser().format_help()
    for kind, (_, meaning) in KINDS.items():
        assert f"{kind:20}{meaning}\n" in told
