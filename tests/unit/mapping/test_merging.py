"""Two records of one person as one contact."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from omnisend_sandbox.people import People
from target_omnisend.mapping.contact import UNDATED, Contact
from target_omnisend.mapping.mapper import MemberMapper
from target_omnisend.mapping.merging import consent_of, in_turn, with_consent

MAPPER = MemberMapper(
    {
        "email": "email",
        **{name: name for name in ("first_name", "last_name", "city", "country", "phone")},
        "subscription_status": "status",
        "subscription_changed_at": "at",
    },
    custom_properties={"tier": "tier", "points": "points"},
    null_policy="clear",
)
PHONES = ["+442079460018", "+442079460019"]


def item(**record: Any) -> bytes:
    made = MAPPER.map({"email": "zoe@example.com", **record})
    assert isinstance(made, Contact)
    assert consent_of(made.body) == made.consent
    return made.body


def test_the_later_record_keeps_what_it_leaves_out_and_no_more() -> None:
    older = item(first_name="Zoe", city="Graz", phone=PHONES[0], tier="gold", points=3)
    newer = item(first_name="Zoë", last_name="Adler", points=4)
    merged = json.loads(in_turn(older, newer))
    assert [one["id"] for one in merged.pop("identifiers")] == ["zoe@example.com", PHONES[0]]
    assert merged == {
        "firstName": "Zoë",
        "lastName": "Adler",
        "city": "Graz",
        "customProperties": {"points": 4, "tier": "gold"},
    }


@pytest.mark.parametrize(
    ("older", "newer", "left"),
    [
        ({"tier": "gold"}, {"tier": None}, {"tier": None}),
        ({"tier": None}, {"tier": "gold"}, {"tier": "gold"}),
        ({"tier": None}, {"points": 1}, {"points": 1, "tier": None}),
    ],
)
def test_a_null_clears_only_what_came_before_it(older: Any, newer: Any, left: Any) -> None:
    assert json.loads(in_turn(item(**older), item(**newer)))["customProperties"] == left


def test_a_later_country_stands_for_name_and_code() -> None:
    merged = json.loads(in_turn(item(country="AT"), item(country="Atlantis")))
    assert (merged.get("countryCode"), merged["country"]) == (None, "Atlantis")
    merged = json.loads(in_turn(item(country="Atlantis"), item(country="AT")))
    assert (merged["countryCode"], merged.get("country")) == ("AT", None)


def test_a_later_record_that_says_all_goes_out_as_it_is() -> None:
    newer = item(first_name="Zoë", tier="gold", status="no", at="2024-03-02")
    older = item(tier="silver", status="subscribed", at="2024-03-01")
    assert in_turn(older, newer) == newer


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("one", "other", "consent"),
    [
        (("subscribed", "01-05"), ("unsubscribed", "06-05"), "2024-06-05T00:00:00Z unsubscribed"),
        (("unsubscribed", "01-05"), ("subscribed", "06-05"), "2024-06-05T00:00:00Z subscribed"),
        (("unsubscribed", "06-05"), ("subscribed", "06-05"), "2024-06-05T00:00:00Z unsubscribed"),
        (("subscribed", "01-05"), ("nonSubscribed", "06-05"), "2024-01-05T00:00:00Z subscribed"),
        (("subscribed", "01-05"), (None, None), "2024-01-05T00:00:00Z subscribed"),
        ((None, None), (None, None), UNDATED),
    ],
)
def test_the_newest_status_counts_whichever_record_comes_last(
    one: Any, other: Any, consent: str, order: int
) -> None:
    items = [item(status=status, at=day and f"2024-{day}") for status, day in (one, other)]
    assert consent_of(in_turn(*items[::order])) == consent


@pytest.mark.parametrize(
    ("status", "given", "kept"),
    [
        ("subscribed", "2024-06-05T00:00:00Z unsubscribed", "2024-06-05T00:00:00Z unsubscribed"),
        ("subscribed", "2024-01-01T00:00:00Z unsubscribed", "2024-03-01T00:00:00Z subscribed"),
        (None, "2024-06-05T00:00:00Z subscribed", UNDATED),
    ],
)
def test_a_newer_consent_takes_the_place_of_an_older_one_and_of_none(
    status: str | None, given: str, kept: str
) -> None:
    before = item(first_name="Zoe", status=status, at="2024-03-01")
    after = with_consent(before, given)
    assert consent_of(after) == kept
    assert json.loads(after)["firstName"] == "Zoe"
    assert (after is before) == (consent_of(before) == kept)


RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from(["Zoe", "Zoë", ""]),
        "last_name": st.sampled_from(["Adler", None]),
        "city": st.just("Graz"),
        "country": st.sampled_from(["AT", "DE"]),
        "phone": st.sampled_from([*PHONES, None]),
        "tier": st.sampled_from(["gold", "silver", None]),
        "points": st.integers(-(2**63), 2**63 - 1) | st.floats() | st.none(),
    },
)
MOMENTS = st.integers(0, 10**6).map(lambda n: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(0, n))
STATUSES = st.sampled_from(["subscribed", "unsubscribed", "no"])
DATED = st.builds(
    lambda record, status, at: item(**record, status=status, at=at), RECORDS, STATUSES, MOMENTS
)
UNGIVEN = st.builds(lambda record: item(**record), RECORDS)


def _in_omnisend(*items: bytes) -> dict[str, Any]:
    people = People()
    for one in items:
        contact, _ = people.upsert(json.loads(one), 0.0, 0.0)
    return contact.as_json([])


@given(DATED | UNGIVEN, DATED | UNGIVEN)
def test_omnisend_has_the_same_as_if_both_had_been_sent_in_turn(one: bytes, other: bytes) -> None:
    dates = [consent_of(item).partition(" ")[0] for item in (one, other)]
    # Omnisend does not say which of two statuses of one moment it keeps.
    assume(dates[0] != dates[1] or consent_of(one) == consent_of(other))
    assert _in_omnisend(in_turn(one, other)) == _in_omnisend(one, other)


@given(DATED, DATED)
def test_the_order_of_two_dated_statuses_does_not_matter(one: bytes, other: bytes) -> None:
    newest = max(consent_of(one), consent_of(other))
    assert consent_of(in_turn(one, other)) == consent_of(in_turn(other, one)) == newest


@given(DATED | UNGIVEN, DATED | UNGIVEN)
def test_a_record_that_comes_again_adds_nothing(one: bytes, other: bytes) -> None:
    assert in_turn(one, one) == one
    assert in_turn(other, in_turn(one, other)) == in_turn(one, other)
