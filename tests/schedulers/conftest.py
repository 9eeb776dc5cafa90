"""A Meltano project with two brands, and a local Omnisend."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.brands import KEY, TAP, Place
from fakes.project import MELTANO, Project, copy_of_checkout, sandbox_process

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def project() -> Iterator[Project]:
    assert MELTANO is not None
    # Not pytest's folder: the examples' commands have their own, /srv/segments, in no quotes.
    with tempfile.TemporaryDirectory(prefix="schedulers-") as folder:
        copy = copy_of_checkout(Path(folder) / "segments")
        file = copy.folder / "meltano.yml"
        file.write_text(file.read_text().replace("plugins:\n  extractors:\n", TAP, 1))
        (copy.folder / "segments").mkdir()
        copy.meltano("install", "extractor", "tap-warehouse")
        copy.meltano("install", "loader", "target-omnisend")
        yield copy


@pytest.fixture
def place(project: Project) -> Iterator[Place]:
    """Nothing has run yet."""
    shutil.rmtree(project.folder / "output", ignore_errors=True)
    (project.folder / ".meltano" / "meltano.db").unlink(missing_ok=True)
    with sandbox_process() as sandbox:
        settings = {
            "TARGET_OMNISEND_API_URL": f"{sandbox.site}/api",
            "TARGET_OMNISEND_DATA_PRIVACY_CONSENT": "true",
            "TARGET_OMNISEND_MAPPING": '{"email": "email", "first_name": "first_name"}',
            "TARGET_OMNISEND__NORTH_API_KEY": KEY,
            "TARGET_OMNISEND__SOUTH_API_KEY": KEY,
            "MELTANO_PROJECT_ROOT": str(project.folder),
            "PATH": f"{Path(str(MELTANO)).parent}:{os.environ['PATH']}",
        }
        made = Place(project, sandbox, settings)
        made.members("gold", "ada@example.com", "bea@example.com")
        made.members("churned", "cy@example.com")
        yield made
