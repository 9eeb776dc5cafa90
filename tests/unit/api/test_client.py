"""The client over real connections to a local Omnisend and its faults."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from support.calls import OLD, person
from support.sandbox import Sandbox, running_sandbox

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.model import Store
from omnisend_sandbox.server import listen
from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.client import PAGE, OmnisendClient, _with
from target_omnisend.errors import ExitCode, RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from omnisend_sandbox.wire import Reply

KEY = "key-that-nobody-may-see"
EMAIL = "ada.private@example.com"
SINCE = dt.date(2020, 1, 1)
UNKNOWN = "6a1d2c5f00000000000000ff"


class Listening(Store):
    """A store that remembers the headers and the body of the latest call."""

    headers: Mapping[str, str]
    body: bytes

    def handle(
        self, method: str, path: str, query: Any = (), headers: Any = None, body: bytes = b""
    ) -> Reply:
        self.headers, self.body = dict(headers or {}), body
        return super().handle(method, path, query, headers, body)


OPTIONS: dict[str, Any] = {
    "authorization": f"Omnisend-API-Key {KEY}",
    "api_version": "2026-03-15",
    "user_agent": "target-omnisend/1.2.3",
    "timeout": 5.0,
}


def client_of(url: str, **options: Any) -> OmnisendClient:
    return OmnisendClient(url, **{**OPTIONS, **options})


def clock() -> float:
    return dt.datetime.now(dt.UTC).timestamp()


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with running_sandbox(Listening(clock, keys={KEY: None}, limits="off")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(served: Sandbox) -> Iterator[Sandbox]:
    yield served
    served.store.faults.clear()


@pytest.fixture
def client(sandbox: Sandbox) -> OmnisendClient:
    return client_of(sandbox.api_url)


ITEM = msgspec.json.encode(person(EMAIL))
CALLS: dict[str, Callable[[OmnisendClient, str], Answer]] = {
    "GET /brands/current": lambda client, _: client.current_brand(),
    "GET /contacts": lambda client, _: client.any_contact(),
    "GET /contacts?email=": lambda client, _: client.find_contact(EMAIL),
    "POST /batches": lambda client, _: client.post_batch([ITEM]),
    "GET /batches": lambda client, _: client.list_batches(SINCE, 0),
    "GET /batches/{id}": lambda client, batch: client.batch(batch),
    "GET /batches/{id}/items": lambda client, batch: client.batch_items(batch),
    "POST /contacts/tags": lambda client, _: client.add_tags([EMAIL], ["vip"]),
}
every_call = pytest.mark.parametrize("endpoint", CALLS)


@pytest.fixture
def call(client: OmnisendClient) -> Callable[[str], Answer]:
    """Makes the call to an endpoint, about a batch that exists."""
    batch = client.post_batch([ITEM]).body["batchID"]
    return lambda endpoint: CALLS[endpoint](client, batch)


@every_call
def test_omnisend_takes_each_call(call: Callable[[str], Answer], endpoint: str) -> None:
    answer = call(endpoint)
    assert (answer.kind, answer.fault) == (Kind.DONE, "")


@every_call
def test_each_call_carries_key_version_and_agent(
    sandbox: Sandbox, call: Callable[[str], Answer], endpoint: str
) -> None:
    call(endpoint)
    assert isinstance(sandbox.store, Listening)
    headers = sandbox.store.headers
    assert headers["authorization"] == f"Omnisend-API-Key {KEY}"
    assert headers["omnisend-version"] == "2026-03-15"
    assert headers["user-agent"] == "target-omnisend/1.2.3"
    has_json = headers.get("content-type") == "application/json"
    assert has_json == endpoint.startswith("POST")


def test_a_page_of_contacts_is_of_those_that_pass_the_filters(client: OmnisendClient) -> None:
    client.post_batch([ITEM])
    page = client.contacts({"email": EMAIL})
    assert [one["email"] for one in page.body["contacts"]] == [EMAIL]
    assert client.contacts({"email": EMAIL, "status": "subscribed"}).body["contacts"] == []
    assert client.contacts({}, "no cursor").kind is Kind.INVALID


def test_an_address_in_a_url_stays_out_of_the_log(
    client: OmnisendClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", logger="target-omnisend.api"):
        client.find_contact(EMAIL)
    assert "GET /contacts: 200" in caplog.text
    assert "ada.private" not in caplog.text


def test_a_batch_is_of_contacts_made_through_the_api(
    sandbox: Sandbox, client: OmnisendClient
) -> None:
    client.post_batch([ITEM, ITEM])
    assert isinstance(sandbox.store, Listening)
    assert msgspec.json.decode(sandbox.store.body) == {
        "method": "POST",
        "endpoint": "contacts",
        "origin": "api",
        "items": [person(EMAIL), person(EMAIL)],
    }


def test_a_batch_arrives(sandbox: Sandbox, client: OmnisendClient) -> None:
    item = msgspec.json.encode(person("new@example.com", firstName="Zoë"))
    answer = client.post_batch([item])
    assert answer.body["totalCount"] == 1
    assert sandbox.store.contacts["new@example.com"].first_name == "Zoë"
    assert (
        sandbox.store.contacts["new@example.com"].channels["email"]["statusChangedAt"][:19]
        == (OLD[:19])
    )


def test_tags_arrive(sandbox: Sandbox, client: OmnisendClient) -> None:
    sandbox.store.seed([{"email": "tagged@example.com", "tags": ["own"]}])
    assert client.add_tags(["tagged@example.com"], ["vip", "été"]).status == 202
    assert sandbox.store.contacts["tagged@example.com"].tags == ("own", "vip", "été")


def test_a_listing_can_be_paged() -> None:
    with running_sandbox(Store(clock, keys={KEY: None}, limits="off")) as sandbox:
        client = client_of(sandbox.api_url)
        for _ in range(3):
            client.post_batch([ITEM])
        first = client.list_batches(SINCE, 0).body
        rest = client.list_batches(SINCE, 2).body["batches"]
    assert (first["paging"]["limit"], len(first["batches"])) == (PAGE, 3)
    assert [batch["batchID"] for batch in rest] == [first["batches"][2]["batchID"]]


def test_an_unknown_batch_is_gone(client: OmnisendClient) -> None:
    assert client.batch(UNKNOWN).kind is client.batch_items(UNKNOWN).kind is Kind.GONE


class Answering(OmnisendClient):
    """Gives one answer to every call, without a network; `paths` are those it was asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("http://127.0.0.1", **OPTIONS)
        self.paths: list[str] = []
        self._answer = answer

    def _call(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        self.paths.append(f"{method} {path}")
        return self._answer


def test_a_batch_id_is_one_part_of_the_path() -> None:
    client = Answering(Answer(Kind.RETRY))
    client.batch("a/../b?c=é")
    client.batch_items("a/../b?c=é")
    path = "GET /batches/a%2F..%2Fb%3Fc%3D%C3%A9"
    assert client.paths == [path, f"{path}/items"]


def test_a_batch_without_a_name_is_no_batch() -> None:
    taken = Answer(Kind.DONE, 201, {"batchID": ""})
    assert _with(taken, "batchID", str) == Answer(
        Kind.RETRY, 201, fault="an answer without batchID"
    )


@pytest.mark.parametrize("name", [0, 77, 2**70])
def test_a_batch_named_by_a_number_has_a_name(name: int) -> None:
    client = Answering(Answer(Kind.DONE, 201, {"batchID": name, "segmentID": name}))
    answers = client.post_batch([ITEM]), client.batch("x"), client.batch_items("x")
    assert {answer.body["batchID"] for answer in answers} == {str(name)}
    assert client.create_segment("x", []).body["segmentID"] == str(name)


@pytest.mark.parametrize("name", [True, 1.5, None, [], ""], ids=repr)
def test_a_batch_named_by_something_else_has_no_name(name: Any) -> None:
    client = Answering(Answer(Kind.DONE, 201, {"batchID": name}))
    assert client.post_batch([ITEM]).kind is Kind.RETRY


def test_a_wrong_key_is_unauthorized(sandbox: Sandbox) -> None:
    answer = client_of(sandbox.api_url, authorization="Omnisend-API-Key wrong").current_brand()
    assert (answer.kind, answer.fault) == (Kind.UNAUTHORIZED, "401 unauthorized")


def test_a_version_of_the_past_is_retired(sandbox: Sandbox) -> None:
    answer = client_of(sandbox.api_url, api_version="2020-01-01").current_brand()
    assert answer.kind is Kind.RETIRED


@every_call
@pytest.mark.parametrize(
    ("fault", "kind", "status", "said"),
    [
        (Fault("status", status=500), Kind.RETRY, 500, "500"),
        (Fault("status", status=500, html=False), Kind.RETRY, 500, "500"),
        (Fault("status", status=502), Kind.RETRY, 502, "502"),
        (Fault("status", status=503), Kind.RETRY, 503, "503"),
        (Fault("status", status=524, acted=True), Kind.RETRY, 524, "524"),
        (Fault("status", status=402), Kind.PLAN_FULL, 402, "402"),
        (Fault("status", status=403), Kind.FORBIDDEN, 403, "403"),
        (Fault("status", status=413), Kind.TOO_LARGE, 413, "413"),
        (Fault("status", status=307), Kind.RETRY, 307, "307"),
        (Fault("reset_before"), Kind.RETRY, None, "the connection was cut"),
        (Fault("reset_after"), Kind.RETRY, None, "the connection was cut"),
        (Fault("throttle", retry_after=7), Kind.THROTTLED, 429, "429 rate-limit-exceeded"),
    ],
)
def test_a_fault_of_a_call_becomes_its_kind_of_answer(
    sandbox: Sandbox, call: Callable[[str], Answer], endpoint: str, fault: Fault,
    kind: Kind, status: int | None, said: str
) -> None:  # fmt: skip
    sandbox.store.faults.add(fault)
    answer = call(endpoint)
    assert (answer.kind, answer.status, answer.fault) == (kind, status, said)


WITH_A_BODY = [endpoint for endpoint in CALLS if endpoint != "POST /contacts/tags"]


@pytest.mark.parametrize("endpoint", WITH_A_BODY)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("cut"), "the answer was cut short"),
        (Fault("broken_json"), "an answer that is not JSON"),
    ],
)
def test_half_an_answer_is_none(
    sandbox: Sandbox, call: Callable[[str], Answer], endpoint: str, fault: Fault, said: str
) -> None:
    sandbox.store.faults.add(fault)
    answer = call(endpoint)
    assert (answer.kind, answer.fault) == (Kind.RETRY, said)


@pytest.mark.parametrize(
    ("endpoint", "lacking"),
    [
        ("POST /batches", "batchID"),
        ("GET /batches", "batches"),
        ("GET /batches/{id}", "batchID"),
        ("GET /batches/{id}/items", "batchID"),
    ],
)
@pytest.mark.parametrize("html", [True, False])
def test_a_success_without_what_it_is_for_is_no_answer(
    sandbox: Sandbox, call: Callable[[str], Answer], endpoint: str, lacking: str, *, html: bool
) -> None:
    sandbox.store.faults.add(Fault("status", status=200, html=html))
    answer = call(endpoint)
    said = "an answer that is not JSON" if html else f"an answer without {lacking}"
    assert (answer.kind, answer.status, answer.fault) == (Kind.RETRY, 200, said)


@every_call
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault("throttle", retry_after=7), 7.0),
        (Fault("throttle", retry_after=8, header=True), 8.0),
        (Fault("throttle"), 60.0),
    ],
)
def test_a_429_says_how_long(
    sandbox: Sandbox, call: Callable[[str], Answer], endpoint: str, fault: Fault, seconds: float
) -> None:
    sandbox.store.faults.add(fault)
    assert call(endpoint).retry_after == seconds


def test_an_answer_after_the_timeout_is_none(sandbox: Sandbox) -> None:
    sandbox.store.faults.add(Fault("slow", seconds=1.0, times=1))
    answer = client_of(sandbox.api_url, timeout=0.1).current_brand()
    assert (answer.kind, answer.status, answer.fault) == (Kind.RETRY, None, "nothing came in time")


def test_nobody_at_the_address_is_no_answer() -> None:
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    listening.close()
    answer = client_of(f"http://127.0.0.1:{port}/api").current_brand()
    assert (answer.kind, answer.status, answer.fault) == (Kind.RETRY, None, "Connection refused")


def test_a_call_that_cannot_be_made_is_an_answer_not_an_exception() -> None:
    answer = client_of("http://127.0.0.1:port/api").current_brand()
    assert (answer.kind, answer.fault) == (Kind.RETRY, "no call can be made to this address")


@every_call
@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=500),
        Fault("status", status=400),
        Fault("reset_before"),
        Fault("broken_json"),
    ],
)
def test_a_fault_shows_neither_key_nor_person_nor_address(
    sandbox: Sandbox, call: Callable[[str], Answer], endpoint: str, fault: Fault
) -> None:
    sandbox.store.faults.add(fault)
    answer = call(endpoint)
    shown = repr(answer) if answer.kind is not Kind.DONE else answer.fault
    assert KEY not in shown
    assert EMAIL not in shown
    assert "127.0.0.1" not in shown


def test_a_refused_batch_names_fields_and_no_values(client: OmnisendClient) -> None:
    answer = client.post_batch([ITEM] * 101)
    assert (answer.kind, answer.fields) == (Kind.INVALID, ("items",))
    assert EMAIL not in repr(answer)


def test_the_connection_is_used_again_after_a_fault(
    sandbox: Sandbox, client: OmnisendClient
) -> None:
    sandbox.store.faults.add(Fault("cut", times=1))
    assert [client.current_brand().kind for _ in range(3)] == [Kind.RETRY, Kind.DONE, Kind.DONE]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_call_to_this_machine_goes_through_no_proxy(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Over plain http a proxy elsewhere would read key and contacts."""
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert client_of(sandbox.api_url).any_contact().kind is Kind.DONE


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("bundle", ["nowhere.pem", "empty", "text.pem"])
def test_certificates_that_cannot_be_read_are_a_matter_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, bundle: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pem").write_text("no certificate")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / bundle))
    with pytest.raises(RunFailed, match=f"{variable} names") as failure:
        client_of("https://api.example.com/api")
    assert failure.value.exit_code == ExitCode.SETTINGS
    assert str(tmp_path) not in failure.value.sentence


def test_certificates_that_are_there_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", DEFAULT_CA_BUNDLE_PATH)
    client_of("https://api.example.com/api")


def test_certificates_do_not_matter_without_encryption(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "nowhere.pem")
    assert client_of(sandbox.api_url).any_contact().kind is Kind.DONE


def test_certificates_that_disappear_meanwhile_are_a_fault_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(Path(DEFAULT_CA_BUNDLE_PATH).read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with listen("127.0.0.1", 0) as listening:
        client = client_of(f"https://127.0.0.1:{listening.getsockname()[1]}/api")
        bundle.unlink()
        answer = client.any_contact()
    assert (answer.kind, answer.fault) == (
        Kind.RETRY,
        "the certificates to check against cannot be read",
    )
