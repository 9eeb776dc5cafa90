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
from jsonschema import Draft7Validator
from support.hub import LOADER, lint

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "target-omnisend.plugin.yml"

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
    return dict(yaml.safe_load(FILE.read_text()))


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    command = [sys.executable, "-m", "target_omnisend", "--about", "--format=json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(ran.stdout))


def test_it_passes_the_checks_of_the_hub(definition: dict[str, Any]) -> None:
    faults = [
        f"{e.json_path}: {e.message}" for e in Draft7Validator(LOADER).iter_errors(definition)
    ]
    assert faults == []
    assert lint(FILE.read_text()) == []
    for setting in definition["settings"]:
        assert {"name", "kind", "label", "description"} <= set(setting), setting["name"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"quality": "excellent"}, "$.quality"),
        ({"homepage": "https://example.com"}, "$"),
        ({"supported_python_versions": ["3"]}, "$.supported_python_versions[0]"),
        ({"settings": [{"name": "a", "kind": "number"}]}, "$.settings[0].kind"),
    ],
)
def test_the_checks_of_the_hub_find_a_fault(
    definition: dict[str, Any], change: dict[str, Any], fault: str
) -> None:
    (error,) = Draft7Validator(LOADER).iter_errors(definition | change)
    assert error.json_path == fault


def test_the_checks_of_the_hub_find_keys_out_of_order() -> None:
    assert any("key-ordering" in fault for fault in lint(f"zeta: 1\n{FILE.read_text()}"))


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


def test_the_versions_of_python_are_those_of_the_package(
    definition: dict[str, Any], about: dict[str, Any]
) -> None:
    assert definition["supported_python_versions"] == about["supported_python_versions"]


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
