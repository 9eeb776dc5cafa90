"""A Meltano project with two brands, as docs/scheduling.md sets it up."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.project import (
    MELTANO,
    Project,
    Sandbox,
    copy_of_checkout,
    sandbox_process,
    without_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sandbox-key"
TAP = """\
include_paths: [examples/brands.meltano.yml]

plugins:
  extractors:
  - name: tap-warehouse
    namespace: tap_warehouse
    pip_url: tap-spreadsheets~=1.1
    executable: tap-spreadsheets
    capabilities: [catalog, discover, state]
    config:
      files:
      - {path: segments/gold.csv, format: csv, table_name: gold, primary_keys: [email]}
      - {path: segments/churned.csv, format: csv, table_name: churned, primary_keys: [email]}
    settings:
    - name: files
      kind: array
"""


@dataclass(frozen=True)
class Place:
    """The project, and the environment in which a scheduler finds it."""

    project: Project
    sandbox: Sandbox
    settings: dict[str, str]

    @property
    def folder(self) -> Path:
        return self.project.folder

    def members(self, segment: str, *emails: str) -> None:
        """Write a segment's file."""
        lines = ["email,first_name", *(f"{email},Ada" for email in emails)]
        (self.folder / "segments" / f"{segment}.csv").write_text("\n".join(lines) + "\n")

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a scheduler's command to its end; what it prints, on stdout."""
        with self.start(*command, **variables) as process:
            output, _ = process.communicate()
        assert KEY not in output, "the API key is nowhere at all"
        return subprocess.CompletedProcess(command, process.returncode, output)

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a scheduler's command."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**without_settings(), **self.settings, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def tags(self) -> dict[str, list[str]]:
        """Every contact's tags, by e-mail."""
        return {email: contact["tags"] for email, contact in self.sandbox.contacts().items()}

    @contextmanager
    def ledger_in_use(self, brand: str) -> Iterator[None]:
        """Hold a brand's ledger as another run of the target would."""
        path = self.folder / "output" / brand / "ledger.db"
        path.parent.mkdir(parents=True)
        other = sqlite3.connect(path, isolation_level=None)
        try:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            yield
        finally:
            other.close()


@contextmanager
def project_with_brands() -> Iterator[Project]:
    """A copy of this project, with a tap and two brands; nothing has run yet."""
    # Not pytest's folder: the examples' commands have their own, /srv/segments, in no quotes.
    with tempfile.TemporaryDirectory(prefix="schedulers-") as folder:
        copy = copy_of_checkout(Path(folder) / "segments")
        file = copy.folder / "meltano.yml"
        file.write_text(file.read_text().replace("plugins:\n  extractors:\n", TAP, 1))
        (copy.folder / "segments").mkdir()
        copy.meltano("install", "extractor", "tap-warehouse")
        copy.meltano("install", "loader", "target-omnisend")
        system = copy.folder / ".meltano"
        shutil.copy(system / "meltano.db", system / "empty.db")
        yield copy


@contextmanager
def new_place(project: Project) -> Iterator[Place]:
    """The project as if nothing had run yet, and a new Omnisend."""
    shutil.rmtree(project.folder / "output", ignore_errors=True)
    # Not just away with it: two of Meltano that make it at the same time get into each other's way.
    system = project.folder / ".meltano"
    shutil.copy(system / "empty.db", system / "meltano.db")
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
