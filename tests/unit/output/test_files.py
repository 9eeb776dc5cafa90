"""Files that are replaced whole, in folders that others may write to."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from target_omnisend.output.files import replace

if TYPE_CHECKING:
    from pathlib import Path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_draft_follows_no_link_that_waits_for_it(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    link = tmp_path / f".target-omnisend-{os.getpid()}.tmp"
    link.symlink_to(precious)
    replace(tmp_path / "report.json", "{}")
    assert precious.read_text() == "mine"
    assert (tmp_path / "report.json").read_text() == "{}"


def test_the_draft_of_a_killed_run_is_in_nobodys_way(tmp_path: Path) -> None:
    for pid in range(os.getpid(), os.getpid() + 3):
        (tmp_path / f".target-omnisend-{pid}.tmp").write_text("half a rep")
    replace(tmp_path / "report.json", "{}")
    assert (tmp_path / "report.json").read_text() == "{}"


def test_only_the_owner_may_read_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def look(descriptor: int, _: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))

    monkeypatch.setattr(os, "fchmod", look)
    before = os.umask(0)
    try:
        replace(tmp_path / "report.json", "{}")
    finally:
        os.umask(before)
    assert seen == [0o600]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_file_has_the_mode_that_the_system_gives(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        replace(tmp_path / "report.json", "{}")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert _mode(tmp_path / "report.json") == 0o666 & ~umask


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o640)
    replace(path, "new")
    assert (path.read_text(), _mode(path)) == ("new", 0o640)


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "report.json").symlink_to(precious)
    replace(tmp_path / "report.json", "{}")
    assert (precious.read_text(), (tmp_path / "report.json").is_symlink()) == ("mine", False)


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError, match=r"report\.json"):
        replace(tmp_path / "report.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
