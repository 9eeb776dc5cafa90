"""Whether columns of a file can hold a value that does not fit the schema."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from target_omnisend.singer.column_check import ColumnCheck
from target_omnisend.singer.rows import Rows

COLUMNS: dict[str, list[Any]] = {
    "texts": ["", "a", "2026-01-02", "1", None],
    "truths": [True, False, None],
    "integers": [0, -5, 2**40, None],
    "numbers": [0.5, 1.0, float("nan"), float("inf"), None],
    "nulls": [None, None],
    "decimals": [Decimal("1.10"), None],
    "dates": [dt.date(2026, 1, 2), None],
    "lists": [["a"], [], None],
    "objects": [{"a": 1}, None],
    "bytes": [b"a", None],
}
RULES: list[Any] = [
    {},
    True,
    False,
    *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null", "array")),
    {"type": ["string", "null"]},
    {"type": ["integer", "string"]},
    {"type": ["number", "null"], "title": "price", "default": 1},
    {"type": "string", "format": "date-time", "description": "when"},
    {"type": "string", "maxLength": 0},
    {"type": "string", "pattern": "^b"},
    {"type": "integer", "maximum": -9},
    {"type": "number", "multipleOf": 0.01},
    {"enum": ["z"]},
    {"const": 3},
    {"not": {"type": "string"}},
    {"anyOf": [{"type": "null"}, {"type": "string"}]},
    {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
]
CERTAIN = {
    ("texts", "string"),
    ("truths", "boolean"),
    ("integers", "integer"),
    ("integers", "number"),
    ("numbers", "number"),
}


def rows_of(name: str) -> Rows:
    return Rows(pa.RecordBatch.from_pydict({"x": COLUMNS[name]}), 0, None)


def check_of(rule: Any) -> ColumnCheck:
    return ColumnCheck({"properties": {"x": rule}}, ["x"], {})


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("name", COLUMNS)
def test_what_is_not_looked_at_would_have_fitted(name: str, rule: Any) -> None:
    rows, check = rows_of(name), check_of(rule)
    if check.fits_all(rows.kinds):
        assert [one for one in rows.records() if check.unfit(one)] == []


@pytest.mark.parametrize("kind", ["string", "boolean", "integer", "number"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_the_declared_type_is_not_looked_at(name: str, kind: str) -> None:
    assert check_of({"type": [kind, "null"]}).fits_all(rows_of(name).kinds) == (
        (name, kind) in CERTAIN
    )


def test_each_mapped_column_counts_and_no_other() -> None:
    schema = {"properties": {"x": {"type": "string"}, "y": {"type": "integer"}}}
    kinds = {"x": "string", "y": "string", "z": ""}
    assert ColumnCheck(schema, ["x"], {}).fits_all(kinds)
    assert ColumnCheck(schema, ["x", "z"], {}).fits_all(kinds)
    assert not ColumnCheck(schema, ["x", "y"], {}).fits_all(kinds)
    assert ColumnCheck(schema, ["x", "y"], {}).fits_all({"x": "string"}), (
        "no record has the other column"
    )
