"""Each kind of value: what it becomes, and what it can't be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import email_validator
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from target_omnisend.mapping import normalize

UNUSABLE: list[Any] = [True, [], {}, float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN")]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("anna@example.com", "anna@example.com"),
        ("  Anna@Example.COM\n", "anna@example.com"),
        ("an\u200bna@example.com", "anna@example.com"),
        ("\ufeff anna@example.com\u202c ", "anna@example.com"),
        ("an\x00na@example.com\u00a0", "anna@example.com"),
        ("ĄNNA@example.com", "ąnna@example.com"),
        ("\u200b", ""),
    ],
)
def test_an_email_key_has_no_case_no_margins_and_nothing_invisible(written: str, key: str) -> None:
    assert normalize.email_key(written) == key


@given(st.text())
@example("\u200b \u200b")
@example("İ")
def test_the_key_of_a_key_is_itself(text: str) -> None:
    key = normalize.email_key(text)
    assert normalize.email_key(key) == key


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("Anna@Example.com ", "anna@example.com"),
        ("o'hara+list@mail.example.co.uk", "o'hara+list@mail.example.co.uk"),
        ("anna@shop.test", "anna@shop.test"),
        ("ąnna@shop.test", "ąnna@shop.test"),
        ("\ufeff\tan\u00adna@exam\x00ple.com\r\n", "anna@example.com"),
        ("anna@exämple.com", "anna@exämple.com"),
        ("anna@xn--exmple-cua.com", "anna@exämple.com"),
        ("ąnna@example.com", "ąnna@example.com"),
        ("\uff41nna@example.com", "\uff41nna@example.com"),
        ("x" * 65 + "@example.com", "x" * 65 + "@example.com"),
        ("", ""),
        (" \u200b ", ""),
    ],
)
def test_an_address_is_normalised(written: str, address: str) -> None:
    assert normalize.email(written) == address


BAD_ADDRESSES = [
    "anna",
    "@example.com",
    "anna@",
    "anna@example",
    "anna@@example.com",
    "anna example@example.com",
    "anna..b@example.com",
    ".anna@example.com",
    "anna.@example.com",
    "anna@-example.com",
    "anna@example-.com",
    "anna@ab--cd.com",
    "anna@example..com",
    "anna@example.com.",
    "anna@example.123",
    "anna@[127.0.0.1]",
    '"anna b"@example.com',
    "Anna <anna@example.com>",
    "anna@localhost",
    "anna@shop.localhost",
    "anna@shop.invalid",
    "anna@shop.local",
    "anna@shop.onion",
    "anna@1.arpa",
    "anna@" + "a" * 64 + ".com",
    "a" * 243 + "@example.com",
    "anna@example.com\nb",
    "anna@example.com\u200b\tb",
    "anna@xn--a.com",
    "an\ud800na@example.com",
]


@pytest.mark.parametrize("written", BAD_ADDRESSES)
def test_what_is_no_address_is_told(written: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize.email(written)


def _validated(text: str) -> str | None:
    try:
        return email_validator.validate_email(
            text, check_deliverability=False, test_environment=True
        ).normalized
    except email_validator.EmailNotValidError:
        return None


LOCALS = st.lists(st.text("az09!#$%&'*+/=?^_`{|}~-", min_size=1), min_size=1).map(".".join)
LABELS = st.lists(st.text("az09-", min_size=1), min_size=1).map(".".join)
ENDINGS = st.text("az", min_size=2) | st.sampled_from(email_validator.SPECIAL_USE_DOMAIN_NAMES)


def _is_ordinary(text: str) -> bool:
    return len(text) <= 64 and bool(normalize._ORDINARY_EMAIL.fullmatch(text))


@given(st.builds("{}@{}.{}".format, LOCALS, LABELS, ENDINGS).filter(_is_ordinary))
@settings(suppress_health_check=[HealthCheck.filter_too_much], deadline=None)
def test_the_fast_path_accepts_only_what_email_validator_leaves_unchanged(text: str) -> None:
    assert _validated(text) == text


ODD_LOCALS = st.text("aZ0.-_+'@\"( é\n", max_size=8)
ODD_LABELS = st.text("ab0-_.x n", max_size=6) | st.sampled_from(
    ["xn--", "xn--exmple-cua", "a" * 63]
)
ODD_ENDINGS = ENDINGS | st.sampled_from(["c", "1", "", "co-m", "com\n", "com.", "a.test"])


@given(
    st.builds("{}@{}.{}".format, ODD_LOCALS, ODD_LABELS, ODD_ENDINGS)
    | st.builds("{}@{}".format, st.just("a") | LOCALS, ODD_ENDINGS)
)
@settings(max_examples=500, deadline=None)
def test_near_the_edge_the_fast_path_agrees_with_email_validator(text: str) -> None:
    assert not _is_ordinary(text) or _validated(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  Vilnius ", "Vilnius"),
        ("", ""),
        (None, ""),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (10**30, "1" + "0" * 30),
        (Decimal("7.00"), "7"),
        (Decimal("7.50"), "7.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal(0), "0"),
        (0, "0"),
        (-0.0, "0"),
    ],
)
def test_text_is_trimmed_and_numbers_are_written_out(value: object, text: str) -> None:
    assert normalize.text(value) == text


@pytest.mark.parametrize(
    "value", [*UNUSABLE, Decimal("1E+1000000"), Decimal("1E-1000000"), b"x", date(2020, 1, 1)]
)
def test_what_is_neither_text_nor_number_is_told(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize.text(value)


@pytest.mark.parametrize(
    ("value", "gender"),
    [("m", "m"), ("F", "f"), ("Male", "m"), (" FEMALE ", "f"), ("", ""), (None, "")],
)
def test_gender_is_one_letter(value: object, gender: str) -> None:
    assert normalize.gender(value) == gender


@pytest.mark.parametrize("value", ["x", "woman", "mf", 1, True])
def test_other_genders_are_told(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize.gender(value)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("subscribed", "subscribed"),
        ("UNSUBSCRIBED", "unsubscribed"),
        ("nonSubscribed", "nonSubscribed"),
        ("non_subscribed", "nonSubscribed"),
        ("Non-Subscribed", "nonSubscribed"),
        (" non subscribed ", "nonSubscribed"),
        (" ", ""),
        (None, ""),
    ],
)
def test_a_status_is_known_in_any_spelling(value: object, status: str) -> None:
    assert normalize.subscription_status(value) == status


@pytest.mark.parametrize("value", ["yes", "subscribe", "unsub", True, 1, ["subscribed"]])
def test_other_statuses_are_told(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize.subscription_status(value)


EAST = timezone(timedelta(hours=3))


@pytest.mark.parametrize(
    ("value", "birthdate"),
    [
        ("1990-01-31", "1990-01-31"),
        (" 1990-01-31T23:30:00Z ", "1990-01-31"),
        ("1990-01-31 00:30:00+03:00", "1990-01-31"),
        (date(1990, 1, 31), "1990-01-31"),
        (datetime(1990, 1, 31, 0, 30, tzinfo=EAST), "1990-01-31"),
        ("2000-02-29", "2000-02-29"),
        ("", ""),
        ("  ", ""),
        (None, ""),
    ],
)
def test_a_birthdate_is_the_day_as_it_is_written(value: object, birthdate: str) -> None:
    assert normalize.birthdate(value) == birthdate


@pytest.mark.parametrize(
    "value", ["1990-02-30", "2001-02-29", "31.01.1990", "1990", 19900131, True]
)
def test_what_is_no_day_is_told(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize.birthdate(value)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.999+03:00", "2026-01-02T00:04:05Z"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02", "2026-01-02T00:00:00Z"),
        (date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=EAST), "2026-01-02T00:04:05Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_in_utc_and_whole_seconds(value: object, moment: str) -> None:
    assert normalize.rfc3339(normalize.moment(value)) == moment


@pytest.mark.parametrize(
    "value", ["", None, "soon", "2026-13-01", 1767323045, True, "0001-01-01T00:00:00+03:00"]
)
def test_what_is_no_moment_is_told(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize.moment(value)


@pytest.mark.parametrize(
    ("value", "region", "number"),
    [
        ("+44 1632 960123", None, None),  # a number kept for fiction
        ("+44 20 7946 0018", None, "+442079460018"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("020 7946 0018", None, None),
        (442079460018, None, None),
        (2079460018.0, "GB", "+442079460018"),
        ("+370 612 34567", "GB", "+37061234567"),
        ("call me", "GB", None),
        ("9" * 300, "GB", None),
        (True, "GB", None),
        ("", "GB", ""),
        (None, "GB", ""),
    ],
)
def test_a_telephone_number_is_e164(value: object, region: str | None, number: str | None) -> None:
    try:
        assert normalize.phone(value, region) == number
    except ValueError:
        assert number is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, True),
        (False, False),
        (0, 0),
        (1.5, 1.5),
        ("gold", "gold"),
        (" gold ", " gold "),
        (["a", "b"], ["a", "b"]),
        (Decimal("3.00"), 3),
        (Decimal("3.25"), 3.25),
        (Decimal("1E-400"), 0.0),
        (date(2020, 1, 31), "2020-01-31"),
        (datetime(2020, 1, 31, 12, 30, tzinfo=UTC), "2020-01-31T12:30:00+00:00"),
        ({"a": [1, Decimal("2.5")]}, '{"a":[1,2.5]}'),
        (["a", 1], '["a",1]'),
        (None, None),
        ("", None),
        (" ", None),
        ([], None),
        ({}, None),
    ],
)
def test_a_property_keeps_its_json_type(value: object, kept: object) -> None:
    result = normalize.property_value(value)
    assert (result, type(result)) == (kept, type(kept))


@pytest.mark.parametrize(
    "value",
    [
        *(float("nan"), float("-inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")),
        *(2**63, -(2**64), Decimal(10) ** 20, Decimal("1E+1000000")),
        *(b"x", {1: object()}, {"a": "\ud800"}),
    ],
)
def test_what_no_property_can_hold_is_told(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalize.property_value(value)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("VIP customers", "VIP customers"),
        ("  vip: a_b-c.d  ", "vip: a_b-c.d"),
        ("50% off / today!", "50_ off _ today_"),
        ("Lojalūs klientai", "Lojalūs klientai"),
        ("日本", "日本"),
        ("a\u0301", "á"),
        ("x" * 128, "x" * 128),
    ],
)
def test_a_tag_keeps_letters_digits_and_a_few_signs(name: str, tag: str) -> None:
    assert normalize.tag(name) == tag
    assert normalize.tag(tag) == tag


@pytest.mark.parametrize("name", ["", "  ", "!!!", "_", "x" * 129])
def test_a_name_that_makes_no_tag_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        normalize.tag(name)


@pytest.mark.parametrize(
    ("name", "prop"),
    [
        ("VIP customers", "segment_vip_customers"),
        ("50% off / today!", "segment_50_off_today_"),
        ("\u212apop \u0130zmir", "segment__pop_zmir"),  # neither is an ASCII letter
        ("Lojalūs", "segment_lojal_s"),
        ("x" * 120, "segment_" + "x" * 120),
    ],
)
def test_a_segments_property_is_its_slug(name: str, prop: str) -> None:
    assert normalize.segment_property(name) == prop


@pytest.mark.parametrize("name", ["", "日本", "x" * 121])
def test_a_name_that_makes_no_property_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="property"):
        normalize.segment_property(name)


@pytest.mark.parametrize("name", ["a", "Loyalty_Tier_2", "x" * 128])
def test_omnisends_names_for_properties_pass(name: str) -> None:
    normalize.check_property_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a-b", "é", "a\n", "x" * 129, "externalCreated"])
def test_other_names_for_properties_are_told(name: str) -> None:
    with pytest.raises(ValueError, match="custom property"):
        normalize.check_property_name(name)
