"""Every block of README.md, CONTRIBUTING.md and docs/: run, or marked with who runs it."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.docs import COMMANDS, PAGES, ROOT, Block, Reader, blocks_of

from target_omnisend.config.schema import CONFIG_JSONSCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS = (
    *("file ", "output", "exit code ", "in another terminal", "run by ", "needs an account"),
    "examples/",
)
CONFIG = """\
{"api_url": "http://127.0.0.1:8765/api", "api_key": "sandbox-key", "data_privacy_consent": true,
 "mapping": {"email": "email"}}
"""
PEOPLE = """\
{"type": "SCHEMA", "stream": "people", "schema": {"properties": {}}, "key_properties": []}
{"type": "RECORD", "stream": "people", "record": {"E-Mail": "Ada@Example.com", "Vorname": "Ada"}}
"""


def _json(text: str) -> list[Any]:
    """One value, or one on each line."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


READ: dict[str, Callable[[str], object]] = {
    "json": _json,
    "yaml": yaml.safe_load,
    "python": ast.parse,
}
PLAIN = {"text", "sql", "{toctree}"}
"""`sql` is run by the test that its mark names."""

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
ONES_TO_READ = [page for page in PAGES if any(b.is_for(None) for b in blocks_of(page))]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder with what a reader brings: an environment `venv`, a tap, a rejects folder."""
    folder = tmp_path / "a folder"
    (folder / "stand-ins").mkdir(parents=True)
    (folder / "output" / "north" / "rejects").mkdir(parents=True)
    (folder / "venv").symlink_to(sys.prefix)
    tap = folder / "stand-ins" / "your-tap"
    tap.write_text(f"#!/bin/sh\ncat <<'END'\n{PEOPLE}END\n")
    tap.chmod(0o755)
    return folder


@pytest.mark.parametrize("page", ONES_TO_READ)
def test_who_does_what_the_page_says_gets_what_it_says(page: str, scratch: Path) -> None:
    reader = Reader(scratch)
    reader.save("config.json", CONFIG)  # for pages that do not say what is in it
    reader.read(blocks_of(page))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_what_it_says_it_is(block: Block) -> None:
    known = {*COMMANDS, *READ, *PLAIN}
    assert block.language in known, f"{block}: a block of {block.language!r}"
    assert [m for m in block.marks if not m.startswith(MARKS)] == [], block
    values = READ.get(block.language, str)(block.text)
    for value in values if isinstance(values, list) else []:
        if isinstance(value, dict) and not {"type", "version"} & set(value):
            strangers = set(value) - set(CONFIG_JSONSCHEMA["properties"])
            assert not strangers, f"{block} has settings that do not exist"
    if block.language == "sql":
        assert block.runners, f"{block} has no mark that says which test runs it"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.runners], ids=str)
def test_who_is_said_to_run_a_block_does(block: Block) -> None:
    texts = [(ROOT / runner).read_text(encoding="utf-8") for runner in block.runners]
    for command in block.commands:
        ours = [word for word in command.split() if word.startswith("scripts/")]
        told = [command, *(Path(name).name for name in (block.page, *ours))]
        assert any(one in text for text in texts for one in told), (
            f"{block}: {command!r} is in none of {block.runners}"
        )
