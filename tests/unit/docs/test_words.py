"""The project's prose has plain words; each line of the log has an event."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("script", ["check_words.py", "messages.py"])
def test_a_check_of_the_words_finds_nothing(script: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / script)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_an_avoided_word_is_found(tmp_path: Path) -> None:
    """In a docstring, a comment, a string and a page; not in code or between backquotes."""
    for folder in ("scripts", "docs", "sample"):
        (tmp_path / folder).mkdir()
    script = tmp_path / "scripts" / "check_words.py"
    script.write_text((ROOT / "scripts" / "check_words.py").read_text())
    package = tmp_path / "omnisend_sandbox"
    package.mkdir()
    text = '"""Nobody waits."""\n\nwhom = "refused"  # mend it, since it broke\n'
    (package / "some.py").write_text(text)
    page = "# A page\n\nShe was told; `told` is code.\n\n```sh\ntell\n```\n"
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        (tmp_path / name).write_text(page if name == "README.md" else "")

    command = [sys.executable, str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    found = [line.rpartition(": write")[0] for line in ran.stdout.splitlines()]
    assert sorted(found) == [
        "README.md:3: 'told'",
        "omnisend_sandbox/some.py:1: 'Nobody'",
        "omnisend_sandbox/some.py:3: 'mend'",
        "omnisend_sandbox/some.py:3: 'refused'",
        "omnisend_sandbox/some.py:3: 'since'",
    ]
    assert ran.returncode == 1
