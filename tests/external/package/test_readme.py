"""Those commands of README and tutorial that install something, as a newcomer gives them."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.checkout import copy_checkout
from support.docs import USUAL_PORT, Reader, blocks_of

if TYPE_CHECKING:
    from pathlib import Path

ME = "tests/external/package/test_readme.py"
MELTANO = os.environ.get("MELTANO") or shutil.which("meltano")

pytestmark = [
    pytest.mark.timeout(900),  # installs from the package index
    pytest.mark.skipif(MELTANO is None, reason="no meltano: run the nox session package"),
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "a clone"
    copy_checkout(folder)
    return folder


def test_the_installation(clone: Path) -> None:
    pages = ("README.md", "docs/first-segment.md", "docs/from-an-export.md")
    blocks = [block for page in pages for block in blocks_of(page) if "-m venv" in block.text]
    (install,) = {block.text for block in blocks}
    assert len(blocks) == len(pages)
    subprocess.run(["/bin/bash", "-euc", install], cwd=clone, check=True)
    for command in ("target-omnisend", "target-omnisend-sandbox"):
        subprocess.run([clone / "venv" / "bin" / command, "--help"], cwd=clone, check=True)


def test_the_commands_with_meltano(clone: Path) -> None:
    (clone / "stand-ins").mkdir()
    (clone / "stand-ins" / "meltano").symlink_to(str(MELTANO))
    subprocess.run([str(MELTANO), "install", "extractor", "tap-jsonl"], cwd=clone, check=True)
    reader = Reader(
        clone,
        runner=ME,
        stand_ins={"YOUR-KEY": "sandbox-key", "tap-yours": "tap-jsonl"},
        variables={"TARGET_OMNISEND_API_URL": f"http://127.0.0.1:{USUAL_PORT}/api"},
    )
    contact = blocks_of("docs/questions/consent.md")
    one = next(block for block in contact if block.mark("file ") == "one.jsonl")
    reader.save("members.jsonl", one.text)
    blocks = [*blocks_of("README.md"), *contact, *blocks_of("docs/segments.md")]
    reader.read([block for block in blocks if "-m venv" not in block.text])
