"""Reading the contacts that Omnisend has, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from support.calls import NOON
from support.simulation import StoreClient

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.model import DEFAULT_KEY, Store
from target_omnisend.api.answers import Answer, Kind
from target_omnisend.delivery.paging import FORBIDDEN_WAITS, Pages, cursor_of, email_of

if TYPE_CHECKING:
    from omnisend_sandbox.limits import Keys
    from target_omnisend.delivery.exchange import Exchange

Result = TypeVar("Result")


class Driven:
    """It answers the calls of exchanges, and notes how long they wait."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.waits: list[float] = []

    def __call__(self, exchange: Exchange[Result]) -> Result:
        try:
            ask = next(exchange)
            while True:
                self.waits.append(ask.wait)
                ask = exchange.send(ask.run(self.api))
        except StopIteration as end:
            value: Result = end.value
            return value


class Looping:
    """Its pages lead round."""

    def contacts(self, _: object, after: str | None = None) -> Answer:
        cursors = {None: "a", "a": "b", "b": "a"}
        paging = {"hasMore": True, "cursors": {"after": cursors[after]}}
        return Answer(Kind.DONE, 200, {"contacts": [{"email": "x@example.com"}], "paging": paging})


@pytest.fixture
def store() -> Store:
    made = Store(lambda: NOON, limits="off")
    made.seed({"email": f"p{n}@example.com", "tags": ["VIP"] if n % 2 else []} for n in range(600))
    return made


def read(drive: Driven, pages: Pages) -> list[list[str]]:
    found = []
    while (page := drive(pages.next_page())) is not None:
        found.append([email_of(one) for one in page])
    return found


def test_every_contact_comes_once(store: Store) -> None:
    pages = Pages({})
    found = read(Driven(StoreClient(store)), pages)
    assert [len(page) for page in found] == [250, 250, 100]
    assert {email for page in found for email in page} == set(store.contacts)
    assert (pages.calls, pages.kept_back) == (3, None)


def test_a_filter_lets_some_through(store: Store) -> None:
    found = read(Driven(StoreClient(store)), Pages({"tag": "VIP"}))
    assert [len(page) for page in found] == [250, 50]


def test_pages_that_lead_round_end() -> None:
    assert len(read(Driven(Looping()), Pages({}))) == 3


def test_a_page_that_is_kept_back_ends_them(store: Store) -> None:
    store.faults.add(Fault("status", "GET /contacts", status=400, skip=1))
    pages = Pages({})
    assert len(read(Driven(StoreClient(store)), pages)) == 1
    assert pages.kept_back is not None
    assert pages.kept_back.kind is Kind.INVALID


def test_a_403_is_believed_when_it_comes_again(store: Store) -> None:
    store.faults.add(Fault("status", "GET /contacts", status=403, times=1))
    drive = Driven(StoreClient(store))
    assert len(read(drive, Pages({}))) == 3
    assert drive.waits == [0, FORBIDDEN_WAITS[0], 0, 0]


def test_a_key_without_the_scope() -> None:
    keys: Keys = {DEFAULT_KEY: frozenset({"contacts.write"})}
    pages = Pages({})
    drive = Driven(StoreClient(Store(lambda: NOON, keys=keys)))
    assert read(drive, pages) == []
    assert pages.kept_back is not None
    assert pages.kept_back.kind is Kind.FORBIDDEN
    assert drive.waits == [0, *FORBIDDEN_WAITS]


@pytest.mark.parametrize(
    ("contact", "email"),
    [
        ({"email": " Ann@Example.com"}, "ann@example.com"),
        ({"email": "", "identifiers": [{"type": "email", "id": "A@x.org"}]}, "a@x.org"),
        ({"email": None, "identifiers": [None, {"type": "phone", "id": "+1"}]}, ""),
        ({"identifiers": [{"type": "email", "id": 5}]}, ""),
        ({}, ""),
    ],
)
def test_the_address_of_a_contact(contact: dict[str, Any], email: str) -> None:
    assert email_of(contact) == email


@pytest.mark.parametrize(
    "paging",
    [None, {}, {"hasMore": False, "cursors": {"after": "x"}}, {"hasMore": True, "cursors": None}],
)
def test_no_page_follows(paging: Any) -> None:
    assert cursor_of(paging) is None
