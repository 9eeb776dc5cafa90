"""Schemas say less, or more, than the records hold: what is mapped decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.batches import PARQUET, batch
from support.command import people, record, schema
from support.rehearsal import Rehearsal

if TYPE_CHECKING:
    from pathlib import Path

ADA = {"email": "ada@example.com", "town": "Paris", "points": 3}
MAPPED: dict[str, Any] = {
    "mapping": {"email": "email", "city": "town"},
    "custom_properties": {"points": "points"},
    "membership": "property",
}
MISSING = "which the stream does not have"


@pytest.fixture
def run(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def _schema(keys: tuple[str, ...] = (), **whole: Any) -> dict[str, Any]:
    return {"type": "SCHEMA", "stream": "members", "schema": whole, "key_properties": [*keys]}


def _sent(run: Rehearsal, email: str = "ada@example.com") -> tuple[str, dict[str, Any]]:
    run.store.advance()
    contact = run.store.contacts[email]
    properties = dict(contact.properties or {})
    properties.pop("segment_vip", None)
    return contact.city, properties


COLUMNS: dict[str, Any] = {
    "email": {"type": ["string", "null"]},
    "town": {"type": "string", "maxLength": 10},
    "points": {"type": ["integer", "null"]},
}


@pytest.mark.parametrize(
    "message",
    [
        _schema(type="object"),
        _schema(("id",), type="object"),
        _schema(("id",), type="object", additionalProperties=True),
        _schema(properties={}),
        _schema(properties={"other": {"type": "array"}}),
        _schema(type=["object", "null"], properties={}, additionalProperties=False),
    ],
)
@pytest.mark.parametrize("maps", [None, {"*": {"email": "email.lower()", "more": "1"}}])
def test_a_schema_need_not_name_the_mapped_columns(run: Rehearsal, message: Any, maps: Any) -> None:
    settings = {**MAPPED, "stream_maps": maps}
    if maps:
        settings["stream_maps"]["*"] |= {"town": "town", "points": "points"}
    ran = run(message, {**record(None), "record": {**ADA, "id": 1}}, **settings)

    assert (ran.code, ran.counts["accepted"], ran.counts["warnings"]) == (0, 1, 0), ran.log
    assert _sent(run) == ("Paris", {"points": 3})
    assert MISSING not in ran.log
    assert "every record" not in ran.log


@pytest.mark.parametrize(
    ("before", "after", "missing"),
    [(0, 0, False), (99, 0, False), (100, 0, True), (100, 5, True), (5, None, True)],
)
def test_a_column_is_missing_when_the_first_hundred_records_do_not_have_it(
    run: Rehearsal,
    before: int,
    after: int | None,
    missing: bool,  # noqa: FBT001
) -> None:
    late = [] if after is None else [record("ada@example.com", town="Paris"), *people(after, 500)]
    ran = run(
        schema(),
        *people(before),
        *late,
        mapping={"email": "email", "city": "town"},
        membership="property",
    )
    assert ran.code == 0
    assert (f"mapping.city names the column 'town', {MISSING}" in ran.log) is missing
    assert ran.log.count(MISSING) <= 1


def test_a_stream_without_records_lacks_no_column(run: Rehearsal) -> None:
    assert MISSING not in run(schema(), **MAPPED).log


def test_schemas_that_change_are_one_stream(run: Rehearsal) -> None:
    ran = run(
        *(m for n in range(3) for m in (_schema(properties={f"c{n}": {}}), *people(2, n * 2))),
        schema(town={}, points={}),
        record("ada@example.com"),
        **MAPPED,
    )
    assert (ran.code, ran.counts["accepted"]) == (0, 7)
    assert MISSING not in ran.log


NAN = float("nan")
HARMLESS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a column the schema forbids": ({"additionalProperties": False}, {"private": True}),
    "a required column": ({"required": ["id", "born"]}, {}),
    "a number that is none": ({"properties": {"score": {"type": "number"}}}, {"score": NAN}),
    "another type": ({"properties": {"score": {"type": "number"}}}, {"score": ["a"]}),
    "a column that may not be": ({"properties": {"score": {"not": {}}}}, {"score": 1}),
    "a schema that is none": ({"properties": {"score": {"type": "nonsense"}}}, {"score": 1}),
    "an alternative": ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}),
    "a pattern of names": ({"patternProperties": {"^s": {"type": "string"}}}, {"score": 1}),
    "too few columns": ({"minProperties": 9, "propertyNames": {"maxLength": 2}}, {}),
    "a column that another needs": ({"dependencies": {"town": ["street"]}}, {}),
    "null where the schema has none": ({}, {"town": None}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_not_mapped_is_never_a_reason(run: Rehearsal, case: str) -> None:
    more, values = HARMLESS[case]
    whole = {"type": "object", **more, "properties": {**COLUMNS, **more.get("properties", {})}}
    message = {"type": "RECORD", "stream": "members", "record": {**ADA, **values}}
    ran = run(_schema(**whole), json.dumps(message).encode(), **MAPPED)

    assert (ran.code, ran.counts["accepted"], ran.counts["warnings"]) == (0, 1, 0), ran.log
    city, properties = _sent(run)
    assert (city, properties) == ("" if "town" in values else "Paris", {"points": 3})


UNFIT: dict[str, tuple[dict[str, Any], str, str]] = {
    "too long": ({"town": "Llanfairpwllgwyngyll"}, "value_unfit", "town"),
    "of another type": ({"points": ["many"]}, "value_unfit", "points"),
    "not a number": ({"points": NAN}, "value_unfit", "points"),
    "text for a number": ({"points": "many"}, "value_mistyped", "points"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_mapped_value_that_does_not_fit_costs_itself_alone(run: Rehearsal, case: str) -> None:
    values, code, column = UNFIT[case]
    message = {"type": "RECORD", "stream": "members", "record": {**ADA, **values}}
    line = json.dumps(message).encode()
    ran = run(_schema(properties=COLUMNS), line, **MAPPED)

    assert (ran.code, ran.counts["accepted"], ran.counts["rejected"]) == (0, 1, 0), ran.log
    assert ran.left_out == {(code, column): 1}
    kept = {"city": "Paris", "points": 3} | {"city" if column == "town" else "points": None}
    assert _sent(run) == (kept["city"] or "", {"points": 3} if kept["points"] else {})


@pytest.mark.parametrize("town", [{"type": ["string", "null"]}, {"type": "string", "maxLength": 5}])
def test_a_file_of_columns_hides_no_value_that_does_not_fit(
    run: Rehearsal, tmp_path: Path, town: dict[str, Any]
) -> None:
    """Also not one of a line or a file after it."""
    for name, value in (("text", "Paris"), ("number", 75), ("long", "Llanfair")):
        table = pa.Table.from_pylist([{"email": f"{name}@example.com", "town": value, "points": 1}])
        pq.write_table(table, tmp_path / name)
    ran = run(
        _schema(properties={**COLUMNS, "town": town}),
        *(batch(tmp_path / name, encoding=PARQUET) for name in ("text", "number", "long")),
        record("line@example.com", town=7),
        **MAPPED,
    )
    unfit = 3 if "maxLength" in town else 2
    assert ran.left_out == {("value_unfit", "town"): unfit}
    assert ran.counts["accepted"] == 4


def test_a_number_written_as_text_in_a_column_of_numbers_is_one(run: Rehearsal) -> None:
    run(_schema(properties=COLUMNS), record("ada@example.com", points="41"), **MAPPED)
    assert _sent(run) == ("", {"points": 41})


@pytest.mark.parametrize(
    "column",
    [
        {"type": ["string", "null"], "format": "singer.decimal"},
        {"anyOf": [{"type": "string", "format": "singer.decimal"}, {"type": "null"}]},
        {"type": ["string", "number", "null"], "multipleOf": 0.01},
    ],
)
def test_decimals_that_come_as_text_are_numbers(run: Rehearsal, column: Any) -> None:
    run(
        _schema(properties={**COLUMNS, "points": column}),
        record("ada@example.com", points="0.30"),
        **MAPPED,
    )
    assert _sent(run) == ("", {"points": 0.3})


def test_a_column_may_refer_to_one_that_is_not_mapped(run: Rehearsal) -> None:
    columns = {**COLUMNS, "town": {"$ref": "#/properties/other"}, "other": {"type": "string"}}
    ran = run(
        _schema(properties=columns),
        record("ada@example.com", town="Paris", other=5),
        record("bo@example.com", town=7),
        **MAPPED,
    )
    assert _sent(run)[0] == "Paris"
    assert ran.left_out == {("value_unfit", "town"): 1}


@pytest.mark.parametrize(
    ("column", "value"), [("email", 5), ("status", 1), ("at", ["2024-05-06"]), ("at", 20240506)]
)
def test_email_and_consent_that_do_not_fit_cost_the_record(
    run: Rehearsal, column: str, value: object
) -> None:
    text = {"type": ["string", "null"]}
    consent = {"subscription_status": "status", "subscription_changed_at": "at"}
    ran = run(
        schema(status=text, at=text, email=text),
        record("ada@example.com", status="subscribed", at="2024-05-06"),
        {
            "type": "RECORD",
            "stream": "members",
            "record": {"email": "bo@example.com", "status": "subscribed", "at": "2024-05-06"}
            | {column: value},
        },
        mapping={"email": "email", **consent},
    )
    assert (ran.counts["accepted"], ran.counts["rejected"]) == (1, 1), ran.log
    assert "record_invalid" in ran.log


PROFILE = {"type": "object", "properties": {"email": {"type": "string"}, "town": {}}}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    "column",
    [
        {"anyOf": [PROFILE, NULL]},
        {"anyOf": [NULL, PROFILE]},
        {"oneOf": [NULL, PROFILE]},
        {"allOf": [PROFILE]},
        {"anyOf": [{**PROFILE, "type": ["object", "null"]}]},
        {"anyOf": [{"anyOf": [PROFILE, NULL], **PROFILE}, {"type": "string"}]},
        {**PROFILE, "type": ["null", "object"]},
        {**PROFILE, "anyOf": [{}]},
    ],
)
def test_a_nullable_object_is_flattened(run: Rehearsal, column: Any) -> None:
    columns = {
        "profile": column,
        "plain": {"anyOf": [{"type": ["integer", "null"]}]},
        "kind": {"enum": ["a", "b"]},
        "other": {"anyOf": [{"$ref": "#/definitions/x"}, NULL]},
        "any": {},
    }
    value = {"email": "ada@example.com", "town": "Paris"}
    rest = {"plain": 5, "kind": "a", "other": "x", "any": 7}
    messages = [
        {"type": "RECORD", "stream": "members", "record": {"profile": one, **rest}}
        for one in (value, None)
    ]
    ran = run(
        _schema(type="object", properties=columns),
        *messages,
        mapping={"email": "profile__email", "city": "profile__town"},
        custom_properties={"plain": "plain", "kind": "kind", "other": "other", "any": "any"},
        membership="property",
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    assert (ran.counts["accepted"], ran.counts["rejected"]) == (1, 1), ran.log
    assert ran.counts["warnings"] == 0
    assert _sent(run) == ("Paris", rest)
