"""From a record to a contact."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from target_omnisend.mapping.contact import MAX_BODY_BYTES, UNDATED, Contact, Rejection
from target_omnisend.mapping.mapper import FIELDS, MemberMapper, missing_columns
from target_omnisend.mapping.properties import Declared

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CONSENT = {
    "email": "mail",
    "subscription_status": "status",
    "subscription_changed_at": "changed",
}


def contact(record: dict[str, Any], mapping: dict[str, Any], **settings: Any) -> Contact:
    result = MemberMapper({"email": "mail"} | mapping, **settings).map(
        {"mail": "anna@example.com"} | record
    )
    assert isinstance(result, Contact)
    return result


def body(record: dict[str, Any], mapping: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The body without its e-mail identifier; without any, when that is the only one."""
    result: dict[str, Any] = json.loads(contact(record, mapping, **settings).body)
    identifiers = result.pop("identifiers")[1:]
    return result | ({"identifiers": identifiers} if identifiers else {})


def codes(sent: Contact) -> list[str]:
    return [left_out.code for left_out in sent.warnings]


def warnings(record: dict[str, Any], mapping: dict[str, Any]) -> list[str]:
    return codes(contact(record, mapping))


def refusal(record: dict[str, Any], mapping: dict[str, Any], **settings: Any) -> Rejection:
    result = MemberMapper({"email": "mail"} | mapping, **settings).map(record)
    assert isinstance(result, Rejection)
    return result


def channel(record: dict[str, Any], mapping: dict[str, Any], **settings: Any) -> Any:
    sent = json.loads(contact(record, mapping, **settings).body)
    return sent["identifiers"][0]["channels"]["email"]


def test_each_field_goes_to_its_place() -> None:
    mapper = MemberMapper(
        {field: f"c_{field}" for field in FIELDS} | {"address": ["c_street", "c_flat"]},
        custom_properties={"loyaltyTier": "tier", "points": "pts", "vip_since": "since"},
        constant_properties={"segment_vip": True},
        send_welcome_message=True,
        now=lambda: NOW,
    )
    record = {
        "c_email": " Anna.K@Example.com",
        "c_first_name": "Anna",
        "c_last_name": "Kowalska",
        "c_street": " 12 Long Street ",
        "c_flat": "flat 7",
        "c_city": "Vilnius",
        "c_state": "Vilnius County",
        "c_country": "Lietuva",
        "c_postal_code": "LT-01100",
        "c_phone": "0 612 34567",
        "c_birthdate": "1990-01-31",
        "c_gender": "Female",
        "c_subscription_status": "Subscribed",
        "c_subscription_changed_at": "2026-01-02T03:04:05.678+02:00",
        "tier": "gold",
        "pts": Decimal(42),
        "since": date(2019, 5, 4),
        "unmapped": "stays here",
    }
    assert set(mapper.columns.values()) == set(record) - {"unmapped"}
    assert mapper.map(record) == Contact(
        "anna.k@example.com",
        b'{"identifiers":['
        b'{"type":"email","id":"anna.k@example.com","channels":{"email":{"status":"subscribed",'
        b'"statusChangedAt":"2026-01-02T01:04:05Z"}},"sendWelcomeMessage":true},'
        b'{"type":"phone","id":"+37061234567","channels":{"sms":{"status":"nonSubscribed",'
        b'"statusChangedAt":"2000-01-01T00:00:00Z"}},"sendWelcomeMessage":false}],'
        b'"firstName":"Anna","lastName":"Kowalska","city":"Vilnius","state":"Vilnius County",'
        b'"postalCode":"LT-01100","address":"12 Long Street, flat 7","countryCode":"LT",'
        b'"birthdate":"1990-01-31","gender":"f",'
        b'"customProperties":{"loyaltyTier":"gold","points":42,"vip_since":"2019-05-04",'
        b'"segment_vip":true}}',
        consent="2026-01-02T01:04:05Z subscribed",
    )


def test_by_default_nobodys_consent_changes_and_nobody_is_welcomed() -> None:
    assert contact({}, {}).body == (
        b'{"identifiers":[{"type":"email","id":"anna@example.com","channels":{"email":'
        b'{"status":"nonSubscribed","statusChangedAt":"2000-01-01T00:00:00Z"}},'
        b'"sendWelcomeMessage":false}]}'
    )


@pytest.mark.parametrize("record", [{}, {"mail": None}, {"mail": " "}, {"mail": "\u200b"}])
def test_a_record_without_an_address_is_refused(record: dict[str, Any]) -> None:
    refused = refusal(record, {})
    assert (refused.code, refused.field) == ("email_missing", "mail")


@pytest.mark.parametrize("value", [7, True, ["anna@example.com"], {}, "anna", "a\ud800@b.com"])
def test_a_record_with_a_bad_address_is_refused_without_showing_it(value: object) -> None:
    assert refusal({"mail": value}, {}) == Rejection(
        "email_invalid", "mail", "This is not an e-mail address."
    )


@pytest.mark.parametrize("empty", [None, "", "  "])
@pytest.mark.parametrize("field", [f for f in FIELDS if f != "email"])
def test_an_empty_value_is_left_out_without_a_warning(field: str, empty: str | None) -> None:
    assert body({"c": empty}, {field: "c"}) == {}
    assert warnings({"c": empty}, {field: "c"}) == []


@pytest.mark.parametrize("value", [True, ["x"], {"x": 1}, float("nan"), "x\ud800"])
@pytest.mark.parametrize("field", ["first_name", "address", "city", "postal_code", "country"])
def test_what_is_no_text_is_left_out_with_a_warning(field: str, value: object) -> None:
    assert body({"c": value}, {field: "c"}) == {}
    assert contact({"c": value}, {field: "c"}).warnings == (("value_unusable", "c"),)


def test_a_lone_surrogate_costs_only_its_own_value() -> None:
    record = {"a": "x\ud800", "b": "Vilnius", "c": ["ok", "\udfff"], "d": 1}
    settings = {"custom_properties": {"list": "c", "number": "d"}}
    sent = contact(record, {"first_name": "a", "city": "b"}, **settings)
    assert json.loads(sent.body)["customProperties"] == {"number": 1}
    assert json.loads(sent.body)["city"] == "Vilnius"
    assert sent.warnings == (("value_unusable", "a"), ("value_unusable", "c"))


def test_numbers_become_text_in_text_fields() -> None:
    mapping = {"postal_code": "zip", "address": ["no", "street"]}
    record = {"zip": 1100.0, "no": 12, "street": "Long Street"}
    assert body(record, mapping) == {"postalCode": "1100", "address": "12, Long Street"}


def test_an_address_of_several_columns_leaves_out_empty_parts() -> None:
    record = {"a": " 12 Long Street ", "b": "", "c": None, "e": "flat 7"}
    assert body(record, {"address": ["a", "b", "c", "d", "e"]}) == {
        "address": "12 Long Street, flat 7"
    }


@pytest.mark.parametrize(
    ("field", "value", "code", "kept"),
    [
        ("country", " Atlantis ", "country_unknown", {"country": "Atlantis"}),
        ("phone", "call me", "phone_invalid", {}),
        ("phone", [], "phone_invalid", {}),
        ("birthdate", "1990-02-30", "birthdate_invalid", {}),
        ("birthdate", 1990, "birthdate_invalid", {}),
        ("birthdate", "0000-00-00", "birthdate_invalid", {}),
        ("birthdate", "0001-01-01 00:00:00", "birthdate_invalid", {}),
        ("birthdate", "1899-12-31", "birthdate_invalid", {}),
        ("birthdate", "04/05/1990", "birthdate_invalid", {}),
        ("gender", "unknown", "gender_unknown", {}),
    ],
)
def test_a_bad_detail_never_costs_the_contact(
    field: str, value: object, code: str, kept: dict[str, str]
) -> None:
    assert body({"c": value}, {field: "c"}) == kept
    assert contact({"c": value}, {field: "c"}).warnings == ((code, "c"),)


@pytest.mark.parametrize(
    ("born", "sent"),
    [
        ("2026-05-31", {"birthdate": "2026-05-31"}),
        ("2026-06-01", {}),  # today
        ("2071-06-01", {}),
        ("1900-01-01", {"birthdate": "1900-01-01"}),
    ],
)
def test_a_birthday_is_not_today_or_later(born: str, sent: dict[str, str]) -> None:
    assert body({"c": born}, {"birthdate": "c"}, now=lambda: NOW) == sent


def test_a_pattern_says_whether_the_day_or_the_month_comes_first() -> None:
    formats = {"date_formats": ["%d/%m/%Y", "%d.%m.%y"]}
    assert body({"c": "04/05/1990"}, {"birthdate": "c"}, **formats) == {"birthdate": "1990-05-04"}
    assert body({"c": "24.05.90"}, {"birthdate": "c"}, **formats) == {"birthdate": "1990-05-24"}
    assert body({"c": "1990-05-04"}, {"birthdate": "c"}, **formats) == {"birthdate": "1990-05-04"}
    record = {"status": "subscribed", "changed": "04/05/2024"}
    assert channel(record, CONSENT, **formats)["statusChangedAt"] == "2024-05-04T00:00:00Z"


def test_a_warning_comes_once_for_each_occurrence() -> None:
    mapping = {"city": "x", "state": "x", "gender": "x"}
    assert warnings({"x": True}, mapping) == ["value_unusable", "value_unusable", "gender_unknown"]


def test_a_national_telephone_number_needs_the_members_country() -> None:
    mapping = {"phone": "phone", "country": "country"}
    sent = body({"phone": "0612 34567", "country": "LT"}, mapping)
    assert sent["identifiers"] == [
        {
            "type": "phone",
            "id": "+37061234567",
            "channels": {
                "sms": {"status": "nonSubscribed", "statusChangedAt": "2000-01-01T00:00:00Z"}
            },
            "sendWelcomeMessage": False,
        }
    ]
    assert "identifiers" not in body({"phone": "0612 34567", "country": "US"}, mapping)


@pytest.mark.parametrize("status", ["subscribed", "unsubscribed"])
def test_consent_is_sent_with_the_records_own_date(status: str) -> None:
    record = {"status": status, "changed": "2026-01-02"}
    expected = {"status": status, "statusChangedAt": "2026-01-02T00:00:00Z"}
    assert channel(record, CONSENT) == expected
    assert channel(record | {"status": None}, CONSENT, default_status=status) == expected


@pytest.mark.parametrize("status", ["nonSubscribed", "non_subscribed", None, ""])
def test_unknown_consent_is_never_newer_than_what_omnisend_has(status: str | None) -> None:
    assert channel({"status": status, "changed": "2026-01-02"}, CONSENT) == {
        "status": "nonSubscribed",
        "statusChangedAt": "2000-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("status", ["yes", True, 1, "active", "subscribed\ud800"])
def test_a_status_in_unknown_words_subscribes_nobody(status: object) -> None:
    record = {"status": status, "changed": "2026-01-02"}
    sent = contact(record, CONSENT, default_status="subscribed")
    assert b'"nonSubscribed","statusChangedAt":"2000-01-01T00:00:00Z"' in sent.body
    assert sent.warnings == (("subscription_status_unknown", "status"),)


@pytest.mark.parametrize("status", ["NEVER_SUBSCRIBED", "pending", "not_subscribed"])
def test_a_status_of_a_person_who_never_decided_is_known(status: str) -> None:
    sent = contact(
        {"status": status, "changed": "2026-01-02"}, CONSENT, default_status="subscribed"
    )
    assert b'"nonSubscribed","statusChangedAt":"2000-01-01T00:00:00Z"' in sent.body
    assert (sent.warnings, sent.consent) == ((), UNDATED)


@pytest.mark.parametrize("status", ["no", False, 0, "Opted out", "CLEANED"])
def test_an_opt_out_in_other_words_goes_out_with_its_date(status: object) -> None:
    record = {"status": status, "changed": "2026-01-02 03:04:05 +0100"}
    expected = {"status": "unsubscribed", "statusChangedAt": "2026-01-02T02:04:05Z"}
    assert channel(record, CONSENT) == expected
    assert contact(record, CONSENT).consent == "2026-01-02T02:04:05Z unsubscribed"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (None, "has no date"),
        ("", "has no date"),
        ("soon", "written as xxxx"),
        ("03/04/2026", "written as 99/99/9999"),
        (1767323045, "a number"),
        ("1767323045", "written as 9999999999"),
        ("1999-12-31T23:59:59Z", "before 2000"),
        ("1970-01-01", "before 2000"),
        ("2026-02-30", "not on the calendar"),
        ("0001-01-01T00:00:00+03:00", "not on the calendar"),
        ("2026-06-01T12:05:01Z", "in the future"),
        ("2026-06-01T15:00:00", "no time zone"),
    ],
)
@pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "no"])
def test_consent_without_a_date_that_has_been_is_rejected(
    status: str, changed: object, message: str
) -> None:
    record = {"mail": "anna@example.com", "status": status, "changed": changed}
    refused = refusal(record, CONSENT, now=lambda: NOW)
    assert (refused.code, refused.field) == ("consent_date_missing", "changed")
    assert message in refused.message
    assert not isinstance(changed, str) or not changed or changed not in refused.message


def test_a_consent_date_may_have_a_form_that_the_settings_name() -> None:
    record = {"status": "subscribed", "changed": "03/04/2026"}
    sent = channel(record, CONSENT, date_formats=["%d/%m/%Y"])
    assert sent["statusChangedAt"] == "2026-04-03T00:00:00Z"


def test_a_long_run_judges_consent_by_the_present_moment() -> None:
    present = [NOW]
    mapper = MemberMapper({**CONSENT}, now=lambda: present[0])
    record = {"mail": "anna@example.com", "status": "subscribed", "changed": "2026-06-01T14:00:00Z"}
    assert isinstance(mapper.map(record), Rejection)
    present[0] += timedelta(hours=2)
    assert isinstance(mapper.map(record), Contact)


def test_a_default_subscription_needs_a_date_as_well() -> None:
    refused = refusal(
        {"mail": "anna@example.com", "": "2026-01-02"}, {}, default_status="subscribed"
    )
    assert (refused.code, refused.field) == ("consent_date_missing", None)


@pytest.mark.parametrize("changed", ["2026-06-01T12:05:00Z", "2026-06-01T15:05:00+03:00"])
def test_consent_may_be_dated_five_minutes_ahead_because_clocks_differ(changed: str) -> None:
    sent = channel({"status": "subscribed", "changed": changed}, CONSENT, now=lambda: NOW)
    assert sent["statusChangedAt"] == "2026-06-01T12:05:00Z"


PROPERTIES = {"custom_properties": {"tier": "tier"}}


@pytest.mark.parametrize("value", [None, "", " ", [], {}])
def test_by_default_an_empty_property_is_left_as_omnisend_has_it(value: object) -> None:
    assert body({"tier": value}, {}, **PROPERTIES) == {}


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        ({"tier": None}, {"customProperties": {"tier": None}}),
        ({"tier": ""}, {}),
        ({}, {}),
    ],
)
@pytest.mark.parametrize("declared", [Declared(), Declared({"tier": "number"})])
def test_a_null_column_removes_its_property_under_clear(
    record: Any, sent: Any, declared: Declared
) -> None:
    settings = {**PROPERTIES, "null_policy": "clear", "declared": declared}
    assert body(record, {}, **settings) == sent
    assert contact(record, {}, **settings).warnings == ()


@pytest.mark.parametrize(
    ("record", "policy", "sent"),
    [
        ({"tier": ""}, "clear", {"customProperties": {"tier": None}}),
        ({"tier": "  "}, "clear", {"customProperties": {"tier": None}}),
        ({"tier": "gold"}, "clear", {"customProperties": {"tier": "gold"}}),
        ({}, "clear", {}),
        ({"tier": ""}, "skip", {}),
    ],
)
def test_an_empty_text_is_null_for_taps_that_know_only_text(
    record: Any, policy: str, sent: Any
) -> None:
    declared = Declared(only_text=True)
    assert body(record, {}, **PROPERTIES, null_policy=policy, declared=declared) == sent


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**64, Decimal("NaN"), b"x"])
def test_a_value_no_property_can_hold_is_left_out_with_a_warning(value: object) -> None:
    sent = contact({"tier": value}, {}, **PROPERTIES)
    assert b"customProperties" not in sent.body
    assert sent.warnings == (("value_unusable", "tier"),)


def test_constant_properties_go_last_and_win() -> None:
    sent = body(
        {"tier": "gold", "a": 1},
        {},
        custom_properties={"segment_vip": "tier", "a": "a"},
        constant_properties={"segment_vip": True},
    )
    assert sent == {"customProperties": {"segment_vip": True, "a": 1}}


@pytest.mark.parametrize("value", ["x" * 2049, {"x": "x" * 2048}])
def test_a_property_too_long_for_omnisend_is_left_out(value: object) -> None:
    sent = contact({"tier": value, "b": "Vilnius"}, {"city": "b"}, **PROPERTIES)
    assert sent.warnings == (("value_too_long", "tier"),)
    assert body({"tier": value, "b": "Vilnius"}, {"city": "b"}, **PROPERTIES) == {"city": "Vilnius"}


def test_a_property_of_the_greatest_length_passes() -> None:
    assert body({"tier": "é" * 2048}, {}, **PROPERTIES) == {
        "customProperties": {"tier": "é" * 2048}
    }


def test_a_contact_too_large_for_a_batch_loses_its_longest_values() -> None:
    record = {
        "a": "x" * MAX_BODY_BYTES,
        "b": "Vilnius",
        "c": ["y" * 1_000] * 1_000,
        "d": ["z" * 900] * 900,
    }
    settings = {
        "custom_properties": {"many": "c", "more": "d"},
        "constant_properties": {"segment_vip": True},
    }
    sent = contact(record, {"address": ["a", "e"], "city": "b"}, **settings)
    assert set(sent.warnings) == {("value_too_long", "a"), ("value_too_long", "c")}
    assert json.loads(sent.body)["city"] == "Vilnius"
    assert set(json.loads(sent.body)["customProperties"]) == {"more", "segment_vip"}
    assert "address" not in json.loads(sent.body)
    assert len(sent.body) <= MAX_BODY_BYTES


def test_columns_tells_which_setting_uses_which_column() -> None:
    mapper = MemberMapper(
        {"email": "mail", "address": ["street", "flat"]}, custom_properties={"tier": "level"}
    )
    assert dict(mapper.columns) == {
        "mapping.email": "mail",
        "mapping.address.0": "street",
        "mapping.address.1": "flat",
        "custom_properties.tier": "level",
    }


def test_a_missing_column_is_named_with_its_nearest_neighbour() -> None:
    mapper = MemberMapper({"email": "mail", "city": "twn", "state": "region"})
    cure = "Correct the mapping, or have the tap send it."
    assert missing_columns(mapper, iter(["mail", "town"])) == [
        "mapping.city names the column 'twn', which the stream does not have; did you mean 'town'? "
        + cure,
        f"mapping.state names the column 'region', which the stream does not have. {cure}",
    ]


@pytest.mark.parametrize(
    ("mapping", "settings", "sentence"),
    [
        ({"city": "c"}, {}, r"mapping\.email is required"),
        ({"email": "m", "frist_name": "n"}, {}, r"mapping\.frist_name .* mean 'first_name'"),
        ({"email": "m", "city": ["a", "b"]}, {}, r"mapping\.city must be one column"),
        (
            {"email": "m"},
            {"custom_properties": {"a b": "c"}},
            "name number 1: a custom",
        ),
        (
            {"email": "m"},
            {"constant_properties": {"a-b": 1}},
            "name number 1: a custom",
        ),
        ({"email": "m"}, {"default_status": "yes"}, "not a channel status"),
    ],
)
def test_a_mapping_that_cannot_work_is_told_at_once(
    mapping: Any, settings: Any, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        MemberMapper(mapping, **settings)


def test_ordinary_records_load_none_of_the_libraries_for_rare_needs() -> None:
    script = (
        "import sys; from target_omnisend.mapping.mapper import MemberMapper;"
        "MemberMapper({'email': 'e', 'phone': 'p', 'country': 'c'}).map({'e': 'a@example.com'});"
        "print({'email_validator', 'phonenumbers', 'pycountry'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert run.stdout.strip() == b"set()"
