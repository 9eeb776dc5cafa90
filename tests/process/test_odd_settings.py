"""Settings that are unusual and right: they do what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.command import people, schema, state

if TYPE_CHECKING:
    from fakes.command import Command
    from fakes.sandbox import Sandbox


@pytest.mark.parametrize(
    "settings",
    [
        {"request_timeout": 5.5},
        {"confirm_timeout": 20.5},
        {"quota_share": 0.5, "max_rejected_percent": 12.5},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_number_in_the_config_file_may_have_a_fraction(
    command: Command, sandbox: Sandbox, settings: dict[str, float]
) -> None:
    ran = command(schema(), *people(2), state(at=1), membership="property", **settings)

    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert len(sandbox.store.contacts) == 2
