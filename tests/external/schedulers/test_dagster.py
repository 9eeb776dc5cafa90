"""The example's assets, by `dagster asset materialize`."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from support.brands import Place

DAGSTER = os.environ.get("DAGSTER")
EXAMPLES = ROOT / "examples" / "dagster"

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(DAGSTER is None, reason="no dagster: run the nox session schedulers"),
]


@pytest.fixture
def materialize(place: Place, tmp_path: Path) -> list[str]:
    """The command that materialises every asset; its retries come after a second."""
    shutil.copy(EXAMPLES / "dagster.yaml", tmp_path)
    place.settings.update(DAGSTER_HOME=str(tmp_path), DAGSTER_DISABLE_TELEMETRY="true")
    code = (EXAMPLES / "omnisend_brands.py").read_text()
    assert "delay=300" in code
    file = tmp_path / "omnisend_brands.py"
    file.write_text(code.replace("delay=300", "delay=1"))
    return [str(DAGSTER), "asset", "materialize", "--select", "*", "-f", str(file)]


def test_each_brand_is_an_asset_with_the_counts_of_its_run(
    place: Place, materialize: list[str]
) -> None:
    ran = place.run(*materialize)

    assert ran.returncode == 0, ran.stdout
    assert place.tags() == {
        "ada@example.com": ["gold"],
        "bea@example.com": ["gold"],
        "cy@example.com": ["churned"],
    }
    assert ran.stdout.count("ASSET_MATERIALIZATION") == 2


def test_only_what_a_retry_may_mend_is_tried_again(place: Place, materialize: list[str]) -> None:
    other_run = ExitStack()
    lines = []
    with (
        other_run,
        place.start(*materialize, TARGET_OMNISEND__SOUTH_API_KEY="another") as process,
    ):
        other_run.enter_context(place.ledger_in_use("north"))
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "is in use by another run" in line:
                other_run.close()

    output = "".join(lines)
    assert process.returncode == 1, output
    retried = [line for line in lines if "STEP_UP_FOR_RETRY" in line]
    assert [name for name in ("omnisend_north", "omnisend_south") if name in "".join(retried)] == [
        "omnisend_north"
    ], output
    assert "The target's exit code is 3: settings or credentials." in output
    assert len(place.tags()) == 3
