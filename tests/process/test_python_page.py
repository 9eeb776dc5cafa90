"""docs/python.md and the names that other programs can rely on."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import ROOT
from support.docs import blocks_of

from target_omnisend.errors import ExitCode

PAGE = "docs/python.md"
PUBLIC = {
    "target_omnisend": ["ExitCode", "TargetOmnisend"],
    "omnisend_sandbox.pytest": ["LocalOmnisend", "omnisend_sandbox"],
}
"""A name that goes from here breaks the programs of others: the changelog has to say so."""


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_there_and_on_the_page(module: str) -> None:
    loaded = importlib.import_module(module)
    assert sorted(loaded.__all__) == PUBLIC[module]
    assert [name for name in PUBLIC[module] if not hasattr(loaded, name)] == []
    page = (ROOT / PAGE).read_text()
    assert module in page
    if module == "target_omnisend":
        assert [name for name in PUBLIC[module] if f"`{module}.{name}`" not in page] == []


def test_another_name_is_not_there() -> None:
    with pytest.raises(ImportError, match="nothing"):
        from target_omnisend import nothing  # type: ignore[attr-defined]  # noqa: F401, PLC0415


def test_the_package_alone_does_not_import_the_sdk() -> None:
    look = "import sys, target_omnisend; sys.exit('singer_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of the page."""
    for block in blocks_of(PAGE):
        if name := block.mark("file "):
            (tmp_path / name).write_text(block.text)
    return tmp_path


@pytest.mark.slow
def test_the_pages_tests_pass_for_a_reader(files: Path) -> None:
    (command,) = next(block for block in blocks_of(PAGE) if block.runners).commands
    reader = [sys.executable, "-m", *command.split()]
    ran = subprocess.run(
        [*reader, "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        cwd=files,
        env=_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout


@pytest.mark.slow
def test_the_pages_programs_say_what_they_are_to_say(files: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "settings.py"], cwd=files, check=True, capture_output=True, text=True
    )
    assert "data_privacy_consent" in ran.stdout
    ran = subprocess.run(
        [sys.executable, "export.py"],
        cwd=files,
        env=_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == ExitCode.USAGE, "people.jsonl is missing"


def _environment() -> dict[str, str]:
    """A reader's: the commands of this environment are found, and no settings are."""
    known = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_")}
    return {**known, "PATH": os.pathsep.join([str(Path(sys.executable).parent), known["PATH"]])}
