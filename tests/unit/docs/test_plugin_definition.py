"""The definition for Meltano Hub, `meltano.yml` and `--about` name the same things."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]

# What the Hub admits: its schemas/common and schemas/plugin_definitions, and Meltano's own schema.
KEYS = {
    *("name", "namespace", "variant", "label", "description", "docs", "repo", "pip_url"),
    *("executable", "logo_url", "capabilities", "settings", "settings_group_validation"),
    *("domain_url", "keywords", "maintenance_status"),
}
CAPABILITIES = {
    *("about", "stream-maps", "schema-flattening", "activate-version", "batch"),
    *("structured-logging", "validate-records", "target-schema", "datatype-failsafe"),
    *("soft-delete", "hard-delete"),
}
SETTING = {"name", "kind", "value", "label", "description", "sensitive", "options"}
KINDS = {
    "string": "string",
    "boolean": "boolean",
    "integer": "integer",
    "number": "string",
    "object": "object",
    "array": "array",
}


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "target-omnisend.plugin.yml").read_text()))


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    command = [sys.executable, "-m", "target_omnisend", "--about", "--format=json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(ran.stdout))


def test_it_is_in_the_form_of_the_hub(definition: dict[str, Any]) -> None:
    assert set(definition) == KEYS
    assert set(definition["capabilities"]) <= CAPABILITIES
    for setting in definition["settings"]:
        assert set(setting) <= SETTING, setting["name"]
        assert {"name", "kind", "label", "description"} <= set(setting), setting["name"]


def test_capabilities_and_settings_are_those_of_the_command(
    definition: dict[str, Any], about: dict[str, Any]
) -> None:
    assert definition["capabilities"] == about["capabilities"]
    declared = about["settings"]["properties"]
    assert [setting["name"] for setting in definition["settings"]] == list(declared)
    for made in definition["settings"]:
        own = declared[made["name"]]
        assert made["description"] == own["description"]
        assert made.get("value") == own.get("default"), made["name"]
        assert made.get("sensitive", False) == own.get("secret", False), made["name"]
        types = [own["type"]] if isinstance(own["type"], str) else own["type"]
        kind = "options" if "enum" in own else KINDS[types[0]]
        assert made["kind"] == kind, made["name"]
        choices = [option["value"] for option in made.get("options", [])]
        assert choices == [choice for choice in own.get("enum", []) if choice is not None]


def test_a_group_of_settings_is_enough_for_the_command(
    definition: dict[str, Any], about: dict[str, Any]
) -> None:
    ways = [set(way["required"]) for way in about["settings"]["anyOf"]]
    every = set(about["settings"]["required"])
    assert [set(g) for g in definition["settings_group_validation"]] == [every | w for w in ways]


def test_meltano_yml_and_the_environment_have_the_same(definition: dict[str, Any]) -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    (loader,) = project["plugins"]["loaders"]
    assert {key: definition[key] for key in loader} == {**loader, "pip_url": definition["pip_url"]}
    variables = re.findall(r"TARGET_OMNISEND_(\w+)=", (ROOT / ".env.example").read_text())
    assert variables == [setting["name"].upper() for setting in definition["settings"]]
