"""A schema made to be slow costs bounded time and memory; usual ones are checked as written."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_omnisend.singer.bounded_schema import COLUMN_BUDGET, validator

TEXT = {"type": "string"}
REFERS = {"$ref": "#/definitions/d0"}


def _doubling(keyword: str, levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"d{n}": {keyword: [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(levels)
    }
    return {
        "definitions": {**definitions, f"d{levels}": {"type": "integer"}},
        "properties": {"email": TEXT, "odd": REFERS},
    }


def _by_data() -> dict[str, Any]:
    """Each level of the data doubles the work."""
    half = {"properties": {"in": REFERS}}
    return {
        "definitions": {"d0": {"allOf": [half, half]}},
        "properties": {"email": TEXT, "odd": REFERS},
    }


def _deep_value(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"in": value}
    return value


def _schema(odd: Any, **more: Any) -> dict[str, Any]:
    return {"properties": {"email": TEXT, "odd": odd}, **more}


MANY = [{"minimum": n} for n in range(200_000)]
BOMBS: dict[str, tuple[dict[str, Any], Any]] = {
    "anyOf doubling": (_doubling("anyOf", 40), "x"),
    "allOf doubling": (_doubling("allOf", 40), 1),
    "oneOf doubling": (_doubling("oneOf", 40), 1),
    "doubling by data": (_by_data(), _deep_value(40)),
    "at the top": ({**_doubling("anyOf", 40), "anyOf": [REFERS, REFERS], "allOf": [REFERS]}, "x"),
    "to the whole": (_schema({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}), _deep_value(40)),
    "to itself": (_schema(REFERS, definitions={"d0": REFERS}), 1),
    "by each other": (
        {
            "definitions": {"d0": {"items": {"$ref": "#/properties/odd"}}},
            "properties": {"email": TEXT, "odd": {"items": REFERS}},
        },
        [[[1]]],
    ),
    "many alternatives": (_schema({"anyOf": MANY}), "x"),
    "a huge enum": (_schema({"enum": [f"v{n}" for n in range(500_000)]}), "x"),
    "ten thousand patterns": (
        _schema({"anyOf": [{"pattern": f"(a{{1,99}}){{1,99}}{n}"} for n in range(10_000)]}),
        "a" * 1_000,
    ),
    "nested repeats": (_schema({"pattern": "^(a+)+$"}), "a" * 50_000 + "!"),
    "lookaheads": (_schema({"pattern": "^(?:a|(?=.*b)a)+$"}), "a" * 100_000 + "!"),
    "back references": (_schema({"pattern": r"^(a*)*\1$"}), "a" * 50_000 + "!"),
    "a large repeat": (_schema({"pattern": "((a{1,300}){1,300}){1,300}"}), "a" * 1_000),
    "a pattern for names": (
        _schema({"patternProperties": {"^(?:a|(?=.*b)a)+$": TEXT}}),
        {"a" * 50_000: 1},
    ),
    "tiny steps": (_schema({"multipleOf": 1e-300}), 10**300),
    "a hundred thousand columns": (
        {"properties": {f"c{n}": {"type": ["null", "string"]} for n in range(100_000)}},
        1,
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_schema_made_to_be_slow_costs_bounded_time_and_memory(bomb: str) -> None:
    schema, value = BOMBS[bomb]
    tracemalloc.start()
    started = time.process_time()
    check = validator(schema)
    compiled = time.process_time() - started
    for _ in range(20):
        check.is_valid({"email": "ada@example.com", "odd": value})
        len(list(check.iter_errors({"email": "ada@example.com", "odd": value})))
    assert (time.process_time() - started - compiled) / 20 < 0.25
    assert compiled < 10
    assert tracemalloc.get_traced_memory()[1] < 200_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("bomb", [name for name in BOMBS if name != "a hundred thousand columns"])
def test_the_other_columns_are_checked_all_the_same(bomb: str) -> None:
    check = validator(BOMBS[bomb][0])
    assert check.is_valid({"email": "ada@example.com"})
    assert not check.is_valid({"email": 1})


USUAL = {
    "references": _schema(
        {"anyOf": [{"$ref": "#/definitions/a~1b"}, {"type": "null"}]},
        definitions={"a/b": {"$ref": "#/$defs/c%20d"}},
        **{"$defs": {"c d": {"enum": [1, 2]}}},
    ),
    "a reference to another column": _schema(
        {"$ref": "#/properties/email"}, required=["email"], additionalProperties=False
    ),
    "a reference into a list": _schema(
        {"$ref": "#/allOf/0/properties/x"}, allOf=[{"properties": {"x": {"type": "integer"}}}]
    ),
    "columns with odd names": {
        "properties": {
            "$ref": TEXT,
            "definitions": TEXT,
            "pattern": {"type": "integer"},
            "email": TEXT,
            "odd": {"properties": {"$ref": TEXT, "enum": {"type": "integer"}, "odd": TEXT}},
        }
    },
    "data that looks like a reference": _schema({"enum": [{"$ref": "#/nowhere"}, 1]}),
    "patterns": _schema({"pattern": r"^[^@\s]+@[a-z]{2,63}$", "maxLength": 9}),
    "names by pattern": _schema({"patternProperties": {"^o": {"type": "integer"}}}),
    "dependencies": _schema(TEXT, dependencies={"odd": ["email"], "email": {"maxProperties": 2}}),
    "conditions": _schema({"if": TEXT, "then": {"minLength": 2}, "else": {"not": {"const": 1}}}),
    "an older draft": _schema({"maximum": 100, "exclusiveMaximum": True}),
    "a long enum": _schema({"enum": [f"v{n}" for n in range(COLUMN_BUDGET - 500)]}),
    "booleans": {"properties": {"odd": False, "email": True}},
}
VALUES = st.recursive(
    st.none()
    | st.integers(-3, 101)
    | st.sampled_from(["", "a", "v7", "a@bb", "a b@cc", "odd", "x" * 12]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["$ref", "enum", "odd", "o1"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("name", USUAL)
@given(
    record=st.dictionaries(
        st.sampled_from(["email", "odd", "definitions", "pattern", "$ref", "o"]), VALUES
    )
)
def test_a_usual_schema_is_checked_as_it_is_written(name: str, record: dict[str, Any]) -> None:
    draft: Any = jsonschema_rs.Draft7Validator
    if name == "an older draft":
        draft = jsonschema_rs.Draft4Validator
    plain = draft(USUAL[name], validate_formats=False)
    assert validator(USUAL[name]).is_valid(record) == plain.is_valid(record)


def test_two_thousand_columns_of_the_usual_size_are_all_checked() -> None:
    column = {"type": ["null", "string"], "format": "date-time", "maxLength": 99, "title": "x"}
    check = validator({"properties": {f"c{n}": column for n in range(2_000)}})
    assert not check.is_valid({"c1999": 1})


@pytest.mark.parametrize("reference", ["#/definitions/none", "#/properties/odd/5", "#/type/x"])
def test_a_reference_that_leads_nowhere_is_an_error(reference: str) -> None:
    with pytest.raises(ValueError, match="leads nowhere"):
        validator(_schema({"$ref": reference}, type="object"))


@pytest.mark.parametrize("reference", ["http://127.0.0.1:9/x", "file:///etc/passwd", "other.json"])
def test_no_reference_reaches_for_the_network_or_for_files(reference: str) -> None:
    with pytest.raises(jsonschema_rs.ValidationError, match="retrieving it failed"):
        validator(_schema({"$ref": reference}))
