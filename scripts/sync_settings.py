"""Write what settings and codes are declared as into README.md, meltano.yml and .env.example.

`--check` only says which of them differ, with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from target_omnisend.codes import EXITS, REJECTIONS
from target_omnisend.settings import CONFIG_JSONSCHEMA, CONTACT_FIELDS, CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
SETTINGS: Mapping[str, Mapping[str, Any]] = CONFIG_JSONSCHEMA["properties"]
REQUIRED = frozenset([CREDENTIALS[0], *CONFIG_JSONSCHEMA["required"]])
KINDS = {"number": "decimal"}
ENV_HEAD = """\
# Settings as environment variables. Copy this file to `.env`: Meltano reads it. For a run without
# Meltano load it first (`set -a; . ./.env; set +a`), then `target-omnisend --config=ENV`.
# Objects and lists are JSON. A line in comment shows the default or an example.
"""
ENV_EXAMPLES = {
    "data_privacy_consent": "false",  # nobody agrees by copying a file
    "mapping": '{"email": "email", "first_name": "first_name", "country": "country"}',
    "custom_properties": '{"loyaltyTier": "loyalty_tier"}',
    "segment": "VIP customers",
    "tags": '["source: warehouse"]',
    "ledger_url": "sqlite:///output/ledger.db",
    "report_path": "output/report.json",
    "streams": '{"vip_customers": {"segment": "VIP customers"}}',
}


def main() -> int:
    """Bring the files up to date, or check that they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    checking = parser.parse_args().check
    stale = [path for path, make in FILES.items() if _read(path) != make()]
    for path in stale:
        if checking:
            print(f"{path} differs from the settings: run scripts/sync_settings.py")
        else:
            (ROOT / path).write_text(FILES[path](), encoding="utf-8")
            print(f"{path} is brought up to date")
    return 1 if checking and stale else 0


def readme() -> str:
    """README.md with the tables of settings, contact fields, rejection codes and exit codes."""
    settings = [(name, _default(name), SETTINGS[name]["description"]) for name in SETTINGS]
    text = _read("README.md")
    for name, table in {
        "settings": _table(("Setting", "Default", "Meaning"), settings),
        "mapping": _table(("Field", "What its column holds"), CONTACT_FIELDS.items()),
        "rejections": _table(("Code", "Cure"), ((name, c.cure) for name, c in REJECTIONS.items())),
        "exits": _table(("Exit code", "Meaning"), ((name, c.cause) for name, c in EXITS.items())),
    }.items():
        text = _between(text, f"<!-- {name} -->\n", f"<!-- /{name} -->", table)
    return text


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *([f"`{name}`", *rest] for name, *rest in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def meltano() -> str:
    """meltano.yml with the loader's settings, in the form that Meltano itself writes."""
    listed = yaml.safe_dump(
        [_plugin_setting(name) for name in SETTINGS],
        sort_keys=False,
        allow_unicode=True,
        width=111,
    )
    indented = "".join(f"    {line}\n" for line in listed.splitlines())
    text = _read("meltano.yml")
    loader = text.index("  - name: target-omnisend")
    tail = _between(text[loader:], "    settings:\n", "\nenvironments:", indented)
    return text[:loader] + tail


def env() -> str:
    """.env.example, whole."""
    blocks = []
    for name, setting in SETTINGS.items():
        value = ENV_EXAMPLES.get(name, _plain(setting.get("default")))
        comment = "" if name in REQUIRED else "# "
        line = f"{comment}TARGET_OMNISEND_{name.upper()}={_quoted(value)}"
        blocks.append(f"# {setting['description']}\n{line}\n")
    return "\n".join([ENV_HEAD, *blocks])


def scheduling() -> str:
    """docs/scheduling.md with the examples, as tests run them."""
    block = r"<!-- (examples/\S+) -->\n```(\w+)\n.*?```\n"
    return re.sub(
        block,
        lambda found: f"<!-- {found[1]} -->\n```{found[2]}\n{_read(found[1])}```\n",
        _read("docs/scheduling.md"),
        flags=re.DOTALL,
    )


FILES: Mapping[str, Callable[[], str]] = {
    "README.md": readme,
    "meltano.yml": meltano,
    ".env.example": env,
    "docs/scheduling.md": scheduling,
}


def _plugin_setting(name: str) -> dict[str, Any]:
    setting = SETTINGS[name]
    types = setting["type"]
    kind = types if isinstance(types, str) else next(kind for kind in types if kind != "null")
    made: dict[str, Any] = {"name": name, "kind": KINDS.get(kind, kind)}
    choices = setting.get("enum")
    if choices:
        made["kind"] = "options"
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
