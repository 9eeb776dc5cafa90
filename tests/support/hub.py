"""What Meltano Hub's own checks admit in the definition of a loader.

The Hub (https://github.com/meltano/hub) checks each definition with JSON schemas and with yamllint.
These are the same rules in our words, as they were in 2026: `schemas/plugin_definitions`,
`schemas/common` and `.yamllint.yaml` there.
"""

from __future__ import annotations

from typing import Any

from yamllint import linter
from yamllint.config import YamlLintConfig

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
YES_OR_NO = {"type": "boolean"}
CHOICE = {"type": "object", "properties": {"label": TEXT, "value": TEXT}}
PROCESSOR = {"enum": ["upcase_string", "nest_object", "stringify"]}
KINDS = (
    *("array", "boolean", "date_iso8601", "decimal", "email", "file", "hidden", "integer"),
    *("oauth", "object", "options", "password", "string"),
)
CAPABILITIES = (
    *("about", "activate-version", "batch", "datatype-failsafe", "hard-delete", "soft-delete"),
    *("schema-flattening", "stream-maps", "structured-logging", "target-schema"),
    "validate-records",
)
SETTING: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("name", "label", "placeholder", "description", "tooltip"), TEXT),
        **dict.fromkeys(("documentation", "docs", "env"), TEXT),
        **dict.fromkeys(("hidden", "sensitive"), YES_OR_NO),
        **dict.fromkeys(("value_processor", "value_post_processor"), PROCESSOR),
        "aliases": TEXTS,
        "kind": {"enum": [*KINDS]},
        "options": {"type": "array", "items": CHOICE},
        "oauth": {"type": "object", "required": ["provider"]},
        "value": {},
    },
}
LOADER: dict[str, Any] = {
    "type": "object",
    "required": ["name", "namespace", "variant", "quality"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("name", "namespace", "variant", "label", "description", "docs"), TEXT),
        **dict.fromkeys(("pip_url", "executable", "repo", "python", "log_parser"), TEXT),
        **dict.fromkeys(("definition", "next_steps", "settings_preamble", "usage", "prereq"), TEXT),
        "dialect": {},
        "target_schema": {},
        "logo_url": {"type": ["string", "null"]},
        "domain_url": {"type": ["string", "null"], "format": "uri"},
        "keywords": TEXTS,
        "hidden": YES_OR_NO,
        "commands": {"type": "object"},
        "requires": {"type": "object", "required": ["files"]},
        "capabilities": {"type": "array", "items": {"enum": [*CAPABILITIES]}},
        "settings": {"type": "array", "items": SETTING},
        "settings_group_validation": {"type": "array", "items": TEXTS},
        "maintenance_status": {"enum": ["active", "beta", "development", "inactive", "unknown"]},
        "quality": {"enum": ["gold", "silver", "bronze", "unknown"]},
        "supported_python_versions": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^3\.\d+$"},
        },
    },
}
YAML = """
extends: default
rules:
  braces: {forbid: non-empty}
  document-start: {present: false}
  indentation: {indent-sequences: false, spaces: 2}
  key-ordering: enable
  line-length: disable
  trailing-spaces: disable
  truthy: disable
"""


def lint(text: str) -> list[str]:
    """Faults of a definition's form."""
    return [str(fault) for fault in linter.run(text, YamlLintConfig(YAML))]
