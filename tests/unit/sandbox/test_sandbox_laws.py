"""Laws of the model, whatever is sent to it and whatever trouble it makes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.calls import OLD, Caller, batch, person

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.wire import instant

SCALARS = st.none() | st.booleans() | st.integers(-9, 999) | st.text(max_size=6)
WORDS = st.sampled_from(
    (
        "identifiers type id channels email phone sms status statusChangedAt consent createdAt "
        "sendWelcomeMessage tags customProperties gender birthdate countryCode emails phones "
        "contactIDs segmentID name conditionGroups conditions filters entity contact junction "
        "and property operator value anyOf custom valueType bool equals method POST endpoint "
        f"contacts items subscribed a@example.com {OLD}"
    ).split()
)
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
ENDPOINTS = st.sampled_from(
    (
        "POST /contacts/tags",
        "DELETE /contacts/tags",
        "POST /batches",
        "POST /segments",
        "GET /contacts",
        "GET /segments",
        "GET /batches",
    )
)
ANSWERS = {200, 201, 202, 400}


@given(ENDPOINTS, JSON, st.dictionaries(WORDS, st.text(max_size=4), max_size=2))
def test_every_call_gets_an_answer(endpoint: str, body: Any, query: dict[str, str]) -> None:
    method, path = endpoint.split()
    assert Caller()(method, path, body, **query).status in ANSWERS


IDENTITY = {
    **person("ada@example.com", customProperties={"a": 1}, tags=["x"], gender="f"),
    "birthdate": "1990-01-31",
}
FILTER = {"property": "custom", "name": "a", "valueType": "bool", "operator": "equals"}
CONDITION = {"entity": "contact", "junction": "or", "filters": [{**FILTER, "value": True}]}
VALID = st.sampled_from(
    (
        (
            "POST /contacts/tags",
            {"emails": ["x"], "contactIDs": [], "segmentID": "", "tags": ["x"]},
        ),
        ("POST /batches", batch(IDENTITY)),
        ("POST /segments", {"name": "S", "conditionGroups": [{"conditions": [CONDITION]}]}),
    )
)


@st.composite
def spoiled(draw: st.DrawFn, body: Any) -> Any:
    """`body` with something else somewhere in it."""
    if not isinstance(body, dict | list) or not body or draw(st.integers(0, 4)) == 0:
        return draw(JSON)
    key = draw(st.sampled_from([*body] if isinstance(body, dict) else [*range(len(body))]))
    copy = body.copy()
    copy[key] = draw(spoiled(body[key]))
    return copy


@given(st.data(), VALID)
def test_one_wrong_thing_is_never_more_than_a_problem(
    data: st.DataObject, valid: tuple[str, Any]
) -> None:
    call = Caller()
    call.store.seed([{"email": "ada@example.com", "customProperties": {"a": 1}}])
    method, path = valid[0].split()
    body = data.draw(spoiled(valid[1]))
    assert call(method, path, body).status in ANSWERS
    call.store.snapshot()


@given(JSON)
def test_every_item_gets_an_answer(item: Any) -> None:
    call = Caller()
    shown = call.items(call.submit(item))
    assert len(shown["errors"]) + len(shown["responses"]) == 1


@given(JSON)
def test_every_filter_makes_a_segment_or_a_problem(given_filter: Any) -> None:
    call = Caller()
    call.store.seed([{"email": "ada@example.com", "customProperties": {"email": "x"}}])
    condition = {"entity": "contact", "junction": "or", "filters": [given_filter]}
    body = {"name": "S", "conditionGroups": [{"conditions": [condition]}]}
    assert call("POST", "/segments", body).status in {201, 400}
    call.store.snapshot()


EMAILS = st.sampled_from([f"p{n}@example.com" for n in range(5)])
DATES = st.sampled_from([f"20{year}-01-01T00:00:00Z" for year in range(10, 30)])
STATUSES = st.sampled_from(["subscribed", "nonSubscribed", "unsubscribed"])
TROUBLE = st.sampled_from(
    ["stopped", "vanished", "stuck", "shown_late", "reset_before", "cut", "shuffled"]
)


class Life(RuleBasedStateMachine):
    """A store in use, with trouble."""

    def __init__(self) -> None:
        super().__init__()
        self.call = Caller(batch_latency=4, progressive=True)

    @rule(people=st.lists(st.tuples(EMAILS, STATUSES, DATES), min_size=1, max_size=9))
    def submit(self, people: list[tuple[str, str, str]]) -> None:
        self.call("POST", "/batches", batch(*(person(*one) for one in people)))

    @rule(emails=st.lists(EMAILS, min_size=1))
    def tag(self, emails: list[str]) -> None:
        self.call("POST", "/contacts/tags", {"emails": emails, "tags": ["vip"]})

    @rule(kind=TROUBLE, times=st.integers(1, 2))
    def trouble(self, kind: Any, times: int) -> None:
        self.call.store.faults.add(Fault(kind, times=times))

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        self.call.clock.pass_(seconds)

    @invariant()
    def statuses_are_the_newest(self) -> None:
        self.call.store.advance()
        sent: dict[str, list[tuple[str, str]]] = {}
        for held in self.call.store.batches:
            for item in held.items()[: len(held.results)]:
                (one,) = item["identifiers"]
                block = one["channels"]["email"]
                sent.setdefault(one["id"], []).append((block["statusChangedAt"], block["status"]))
        assert sent.keys() == self.call.store.contacts.keys()
        for email, dated in sent.items():
            contact = self.call.store.contacts[email]
            newest = max(date for date, _ in dated)
            assert instant(newest) == contact.email_changed
            assert (newest, contact.status) in dated

    @invariant()
    def batches_add_up(self) -> None:
        for held in self.call.store.batches:
            shown = held.with_items()
            assert len(shown["errors"]) == shown["errorsCount"] == 0
            assert len(shown["responses"]) == shown["finishedCount"] <= shown["totalCount"]
            if shown["status"] == "finished":
                assert shown["finishedCount"] == shown["totalCount"]

    @invariant()
    def nobody_is_there_twice(self) -> None:
        people = self.call.store.people
        assert len({one.id for one in people.all}) == len(people.all) == len(people.by_email)


TestLife = Life.TestCase
