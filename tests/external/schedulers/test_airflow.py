"""The example's DAG, by `airflow dags test`."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.brands import KEY
from support.checkout import ROOT

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from support.brands import Place

AIRFLOW = os.environ.get("AIRFLOW")
DOCS = ROOT / "docs" / "scheduling.md"
TEST = ("dags", "test", "omnisend_segments")

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(AIRFLOW is None, reason="no airflow: run the nox session schedulers"),
]


@dataclass(frozen=True)
class Airflow:
    """An Airflow with the connections, pools and variable that the DAG needs."""

    place: Place
    home: Path
    settings: dict[str, str]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command of Airflow's."""
        return self.place.start(str(AIRFLOW), *arguments, **{**self.settings, **variables})

    def run(self, *arguments: str) -> str:
        """Run a command of Airflow's to its end; what it prints."""
        return self.place.run(str(AIRFLOW), *arguments, **self.settings).stdout

    def tasks(self) -> dict[tuple[str, str], tuple[str, int, str]]:
        """What became of the exports: state, tries and pool, by task and segment."""
        with sqlite3.connect(self.home / "airflow.db") as database:
            rows = database.execute(
                "SELECT task_id, rendered_map_index, state, try_number, pool "
                "FROM task_instance WHERE task_id LIKE 'export%'"
            ).fetchall()
        return {(task, segment): (state, tries, pool) for task, segment, state, tries, pool in rows}


@pytest.fixture
def airflow(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> Airflow:
    keys = {"south": KEY, **getattr(request, "param", {})}
    settings = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(place.folder / "examples" / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
    }
    for brand, key in keys.items():
        connection = {"conn_type": "http", "password": key}
        settings[f"AIRFLOW_CONN_OMNISEND_{brand.upper()}"] = json.dumps(connection)
    place.settings.pop("TARGET_OMNISEND__NORTH_API_KEY")  # Airflow's connections have them
    place.settings.pop("TARGET_OMNISEND__SOUTH_API_KEY")
    made = Airflow(place, tmp_path, settings)
    made.run("db", "migrate")
    for line in re.findall(r"^airflow .*$", DOCS.read_text(), re.MULTILINE):
        made.run(*shlex.split(line.replace("$OMNISEND_API_KEY", KEY))[1:])
    return made


def test_each_segment_of_each_brand_is_a_task_in_its_brands_pool(airflow: Airflow) -> None:
    output = airflow.run(*TEST)

    assert airflow.tasks() == {
        ("export_north", "gold"): ("success", 1, "omnisend_north"),
        ("export_north", "churned"): ("success", 1, "omnisend_north"),
        ("export_south", "gold"): ("success", 1, "omnisend_south"),
    }, output
    assert airflow.place.tags() == {
        "ada@example.com": ["gold"],
        "bea@example.com": ["gold"],
        "cy@example.com": ["churned"],
    }


@pytest.mark.parametrize("airflow", [{"south": "another"}], indirect=True)
def test_only_what_a_retry_may_mend_is_tried_again(airflow: Airflow) -> None:
    segments = '{"north": ["gold"], "south": ["gold"]}'
    other_run = ExitStack()
    lines = []
    with (
        other_run,
        airflow.start(*TEST, AIRFLOW_VAR_OMNISEND_SEGMENTS=segments) as process,
    ):
        other_run.enter_context(airflow.place.ledger_in_use("north"))
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "is in use by another run" in line:
                other_run.close()

    output = "".join(lines)
    assert airflow.tasks() == {
        ("export_north", "gold"): ("success", 2, "omnisend_north"),
        ("export_south", "gold"): ("failed", 1, "omnisend_south"),
    }, output
    assert "The target's exit code is 3: settings or credentials." in output
    assert set(airflow.place.tags()) == {"ada@example.com", "bea@example.com"}
