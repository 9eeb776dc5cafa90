"""Every segment of every brand to Omnisend, each as a task of its own, one at a time per brand.

For a brand `north` it needs, in Airflow, a pool `omnisend_north` with one slot and a connection
`omnisend_north` whose password is the API key; and in the Meltano project an extractor
`tap-warehouse--north` and a loader `target-omnisend--north`. The variable `omnisend_segments` names
the segments: {"north": ["gold", "churned"], "south": ["gold"]}.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import BaseOperator, Connection, Context, Variable, dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

PROJECT = Path(os.environ.get("MELTANO_PROJECT_ROOT", "/srv/segments"))
BRANDS = ["north", "south"]
FUTILE = {3: "settings or credentials", 4: "too many rejected", 6: "too many would be removed"}
"""Exit codes after which a retry would only fail again: somebody has to look first."""


class ExportSegment(BaseOperator):
    """Run Meltano for one segment of one brand."""

    template_fields = ("segment",)

    def __init__(self, *, brand: str, segment: str, **options: Any) -> None:
        """Take the brand, as in the loader's name, and the segment, which is the tap's stream."""
        super().__init__(**options)
        self.brand = brand
        self.segment = segment
        self.hook = SubprocessHook()

    def execute(self, context: Context) -> None:
        """Export the segment; fail for good where a retry is futile."""
        report = PROJECT / "output" / self.brand / f"{self.segment}.json"
        report.unlink(missing_ok=True)  # what is there afterwards is of this run
        tap, target = f"tap-warehouse--{self.brand}", f"target-omnisend--{self.brand}"
        settings = {
            setting(target, "api_key"): Connection.get(f"omnisend_{self.brand}").password,
            setting(target, "report_path"): str(report),
            setting(tap, "_select_filter"): json.dumps([self.segment]),
        }
        command = ["meltano", "run", f"--state-id-suffix={self.segment}", tap, target]
        done = self.hook.run_command(command, env=os.environ | settings, cwd=str(PROJECT))
        if done.exit_code:
            # Meltano's exit code is 1 whatever failed; the target's own is in its report.
            code = json.loads(report.read_text())["run"]["exit_code"] if report.exists() else None
            if code in FUTILE:
                raise AirflowFailException(f"The target's exit code is {code}: {FUTILE[code]}.")
            raise AirflowException(f"Meltano failed; the target's exit code is {code}.")

    def on_kill(self) -> None:
        """Stop Meltano and what it started; what was not confirmed is sent again next time."""
        self.hook.send_sigterm()


def setting(plugin: str, name: str) -> str:
    """Name the variable in which Meltano looks for a plugin's setting."""
    return f"{plugin}_{name}".replace("-", "_").upper()


@task
def segments(brand: str) -> list[str]:
    """Name the brand's segments."""
    return Variable.get("omnisend_segments", deserialize_json=True)[brand]


@dag(
    schedule="15 5 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"),
    catchup=False,  # each run sends what is true now; older days have nothing to add
    max_active_runs=1,
    default_args={"retries": 3},  # safe: a repeat changes nothing
)
def omnisend_segments() -> None:
    """Map each brand's segments to tasks; the pool lets one of them run at a time."""
    for brand in BRANDS:
        ExportSegment.partial(
            task_id=f"export_{brand}",
            map_index_template="{{ task.segment }}",
            pool=f"omnisend_{brand}",
            brand=brand,
        ).expand(segment=segments.override(task_id=f"segments_{brand}")(brand))


omnisend_segments()
