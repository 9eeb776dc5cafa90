"""The page for contributors names files and names that are there."""

from __future__ import annotations

import re
from functools import cache

import pytest
from support.checkout import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
PLACES = [
    span for span in SPANS if re.fullmatch(r"[\w./]+\.(py|md|yml|toml|sh|txt)|[\w./]+/", span)
]
NAMES = [
    span for span in SPANS if re.fullmatch(r"_?[A-Z_]{4,}|[A-Z]\w+(\.\w+)?|_?[a-z]+_\w+", span)
]
FOLDERS = ("target_omnisend", "omnisend_sandbox", "tests", "scripts", "docs", ".ci", ".github")


@cache
def _code() -> str:
    files = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@pytest.mark.parametrize("place", PLACES)
def test_a_file_that_it_names_is_there(place: str) -> None:
    assert (ROOT / place).exists() or (ROOT / "target_omnisend" / place).exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_it_names_is_in_the_code(name: str) -> None:
    assert re.search(rf"\b{name.rpartition('.')[2]}\b", _code())


def test_the_page_names_enough_to_be_tested() -> None:
    assert len(PLACES) > 20
    assert len(NAMES) > 15
