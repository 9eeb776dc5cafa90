"""The definition for Meltano Hub makes a loader in a new and empty Meltano project."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.checkout import ROOT
from support.project import MELTANO, Project, sandbox_process

if TYPE_CHECKING:
    from pathlib import Path

LOADER = "target-omnisend"
PEOPLE = """\
{"type": "SCHEMA", "stream": "people", "schema": {"properties": {}}, "key_properties": []}
{"type": "RECORD", "stream": "people", "record": {"email": "ada@example.com", "town": "London"}}
"""

pytestmark = [
    pytest.mark.timeout(900),  # installs from the package index
    pytest.mark.skipif(MELTANO is None, reason="no meltano: run the nox session taps"),
]


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    """The definition, but that the package is this checkout."""
    text = (ROOT / "target-omnisend.plugin.yml").read_text()
    assert text.count(f"\npip_url: {LOADER}\n") == 1
    made = tmp_path / "target-omnisend.plugin.yml"
    made.write_text(text.replace(f"pip_url: {LOADER}\n", f"pip_url: -e '{ROOT}'\n"))
    return made


def test_it_is_added_installed_and_configured(tmp_path: Path, definition: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    project = Project(folder)
    project.meltano("init", ".", "--no-usage-stats")

    command = r"^ *meltano (add .*--from-ref) \S+ target-omnisend$"
    (add,) = re.findall(command, (ROOT / "README.md").read_text(), re.MULTILINE)
    project.meltano(*add.split(), str(definition), LOADER)
    project.meltano("install", "loader", LOADER)

    about = project.meltano("invoke", LOADER, "--about", "--format=json")
    declared = json.loads(about[about.index("\n{") :])["settings"]["properties"]
    (added,) = _loaders(folder)
    assert [setting["name"] for setting in added["settings"]] == list(declared)

    project.meltano("config", "set", LOADER, "api_key", "sandbox-key")
    project.meltano("config", "set", LOADER, "mapping", '{"email": "email"}')
    project.meltano("config", "set", LOADER, "max_removed_percent", "7.5")
    assert "sandbox-key" in (folder / ".env").read_text(), "as it is declared to be sensitive"
    (configured,) = _loaders(folder)
    assert configured["config"] == {"mapping": {"email": "email"}, "max_removed_percent": "7.5"}

    _check_look_and_send(project)


def _check_look_and_send(project: Project) -> None:
    """The commands of the definition, and a run, with an inherited loader."""
    project.meltano("add", f"{LOADER}--vip", "--inherit-from", LOADER)
    streams = '{"people": {"segment": "VIP", "custom_properties": {"city": "town"}}}'
    project.meltano("config", "set", f"{LOADER}--vip", "streams", streams)
    (project.folder / "people.jsonl").write_text(PEOPLE)
    with sandbox_process() as sandbox:
        settings = {"api_url": f"{sandbox.site}/api", "data_privacy_consent": "true"}

        def invoke(*arguments: str) -> str:
            return project.meltano("invoke", *arguments, **settings)

        assert "mapping of stream 'people': each record needs the column email" in invoke(
            f"{LOADER}--vip:check"
        )
        dry = invoke(f"{LOADER}--vip:dry-run", "--input", "people.jsonl")
        assert "Dry run, segment 'VIP', stream 'people': 1 would be accepted" in dry
        assert sandbox.contacts() == {}
        invoke(f"{LOADER}--vip", "--input", "people.jsonl")
        (ada,) = sandbox.contacts().values()
        assert (ada["tags"], ada["customProperties"]) == (["VIP"], {"city": "London"})


def _loaders(folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load((folder / "meltano.yml").read_text())["plugins"]["loaders"])
