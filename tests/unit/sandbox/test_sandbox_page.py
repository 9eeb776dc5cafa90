from __future__ import annotations

from html.parser import HTMLParser

import requests
from support.calls import Caller, person
from support.sandbox import running_sandbox

from omnisend_sandbox.faults import KINDS, Fault
from omnisend_sandbox.notes import OMNISEND
from omnisend_sandbox.page import PER_PAGE, render

BASE = "http://127.0.0.1:1/"
HOSTILE = '<script>alert("x")</script>&'


class Texts(HTMLParser):
    """All text of a page, and that its tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.tags.append(tag)
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_an_empty_store_says_what_to_do() -> None:
    page = render(Caller().store, {}, BASE)
    assert "No contacts yet" in page
    assert f"{BASE}api" in page


def test_it_shows_contacts_segments_batches_and_calls() -> None:
    call = Caller()
    call.submit(person("ada@example.com", firstName="Ada", customProperties={"tier": "gold"}))
    call("POST", "/contacts/tags", {"emails": ["ada@example.com"], "tags": ["vip"]})
    filters = [{"property": "tags", "operator": "anyOf", "value": ["vip"]}]
    condition = {"entity": "contact", "junction": "and", "filters": filters}
    body = {"name": "Our VIPs", "conditionGroups": [{"conditions": [condition]}]}
    call("POST", "/segments", body)
    texts = Texts(render(call.store, {}, BASE)).texts
    for text in ("ada@example.com", "Ada", "nonSubscribed", "vip", "tier: gold", "1 of 1"):
        assert text in texts
    assert texts.count("Our VIPs") == 2
    assert "POST /contacts/tags" in texts


def test_it_shows_which_faults_are_on() -> None:
    call = Caller()
    assert "Wrong on purpose" not in render(call.store, {}, BASE)
    call.store.faults.add(Fault("ignores_tags", skip=3), Fault("shown_late", seconds=2.5))
    call.submit(person("ada@example.com"))
    texts = Texts(render(call.store, {}, BASE)).texts
    at = texts.index("Wrong on purpose")
    shown = [text for text in texts[at:] if text.strip()]
    first, second = ("ignores_tags", "skip: 3", "0"), ("shown_late", "seconds: 2.5", "1")
    for (kind, *rest), row in zip((first, second), (shown[6:11], shown[11:16]), strict=True):
        assert row == [kind, KINDS[kind][1], OMNISEND[kind], *rest]


def test_each_fault_has_a_note_of_what_omnisend_does() -> None:
    assert set(OMNISEND) == set(KINDS)


def test_phone_country_and_birthdate_are_shown_and_the_hits_of_a_search_counted() -> None:
    call = Caller()
    more = {"phone": "+442079460110", "countryCode": "GB", "birthdate": "1990-05-27"}
    call.store.seed([{"email": f"ada{n}@example.com", **more} for n in range(30)])
    texts = Texts(render(call.store, {"q": "ada1"}, BASE)).texts
    assert "11 contacts match." in texts
    assert [texts.count(value) for value in more.values()] == [11, 11, 11]
    assert "1 contact matches." in Texts(render(call.store, {"q": "ada29"}, BASE)).texts


def test_everything_is_escaped() -> None:
    call = Caller()
    call.store.seed(
        [
            {
                "email": HOSTILE,
                "firstName": HOSTILE,
                "tags": [HOSTILE],
                "status": HOSTILE,
                "customProperties": {HOSTILE: HOSTILE},
            }
        ]
    )
    call("GET", f"/{HOSTILE}")
    page = render(call.store, {"q": HOSTILE}, f"{BASE}{HOSTILE}")
    parsed = Texts(page)
    assert "script" not in parsed.tags
    assert parsed.texts.count(HOSTILE) == 4


def test_contacts_are_searched_and_paged() -> None:
    call = Caller()
    call.store.seed([{"email": f"p{n}@example.com"} for n in range(PER_PAGE + 1)])
    call.store.seed([{"email": "ada@example.com", "tags": ["VIP"], "lastName": "Lovelace"}])
    assert "p0@example.com" not in render(call.store, {}, BASE)
    second = render(call.store, {"page": "2"}, BASE)
    assert "p0@example.com" in second
    assert "page 2 of 2" in second
    assert "page 2 of 2" in render(call.store, {"page": "99"}, BASE)
    assert "page 1 of 2" in render(call.store, {"page": "²"}, BASE)
    for wanted in ("vip", "lovelace", "ADA@"):
        found = render(call.store, {"q": wanted}, BASE)
        assert "ada@example.com" in found
        assert "p1@example.com" not in found
    assert "No contact matches" in render(call.store, {"q": "zzz"}, BASE)


def test_it_is_served() -> None:
    with running_sandbox() as sandbox:
        reply = requests.get(sandbox.url, timeout=5)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert f"{sandbox.url}/api" in reply.text
