"""Write what settings and codes are declared as into every file that shows them.

`--check` only says which of them differ, with exit code 1.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hub_definition
import messages

from target_omnisend.config.parts import CONTACT_FIELDS
from target_omnisend.config.schema import CONFIG_JSONSCHEMA, CREDENTIALS
from target_omnisend.report.codes import EXITS, REJECTIONS, WARNINGS, Code
from target_omnisend.target import TargetOmnisend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
SETTINGS: dict[str, Mapping[str, Any]] = CONFIG_JSONSCHEMA["properties"]
WITH_BUILT_IN = copy.deepcopy(CONFIG_JSONSCHEMA)
TargetOmnisend.append_builtin_config(WITH_BUILT_IN)
BUILT_IN = {k: v for k, v in WITH_BUILT_IN["properties"].items() if k not in SETTINGS}
REQUIRED = frozenset([CREDENTIALS[0], *CONFIG_JSONSCHEMA["required"]])
LOADER: Mapping[str, Any] = {
    "name": TargetOmnisend.name,
    "namespace": TargetOmnisend.name.replace("-", "_"),
    "pip_url": "-e .",
    "executable": TargetOmnisend.name,
    "capabilities": [str(capability) for capability in TargetOmnisend.capabilities],
    "settings_group_validation": [
        [credential, *CONFIG_JSONSCHEMA["required"]] for credential in CREDENTIALS
    ],
    "commands": {
        "check": {
            "args": "--config=ENV --check",
            "description": "Show the store of the key, its scopes and the columns the mapping "
            "needs; writes nothing.",
        },
        "dry-run": {
            "args": "--config=ENV --dry-run",
            "description": "Read the input and show what a run would do; writes nothing.",
        },
    },
}
"""What Meltano has to know of the loader besides its settings."""
# Not decimal: Meltano 4.4.1 cannot hand on one that the environment gives ("Object of type Decimal
# is not JSON serializable"); the target reads numbers from text.
KINDS = {"number": "string"}
WITH_EXAMPLES = ("docs/scheduling.md", "docs/from-an-export.md", "docs/from-customer-insights.md")
ENV_HEAD = """\
# Settings as environment variables. Copy this file to `.env`: Meltano reads it. For a run without
# Meltano load it first (`set -a; . ./.env; set +a`), then `target-omnisend --config=ENV`.
# Objects and lists are JSON. A line in comment shows the default or an example.
"""
ENV_EXAMPLES = {
    "data_privacy_consent": "false",  # nobody agrees by copying a file
    "mapping": '{"email": "email", "first_name": "first_name", "country": "country"}',
    "custom_properties": '{"loyaltyTier": "loyalty_tier"}',
    "date_formats": '["%d/%m/%Y"]',
    "segment": "VIP customers",
    "tags": '["source: warehouse"]',
    "ledger_url": "sqlite:///output/ledger.db",
    "report_path": "output/report.json",
    "notify_url": "https://hooks.example.com/T0/B0/x",
    "streams": '{"vip_customers": {"segment": "VIP customers"}}',
    "batch_config": '{"storage": {"root": "file:///data/batches"}}',
    "batch_size_rows": "10000",
    "stream_maps": '{"vip_customers": {"email": "email.lower()"}}',
    "stream_map_config": '{"hash_seed": "any text"}',
    "faker_config": '{"locale": "en_GB"}',
    "flattening_enabled": "true",
    "flattening_max_depth": "1",
    "flattening_max_key_length": "64",
    "flattening_separator": "__",
}


def main() -> int:
    """Bring the files up to date, or check that they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    checking = parser.parse_args().check
    stale = [path for path, make in FILES.items() if _read(path) != make()]
    for path in stale:
        if checking:
            print(f"{path} differs from what is declared: run scripts/sync_docs.py")
        else:
            (ROOT / path).write_text(FILES[path](), encoding="utf-8")
            print(f"{path} is brought up to date")
    return 1 if checking and stale else 0


def settings() -> str:
    """docs/settings.md with the tables of settings and of contact fields."""
    rows = [(name, _default(name), SETTINGS[name]["description"]) for name in SETTINGS]
    return _with_tables(
        "docs/settings.md",
        settings=_table(("Setting", "Default", "Meaning"), rows),
        mapping=_table(("Field", "What its column holds"), CONTACT_FIELDS.items()),
        built_in=", ".join(f"`{name}`" for name in BUILT_IN) + ".\n",
    )


def errors() -> str:
    """docs/errors.md with the tables of exit codes, rejections and warnings."""
    return _with_tables(
        "docs/errors.md",
        exits=_codes("Exit code", EXITS),
        rejections=_codes("Code", REJECTIONS),
        warnings=_codes("Code", WARNINGS),
    )


def logs() -> str:
    """docs/logs.md with the table of events."""
    rows = ((name, f"`{sentence}`") for name, sentence in messages.events().items())
    return _with_tables("docs/logs.md", events=_table(("Event", "Line"), rows))


def _codes(head: str, codes: Mapping[str, Code]) -> str:
    return _table((head, "Cause", "Cure"), ((name, *code) for name, code in codes.items()))


def _with_tables(path: str, **tables: str) -> str:
    text = _read(path)
    for name, table in tables.items():
        text = _between(text, f"<!-- {name} -->\n", f"<!-- /{name} -->", table)
    return text


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *([f"`{name}`", *rest] for name, *rest in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def meltano() -> str:
    """meltano.yml with the loader, in the form that Meltano itself writes."""
    loader = hub_definition.as_yaml([{**LOADER, "settings": _plugin_settings()}])
    indented = "".join(f"  {line}\n" for line in loader.splitlines())
    return _between(_read("meltano.yml"), "\n  loaders:\n", "\nenvironments:", indented)


def hub() -> str:
    """The plugin definition, whole, in the form that Meltano Hub wants."""
    supported = {"supported_python_versions": TargetOmnisend.get_supported_python_versions()}
    definition = {**LOADER, **supported, "settings": _plugin_settings()}
    return hub_definition.page(definition)


def env() -> str:
    """.env.example, whole."""
    blocks = []
    for name, setting in (SETTINGS | BUILT_IN).items():
        value = ENV_EXAMPLES.get(name, _plain(setting.get("default")))
        comment = "" if name in REQUIRED or name == "mapping" else "# "
        line = f"{comment}TARGET_OMNISEND_{name.upper()}={_quoted(value)}"
        blocks.append(f"# {setting['description']}\n{line}\n")
    return "\n".join([ENV_HEAD, *blocks])


def _with_examples(path: str) -> str:
    """A page with the files of examples/ that it names, as tests run them."""
    block = r"<!-- (examples/\S+) -->\n```(\w+)\n.*?```\n"
    return re.sub(
        block,
        lambda found: f"<!-- {found[1]} -->\n```{found[2]}\n{_read(found[1])}```\n",
        _read(path),
        flags=re.DOTALL,
    )


def json_schema() -> str:
    """The settings as a JSON schema for editors.

    It asks for no setting, because settings can come in several files and from the environment.
    """
    editors = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of target-omnisend",
        "type": "object",
        "properties": _valid(WITH_BUILT_IN["properties"]),
        "additionalProperties": False,
    }
    return json.dumps(editors, indent=2, ensure_ascii=False) + "\n"


def _valid(schema: Any) -> Any:
    """A schema whose alternatives are schemas: one of the SDK's is the text "null"."""
    if isinstance(schema, list):
        return [_valid(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _valid(value) for key, value in schema.items()}
    if isinstance(made.get("anyOf"), list):
        made["anyOf"] = [{"type": o} if isinstance(o, str) else o for o in made["anyOf"]]
    return made


FILES: Mapping[str, Callable[[], str]] = {
    "docs/settings.md": settings,
    "docs/errors.md": errors,
    "docs/logs.md": logs,
    "docs/messages.txt": messages.page,
    "meltano.yml": meltano,
    ".env.example": env,
    **{page: partial(_with_examples, page) for page in WITH_EXAMPLES},
    "target-omnisend.plugin.yml": hub,
    "target_omnisend/target-omnisend.schema.json": json_schema,
}


def _plugin_settings() -> list[dict[str, Any]]:
    return [_plugin_setting(name, setting) for name, setting in (SETTINGS | BUILT_IN).items()]


def _plugin_setting(name: str, setting: Mapping[str, Any]) -> dict[str, Any]:
    types = setting["type"]
    kind = types if isinstance(types, str) else next(kind for kind in types if kind != "null")
    made: dict[str, Any] = {"name": name, "kind": KINDS.get(kind, kind)}
    choices = setting.get("enum")
    if choices:
        made["kind"] = "options"
    elif kind == "object":
        # Otherwise the environment, which commands read, has `mapping.email` in place of `mapping`.
        made["value_processor"] = "nest_object"
    if "default" in setting:
        made["value"] = setting["default"]
    made["label"] = setting.get("title") or name.replace("_", " ").capitalize()
    made["description"] = setting["description"]
    if setting.get("secret"):
        made["sensitive"] = True
    if choices:
        made["options"] = [{"label": choice, "value": choice} for choice in choices if choice]
    return made


def _default(name: str) -> str:
    if name in REQUIRED:
        return "required"
    value = _plain(SETTINGS[name].get("default"))
    return f"`{value}`" if value else ""


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(value: str) -> str:
    return f"'{value}'" if set(value) & set(' "{[') else value


def _between(text: str, start: str, end: str, new: str) -> str:
    opening = text.index(start) + len(start)
    return text[:opening] + new + text[text.index(end, opening) :]


def _read(path: str) -> str:
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
