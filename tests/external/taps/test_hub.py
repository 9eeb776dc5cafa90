"""The definition for Meltano Hub makes a loader in a new and empty Meltano project."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.checkout import ROOT
from support.project import MELTANO, Project

if TYPE_CHECKING:
    from pathlib import Path

LOADER = "target-omnisend"

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


def _loaders(folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load((folder / "meltano.yml").read_text())["plugins"]["loaders"])
