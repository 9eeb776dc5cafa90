"""Custom properties and the types of their values."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from target_omnisend.mapping.contact import Contact
from target_omnisend.mapping.mapper import MemberMapper
from target_omnisend.mapping.properties import NOTHING_DECLARED, TYPES, Declared


def made(
    value: object, kind: str | None, declared: Declared = NOTHING_DECLARED, **settings: Any
) -> tuple[object, list[tuple[str, str]]]:
    """The property that a value becomes, and what was left out."""
    mapper = MemberMapper(
        {"email": "mail"},
        custom_properties={"p": {"column": "c", "type": kind}},
        declared=declared,
        **settings,
    )
    sent = mapper.map({"mail": "anna@example.com", "c": value})
    assert isinstance(sent, Contact)
    return json.loads(sent.body).get("customProperties", {}).get("p"), [*sent.warnings]


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        ("number", "77.35", 77.35),
        ("number", " 12 ", 12),
        ("number", "-0.50", -0.5),
        ("number", "1e3", 1000.0),
        ("number", "'8", 8),
        ("number", 9, 9),
        ("number", Decimal("1.10"), 1.1),
        ("boolean", "TRUE", True),
        ("boolean", "no", False),
        ("boolean", 1, True),
        ("boolean", False, False),
        ("date", "2024-02-29", "2024-02-29"),
        ("date", "2024-02-29T00:00:00", "2024-02-29"),
        ("date", "2024-02-29T23:30:00-02:00", "2024-03-01T01:30:00Z"),
        ("list", "a, b", ["a", "b"]),
        ("list", "one", ["one"]),
        ("list", "a,, b ,", ["a", "b"]),
        ("list", ["a", 2], ["a", "2"]),
        ("list", 7, ["7"]),
        ("text", 42, "42"),
        ("text", 2**64, "18446744073709551616"),
        ("text", True, "true"),
        ("text", ["a", "b"], "a, b"),
        ("text", {"a": 1}, '{"a":1}'),
        (None, "77.35", "77.35"),
    ],
)
def test_a_value_becomes_the_type_that_the_settings_name(
    kind: str, value: object, sent: object
) -> None:
    got, left_out = made(value, kind)
    assert (got, type(got), left_out) == (sent, type(sent), [])


UNUSABLE: dict[str, list[Any]] = {
    "number": [
        *("a lot", "1,234.50", "77,35", "1_000", "NaN", "1e999", "9" * 20, "9" * 5_000),
        *(True, [], float("inf")),
    ],
    "boolean": ["maybe", 2, [], 0.5],
    "date": ["31/12/1990", "0000-00-00", "0001-01-01", "9999-12-31T23:59:59Z", "2023-02-29", 1990],
    "list": [float("nan"), ["a", float("nan")]],
    "text": [float("nan")],
}


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in UNUSABLE.items() for value in values]
)
def test_a_value_that_cannot_be_made_that_type_is_left_out(kind: str, value: object) -> None:
    assert made(value, kind) == (None, [("value_mistyped", "c")])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [None, "", " "])
def test_nothing_is_of_no_type(kind: str, value: object) -> None:
    assert made(value, kind) == (None, [])


def test_a_date_is_read_by_a_pattern() -> None:
    formats = ["%d/%m/%Y", "%d/%m/%Y %H:%M"]
    assert made("31/12/1990", "date", date_formats=formats)[0] == "1990-12-31"
    assert made("31/12/1990 20:15", "date", date_formats=formats)[0] == "1990-12-31T20:15:00Z"
    assert made("12/31/1990", "date", date_formats=formats) == (None, [("value_mistyped", "c")])


def test_a_number_that_the_tap_declares_needs_no_setting() -> None:
    declared = Declared({"c": "number"})
    assert made("77.35", None, declared) == (77.35, [])
    assert made("n/a", None, declared) == (None, [("value_mistyped", "c")])
    assert made("77.35", "text", declared) == ("77.35", [])


@pytest.mark.parametrize("value", ["0000-00-00", "0001-01-01T00:00:00", "9999-12-31 00:00:00"])
def test_a_date_that_stands_for_none_is_left_out_of_a_column_of_dates(value: str) -> None:
    declared = Declared({"c": "date"})
    assert made(value, None, declared) == (None, [("value_mistyped", "c")])
    assert made("2024-05-06", None, declared) == ("2024-05-06", [])
    assert made(value, None) == (value, [])
