"""Pages show the files of examples/, which tests run, as they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _examples() -> list[str]:
    files = [path for path in (ROOT / "examples").rglob("*") if path.is_file()]
    return [str(path.relative_to(ROOT)) for path in files if path.parent.name != "__pycache__"]


def _is_to_copy(name: str) -> bool:
    """Whether it is of the project that readers copy: people of a file, not settings."""
    return name.startswith("examples/exports/") and not name.endswith(".meltano.yml")


def test_every_example_is_shown() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    shown = [name for name in _examples() if not _is_to_copy(name)]

    assert len(shown) > 8
    assert [name for name in shown if pages.count(f"<!-- {name} -->") != 1] == []


@pytest.mark.slow  # it makes each generated file twice
def test_an_example_that_was_changed_is_told_and_shown_anew(tmp_path: Path) -> None:
    for name in (
        "scripts/sync_docs.py",
        "scripts/messages.py",
        "scripts/hub_definition.py",
        "meltano.yml",
        ".env.example",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in ("docs", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "target_omnisend").mkdir()
    changed = tmp_path / "examples" / "cron" / "crontab"
    changed.write_text(changed.read_text().replace("15 5", "45 6"))
    sync = [sys.executable, str(tmp_path / "scripts" / "sync_docs.py")]

    told = subprocess.run([*sync, "--check"], capture_output=True, text=True, check=False)
    subprocess.run(sync, capture_output=True, check=True)

    assert told.stdout.split()[0] == "docs/scheduling.md"
    assert changed.read_text() in (tmp_path / "docs" / "scheduling.md").read_text()
