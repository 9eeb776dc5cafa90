"""What is published: built as a release would be, and used where nothing else is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.checkout import copy_checkout

if TYPE_CHECKING:
    from pathlib import Path

UV = shutil.which("uv")
TAG = "v7.8.9"
PROGRAM = """\
from target_omnisend.config.settings import Settings
reveal_type(Settings.from_config({}).membership)
"""

pytestmark = [
    pytest.mark.timeout(600),  # installs from the package index
    pytest.mark.skipif(UV is None, reason="no uv: run the nox session package"),
]


@dataclass(frozen=True)
class Built:
    """A wheel and a sdist of the same sources."""

    wheel: Path
    sdist: Path


def _run(*command: str | Path, cwd: Path, fails: bool = False) -> str:
    # Nothing of the checkout may be found in place of what was installed.
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert bool(done.returncode) is fails, done.stdout
    return done.stdout


def _build(source: Path, *options: str | Path) -> Built:
    out = source / "dist"
    shutil.rmtree(out, ignore_errors=True)
    _run(str(UV), "build", *options, cwd=source)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(wheel, sdist)


def _git(*arguments: str, cwd: Path) -> None:
    who = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    _run("git", *who, "-c", "commit.gpgsign=false", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git would give others, with one commit and no tag."""
    folder = tmp_path_factory.mktemp("sources")
    copy_checkout(folder)
    _git("init", "--quiet", cwd=folder)
    _git("add", "--all", cwd=folder)
    _git("commit", "--quiet", "--message", "All", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def built(sources: Path) -> Built:
    """A release: its wheel is made of the sdist."""
    _git("tag", TAG, cwd=sources)
    built = _build(sources)
    _git("tag", "--delete", TAG, cwd=sources)
    return built


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def environment(
    request: pytest.FixtureRequest, built: Built, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An environment with nothing but the package and what it declares."""
    folder = tmp_path_factory.mktemp(request.param)
    kept = shutil.copy2(getattr(built, request.param), folder)
    _run(str(UV), "venv", "--quiet", "env", cwd=folder)
    _run(*(str(UV), "pip", "install", "--quiet", "--python", "env"), f"{kept}[sandbox]", cwd=folder)
    return folder / "env"


def _names(built: Built) -> set[str]:
    with zipfile.ZipFile(built.wheel) as archive:
        return {name for name in archive.namelist() if name.startswith("target_omnisend/")}


def test_the_version_is_that_of_the_tag(built: Built) -> None:
    version = TAG.removeprefix("v")
    assert built.wheel.name == f"target_omnisend-{version}-py3-none-any.whl"
    assert built.sdist.name == f"target_omnisend-{version}.tar.gz"


def test_without_a_tag_and_without_git_it_can_be_built_too(sources: Path, tmp_path: Path) -> None:
    untagged = tmp_path / "untagged"
    shutil.copytree(sources, untagged)
    assert ".dev" in _build(untagged).wheel.name
    shutil.rmtree(untagged / ".git")
    assert _build(untagged).wheel.name.startswith("target_omnisend-0.0.0-")


def test_the_sdist_lacks_nothing_of_the_package(
    built: Built, sources: Path, tmp_path: Path
) -> None:
    package = sources / "target_omnisend"
    tracked = {
        str(path.relative_to(sources))
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert _names(built) == tracked
    assert "target_omnisend/py.typed" in tracked
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert _build(unpacked).wheel.name == built.wheel.name, "made again from the sdist"


def test_the_page_on_the_package_index_has_no_link_that_leads_nowhere(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        page = archive.read(name).decode()
    targets = re.findall(r"\]\(([^)]+)\)", page)
    assert "https://github.com/target-omnisend/target-omnisend/blob/main/LICENSE" in targets
    assert [one for one in targets if not one.startswith(("https://", "#"))] == []


def test_the_command_runs_where_nothing_else_is_installed(environment: Path) -> None:
    run = environment / "bin" / "target-omnisend"
    folder = environment.parent
    assert TAG.removeprefix("v") in _run(run, "--version", cwd=folder)
    about = json.loads(_run(run, "--about", "--format=json", cwd=folder))
    assert about["name"] == "target-omnisend"
    assert "data_privacy_consent" in about["settings"]["properties"]
    assert "--port" in _run(environment / "bin" / "target-omnisend-sandbox", "--help", cwd=folder)


def test_a_users_program_sees_the_types(environment: Path) -> None:
    folder = environment.parent
    (folder / "program.py").write_text(PROGRAM)
    command = ("python", "-m", "mypy", "--python-executable", environment / "bin" / "python")
    assert 'Revealed type is "str"' in _run(*command, "program.py", cwd=folder).replace(
        "builtins.", ""
    )
    (environment.parent / "program.py").write_text("from target_omnisend import nothing\n")
    assert "[attr-defined]" in _run(*command, "program.py", cwd=folder, fails=True)
