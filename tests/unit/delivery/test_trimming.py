"""Which optional values a rejection names, and a contact without them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_omnisend.delivery.checkpoint import Epoch
from target_omnisend.delivery.model import Entry, Origin, Segment
from target_omnisend.delivery.outcome import StreamCounts
from target_omnisend.delivery.responses import Refusal, judge
from target_omnisend.delivery.trimming import (
    MAX_NAMED,
    column_of,
    columns_left_out,
    named_fields,
    optional_fields,
    trim,
    without,
)

EMAIL = "ada@example.com"
ITEM: dict[str, Any] = {
    "identifiers": [
        {"type": "email", "id": EMAIL, "channels": {"email": {"status": "nonSubscribed"}}},
        {"type": "phone", "id": "+441632960123", "channels": {"sms": {"status": "nonSubscribed"}}},
    ],
    "firstName": "Ada",
    "countryCode": "GB",
    "birthdate": "1990-12-31",
    "gender": "f",
    "customProperties": {"tier": "gold", "Tier2": 7, "segment_vip": True},
}
PROPERTIES = {f"customProperties.{name}" for name in ITEM["customProperties"]}


def refusal(*fields: str, message: str = "") -> Refusal:
    return Refusal(400, None, "", message, "1", fields)


def entry_of(item: dict[str, Any]) -> Entry:
    origin = Origin("vip", b"", StreamCounts(), lambda *_: b"", segment())
    return Entry(origin, EMAIL, b"{}", msgspec.json.encode(item), Epoch(), None)


def segment(*, by_property: bool = True) -> Segment:
    return Segment("vip", property="segment_vip" if by_property else None)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("identifiers[1].id", {"phone"}),
        ("identifiers.1.id", {"phone"}),
        ("items[0].identifiers[1].channels.sms", {"phone"}),
        ("/identifiers/1", {"phone"}),
        ("identifiers.phone", {"phone"}),
        ("phone", {"phone"}),
        ("birthdate", {"birthdate"}),
        ("Birthdate", {"birthdate"}),
        ("gender", {"gender"}),
        ("country", {"country", "countryCode"}),
        ("countryCode", {"country", "countryCode"}),
        ("customProperties.tier", {"customProperties.tier"}),
        ("customProperties[Tier2]", {"customProperties.Tier2"}),
        ("customProperties", PROPERTIES),
        ("items.3.postalCode", {"postalCode"}),
        ("identifiers[0].id", {"email"}),
        ("identifiers[0].channels", {"email"}),
        ("identifiers[9].id", {"email"}),
        ("identifiers.email", {"email"}),
        ("email", {"email"}),
        ("identifiers", set()),
        ("tags", set()),
        ("createdAt", set()),
        ("", set()),
    ],
)
def test_a_path_names_its_field(path: str, fields: set[str]) -> None:
    assert named_fields(refusal(path), ITEM) == fields


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("Provide sms channel for phone identifier.", {"phone"}),
        ("Phone is taken", {"phone"}),
        ("Date of birth is in the future", {"birthdate"}),
        ("Provide email channel for email identifier", {"email"}),
        ("The e-mail and the phone differ", {"email", "phone"}),
        ("Contact is too good", set()),
        ("", set()),
    ],
)
def test_a_sentence_names_a_field_if_nothing_else_does(message: str, fields: set[str]) -> None:
    assert named_fields(refusal(message=message), ITEM) == fields
    assert named_fields(refusal("gender", message=message), ITEM) == {"gender"}


@pytest.mark.parametrize(
    ("response", "fields"),
    [
        ({"errors": [{"field": "gender"}, {"field": "birthdate"}]}, ("gender", "birthdate")),
        (
            {"error": "2 error(s)", "fields": {"0": ["identifiers[1].id: taken", "gender: odd"]}},
            ("identifiers[1].id", "gender"),
        ),
        ({"error": "1 error(s)", "fields": {"birthdate": ["odd"]}}, ("birthdate",)),
        ({"errors": [{"field": 7}, "gender"], "fields": ["gender"]}, ()),
        ({"fields": {"0": "gender", "1": None}}, ()),
        ("gender", ()),
        (None, ()),
    ],
)
def test_all_paths_of_a_complaint_are_read(response: Any, fields: tuple[str, ...]) -> None:
    told = {
        "status": "finished",
        "errors": [{"request": ITEM, "responseCode": 400, "response": response}],
    }
    assert judge(told, [EMAIL], str.lower).refused[EMAIL].fields == fields


def test_a_contact_goes_without_what_was_named_and_with_all_else() -> None:
    entry = entry_of(ITEM)
    assert trim(entry, refusal("identifiers[1].id", "customProperties.tier"), segment())
    item = msgspec.json.decode(entry.item or b"")
    expected = {
        **ITEM,
        "identifiers": ITEM["identifiers"][:1],
        "customProperties": {"Tier2": 7, "segment_vip": True},
    }
    assert (item, entry.merged) == (expected, True)
    assert columns_left_out(entry) == {"mapping.phone", "custom_properties.tier"}


@pytest.mark.parametrize("path", ["identifiers[0].id", "tags", "email", ""])
def test_a_contact_rejected_for_something_else_stays_rejected(path: str) -> None:
    assert not trim(entry_of(ITEM), refusal(path), segment())


def test_one_that_names_the_email_too_stays_rejected() -> None:
    assert not trim(entry_of(ITEM), refusal("gender", "identifiers[0].id"), segment())


def test_a_contact_without_optional_values_stays_rejected() -> None:
    bare = {"identifiers": ITEM["identifiers"][:1], "customProperties": {"segment_vip": True}}
    assert not trim(entry_of(bare), refusal("gender"), segment())


@pytest.mark.parametrize("by_property", [True, False])
def test_a_field_that_it_does_not_have_costs_all_but_email_and_membership(
    *, by_property: bool
) -> None:
    entry = entry_of(ITEM)
    assert trim(entry, refusal("postalCode"), segment(by_property=by_property))
    item = msgspec.json.decode(entry.item or b"")
    kept = {"customProperties": {"segment_vip": True}} if by_property else {}
    assert item == {"identifiers": ITEM["identifiers"][:1], **kept}


def test_the_tries_are_bounded() -> None:
    entry, tries = entry_of(ITEM), 0
    for field in ("gender", "birthdate", "firstName", "customProperties.tier"):
        assert trim(entry, refusal(field), segment())
        tries += 1
    assert tries == MAX_NAMED + 1
    assert not trim(entry, refusal("country"), segment())


@given(fields=st.lists(st.sampled_from(sorted({"phone", "gender", "city", *PROPERTIES}))))
def test_nothing_is_left_of_what_is_left_out_and_the_rest_stays(fields: list[str]) -> None:
    rest = without(ITEM, fields)
    assert optional_fields(rest) == optional_fields(ITEM) - set(fields)
    assert rest["identifiers"][0] == ITEM["identifiers"][0]


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("phone", "tel"),
        ("countryCode", "land"),
        ("customProperties.tier", "t"),
        ("address", "street"),
        ("gender", "mapping.gender"),
    ],
)
def test_a_value_is_counted_by_its_column(field: str, column: str) -> None:
    columns = {
        "mapping.phone": "tel",
        "mapping.country": "land",
        "custom_properties.tier": "t",
        "mapping.address.0": "street",
    }
    assert column_of(field, columns) == column
