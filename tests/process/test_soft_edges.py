"""Answers that look fatal and are not, and those that end a run before it has written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal
from support.simulation import StoreClient

from omnisend_sandbox.faults import Fault
from target_omnisend.api.answers import Answer, read_problem
from target_omnisend.delivery.tag_check import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.rehearsal import Ran

BRAND, READ, POST = "GET /brands/current", "GET /contacts", "POST /batches"
TAGS = "POST /contacts/tags"
FIELDS: dict[str, Any] = {"membership": "property"}


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


# -- whose key it is -------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 422])
def test_a_store_that_is_not_shown_is_unknown_and_the_run_goes_on(
    night: Rehearsal, status: int
) -> None:
    night.store.faults.add(Fault("status", BRAND, status=status))
    ran = night(schema(), *people(3), state(a=1), **FIELDS)
    assert (ran.code, ran.states, ran.counts["accepted"]) == (0, [{"a": 1}], 3), ran.log
    assert ran.calls[READ] == 1


@pytest.mark.parametrize("status", [401, 410])
def test_what_both_calls_say_ends_the_run(night: Rehearsal, status: int) -> None:
    for endpoint in (BRAND, READ):
        night.store.faults.add(Fault("status", endpoint, status=status))
    ran = night(schema(), *people(3), state(a=1), **FIELDS)
    assert (ran.code, ran.states, ran.writes) == (3, [], {})
    assert ("does not accept the API key" in ran.log) == (status == 401)


def test_a_key_that_ends_in_the_middle_is_told_with_what_was_confirmed(night: Rehearsal) -> None:
    night.store.faults.add(Fault("status", status=401, skip=20))
    messages = (schema(), *people(3000), state(a=1))
    ran = night(*messages, batch_size_rows=100, max_unconfirmed=300, **FIELDS)
    accepted = ran.counts["accepted"]
    assert (ran.code, ran.states, 0 < accepted < 3000) == (3, [], True), ran.log
    assert "The access token has ended, or the API key was deleted (401" in ran.log
    assert f"Omnisend had confirmed {accepted} records and 0 removals" in ran.log
    assert "does not accept the API key" not in ran.log


# -- segments --------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["GET /segments", "POST /segments"])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 422])
def test_a_segment_that_omnisend_refuses_is_a_warning(
    night: Rehearsal, endpoint: str, status: int
) -> None:
    night.store.faults.add(Fault("status", endpoint, status=status))
    ran = night(schema(), *people(3), state(a=1), create_segment=True, **FIELDS)
    assert (ran.code, ran.states) == (0, [{"a": 1}]), ran.log
    assert f"The segment 'VIP' could not be made in Omnisend ({status}" in ran.log


class NoSegments(StoreClient):
    """A client of a store whose plan has no segments."""

    def create_segment(self, name: str, condition_groups: Sequence[Any]) -> Answer:
        super().create_segment(name, condition_groups)
        return read_problem(402, {"title": "Plan", "detail": "Segments need\na higher plan"}, {})


def test_the_warning_has_omnisends_reason(night: Rehearsal) -> None:
    client = NoSegments(night.store)
    parts = {"client": lambda *_: client}
    ran = night(schema(), *people(1), create_segment=True, parts=parts, **FIELDS)
    assert ran.code == 0
    assert "could not be made in Omnisend (402: Segments need a higher plan)" in ran.log


# -- tags ------------------------------------------------------------------------------


class Refusing(StoreClient):
    """It gets a 400 with this body for the address that cannot exist."""

    problem: ClassVar[dict[str, Any]]

    def add_tags(
        self, emails: Sequence[str], tags: Sequence[str], contact_ids: Sequence[str] = ()
    ) -> Answer:
        answer = super().add_tags(emails, tags, contact_ids)
        return read_problem(400, self.problem, {}) if ADDRESS in emails else answer


def refused(night: Rehearsal, problem: dict[str, Any]) -> Ran:
    client = type("Client", (Refusing,), {"problem": problem})(night.store)
    return tried(night, parts={"client": lambda *_: client})


def tried(night: Rehearsal, *faults: Fault, **settings: Any) -> Ran:
    night.store.faults.add(*faults)
    return night(schema(), *people(300), state(a=1), batch_size_rows=100, **settings)


def test_one_call_tries_the_tags_before_the_first_batch(night: Rehearsal) -> None:
    ran = tried(night, tags=["more"])
    assert (ran.code, ran.writes) == (0, {POST: 3, TAGS: 1 + 2})
    assert ADDRESS not in night.store.contacts
    assert (night.store.tag_misses, len(night.tagged())) == (1, 300)


@pytest.mark.parametrize("sandbox_keys", [["contacts.read", "brands.read"]])
def test_a_key_that_cannot_tag_ends_the_run_before_a_member_is_written(
    tmp_path: Path, sandbox_keys: list[str]
) -> None:
    night = Rehearsal(tmp_path, keys={"sandbox-key": sandbox_keys})
    ran = tried(night)
    assert (ran.code, ran.states, ran.writes) == (3, [], {TAGS: 3})
    assert "Omnisend forbids to tag contacts (403" in ran.log
    assert (night.store.contacts, ran.counts["not_sent"]) == ({}, 300)


@pytest.mark.parametrize("field", ["tags", "tags.0", "tags[1]"])
def test_tags_that_omnisend_names_end_the_run_before_a_member_is_written(
    night: Rehearsal, field: str
) -> None:
    ran = refused(night, {"errors": [{"field": field, "code": "invalid", "message": ""}]})
    assert (ran.code, ran.states, ran.writes) == (3, [], {TAGS: 1})
    assert f"does not take the tags of segment 'VIP' (400 {field}" in ran.log


def test_a_sentence_about_tags_counts_as_their_name(night: Rehearsal) -> None:
    assert refused(night, {"detail": "The tag VIP is reserved"}).code == 3
    assert night.store.contacts == {}


@pytest.mark.parametrize(
    "problem",
    [
        {"errors": [{"field": "emails.0", "code": "invalid", "message": ""}]},
        {"detail": "No e-mail of the tags request is valid"},
        {"detail": "Bad request"},
        {},
    ],
)
def test_a_refusal_of_the_address_proves_nothing(night: Rehearsal, problem: dict[str, Any]) -> None:
    assert refused(night, problem).code == 0
    assert len(night.tagged()) == 300


@pytest.mark.parametrize("status", [402, 404, 409, 410, 413, 500, 503])
def test_any_other_answer_proves_nothing(night: Rehearsal, status: int) -> None:
    ran = tried(night, Fault("status", TAGS, status=status, times=1))
    assert (ran.code, ran.states, len(night.tagged())) == (0, [{"a": 1}], 300), ran.log


@pytest.mark.parametrize(
    "fault",
    [
        Fault("throttle", TAGS, retry_after=300, times=1),
        Fault("slow", TAGS, seconds=50.0, times=1),
        Fault("reset_before", TAGS, times=1),
    ],
    ids=lambda fault: fault.kind,
)
def test_the_first_batch_does_not_wait_for_long(night: Rehearsal, fault: Fault) -> None:
    ran = tried(night, fault)
    assert (ran.code, len(night.tagged())) == (0, 300), ran.log


def test_without_a_tag_to_give_no_call_is_made(night: Rehearsal, tmp_path: Path) -> None:
    assert tried(night, **FIELDS).writes == {POST: 3}
    few = {"quota_share": 0.05, "segment": "Few"}
    assert tried(night, **few).writes == {POST: 3, TAGS: 2}, "none of 3 calls a minute to spare"
    named = {"ledger_url": f"sqlite:///{tmp_path}/l", "mapping": {"email": "email", "city": "city"}}
    columns = schema(city={})
    night(columns, record("ada@example.com", city="Bath"), **named)
    ran = night(columns, record("ada@example.com", city="York"), **named)
    assert ran.writes == {POST: 1}, "the ledger knows that the member has the tag"
