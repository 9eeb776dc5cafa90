"""A fixture for tests of pipelines: `pytest_plugins = ["omnisend_sandbox.pytest"]`.

It needs the extra `sandbox`, and pytest. It loads itself into no run that does not ask for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .local import LocalOmnisend, running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LocalOmnisend", "omnisend_sandbox"]


@pytest.fixture
def omnisend_sandbox() -> Iterator[LocalOmnisend]:
    """An empty local Omnisend for one test."""
    with running() as local:
        yield local
