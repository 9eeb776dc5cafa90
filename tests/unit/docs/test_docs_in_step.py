"""The files that show settings and codes say what is declared; CONTRIBUTING.md has the command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = {
    "docs/settings.md": "Seconds that one HTTP call",
    "meltano.yml": "Seconds that one HTTP call",
    ".env.example": "Seconds that one HTTP call",
    "target-omnisend.plugin.yml": "Seconds that one HTTP call",
    "target_omnisend/target-omnisend.schema.json": "Seconds that one HTTP call",
    "docs/errors.md": "Correct the address",
    "docs/logs.md": "Omnisend's limit is reached",
    "docs/messages.txt": "Omnisend's limit is reached",
}
"""Each file, and something it says."""


def _sync(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "scripts" / "sync_docs.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_they_are_in_step() -> None:
    ran = _sync(ROOT, "--check")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.slow  # it makes each generated file twice
def test_differences_are_told_and_mended(tmp_path: Path) -> None:
    for folder in ("scripts", "docs", "target_omnisend"):
        (tmp_path / folder).mkdir()
    for path in ("scripts/sync_docs.py", "scripts/messages.py", "scripts/hub_definition.py"):
        shutil.copy(ROOT / path, tmp_path / path)
    shown = {name: (ROOT / name).read_text() for name in FILES}
    for name, text in shown.items():
        (tmp_path / name).write_text(text.replace(FILES[name], "Something else"))

    told = _sync(tmp_path, "--check")
    assert told.returncode == 1, told.stderr
    assert {line.split()[0] for line in told.stdout.splitlines()} == set(FILES)
    assert _sync(tmp_path).returncode == 0
    assert {name: (tmp_path / name).read_text() for name in FILES} == shown
