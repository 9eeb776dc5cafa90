"""A Meltano project with two brands, as docs/scheduling.md sets it up."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fakes.project import Project, Sandbox, without_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
