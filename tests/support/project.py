"""A copy of this project for Meltano to work in, and a local Omnisend as a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from support.checkout import copy_checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MELTANO = os.environ.get("MELTANO") or shutil.which("meltano")


@dataclass(frozen=True)
class Project:
    """A copy of the project with Meltano's plugins installed."""

    folder: Path

    def meltano(self, *args: str, **settings: object) -> str:
        """Run Meltano to its end, with settings of the target; its output."""
        return self.run(str(MELTANO), *args, **settings)

    def run(self, *command: str, **settings: object) -> str:
        """Run a command that has to succeed; its output."""
        done = self.try_(*command, **settings)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def try_(self, *command: str, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with settings of the target."""
        environment = without_settings()
        environment |= {f"TARGET_OMNISEND_{k.upper()}": str(v) for k, v in settings.items()}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@dataclass(frozen=True)
class Sandbox:
    """A local Omnisend."""

    site: str

    def state(self) -> dict[str, Any]:
        """Everything it holds."""
        answer = requests.get(f"{self.site}/_sandbox/state", timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    def contacts(self) -> dict[str, dict[str, Any]]:
        """Every contact by e-mail."""
        return {contact["email"]: contact for contact in self.state()["contacts"]}


def without_settings() -> dict[str, str]:
    """The environment but for a developer's own settings."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("TARGET_", "TAP_"))}


def copy_of_checkout(folder: Path) -> Project:
    """Copy what git knows, or would take, to a new folder."""
    copy_checkout(folder)
    return Project(folder)


@contextmanager
def sandbox_process() -> Iterator[Sandbox]:
    """Run the sandbox's command on a free port."""
    command = [sys.executable, "-m", "omnisend_sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        listening = re.search(r"http://\S+", server.stdout.readline())
        assert listening is not None
        try:
            yield Sandbox(listening[0])
        finally:
            server.terminate()
