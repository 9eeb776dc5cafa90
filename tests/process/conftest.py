"""One sandbox and one folder a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.command import Command
from fakes.sandbox import Sandbox, running_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A local Omnisend; options of `Store` by indirect parametrisation."""
    with running_sandbox(**getattr(request, "param", {})) as running:
        yield running


@pytest.fixture
def command(tmp_path: Path, sandbox: Sandbox) -> Command:
    """The command, set up for the sandbox."""
    return Command(tmp_path, sandbox.api_url)
