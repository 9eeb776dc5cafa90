"""Each kind of value: what it becomes, and what it can't be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from target_omnisend.mapping import normalize

UNUSABLE: list[Any] = [True, [], {}, float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN")]


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
