"""The settings as a JSON schema, for editors."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

CONFIG: dict[str, Any] = {
    "mapping": {"email": "mail", "address": ["street", "no"]},
    "custom_properties": {"spent": {"column": "spent", "type": "number"}},
    "streams": {"gold": {"segment": "Gold"}},
    "batch_size_rows": 100,
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    file = files("target_omnisend") / "target-omnisend.schema.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _faults(schema: dict[str, Any], config: dict[str, Any]) -> list[str]:
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(config)]


def test_it_is_in_the_package_and_a_part_of_the_settings_fits_it(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert _faults(schema, CONFIG) == []


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"segmnt": "Gold"}, "$"),
        ({"sync_mode": "mirrored"}, "$.sync_mode"),
        ({"mapping": {"mail": "mail"}}, "$.mapping"),
        ({"quota_share": 2}, "$.quota_share"),
    ],
)
def test_an_editor_sees_the_slip(
    schema: dict[str, Any], config: dict[str, Any], where: str
) -> None:
    assert where in _faults(schema, config)


def test_it_describes_each_setting(schema: dict[str, Any]) -> None:
    assert [name for name, one in schema["properties"].items() if not one["description"]] == []
