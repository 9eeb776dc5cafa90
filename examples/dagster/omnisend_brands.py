"""Every brand's segments to Omnisend: an asset per brand, one run at a time for each.

For a brand `north` it needs, in the Meltano project, an extractor `tap-warehouse--north` and a
loader `target-omnisend--north` whose report goes to `output/north/report.json`; and in the
environment the API key, as `TARGET_OMNISEND__NORTH_API_KEY`.
"""

import json
import os
from pathlib import Path

import dagster as dg

PROJECT = Path(os.environ.get("MELTANO_PROJECT_ROOT", "/srv/segments"))
BRANDS = ["north", "south"]
FUTILE = {3: "settings or credentials", 4: "too many rejected", 6: "too many would be removed"}
"""Exit codes after which a retry would only fail again: somebody has to look first."""


def export_of(brand: str) -> dg.AssetsDefinition:
    """Make the asset of a brand."""

    @dg.asset(
        name=f"omnisend_{brand}",
        group_name="omnisend",
        pool=f"omnisend_{brand}",  # Omnisend's limits are per brand; give the pool one slot
        retry_policy=dg.RetryPolicy(max_retries=3, delay=300),  # safe: a repeat changes nothing
    )
    def export(
        context: dg.AssetExecutionContext, pipes: dg.PipesSubprocessClient
    ) -> dg.MaterializeResult:
        """The brand's segments, as Omnisend has them."""
        report = PROJECT / "output" / brand / "report.json"
        report.unlink(missing_ok=True)  # what is there afterwards is of this run
        command = ["meltano", "run", f"tap-warehouse--{brand}", f"target-omnisend--{brand}"]
        try:
            pipes.run(context=context, command=command, cwd=str(PROJECT))
        except Exception as error:  # Dagster has no public name for it
            # Meltano's exit code is 1 whatever failed; the target's own is in its report.
            code = json.loads(report.read_text())["run"]["exit_code"] if report.exists() else None
            raise dg.Failure(
                f"The target's exit code is {code}: {FUTILE.get(code, 'see the log')}.",
                allow_retries=code not in FUTILE,
            ) from error
        return dg.MaterializeResult(metadata=json.loads(report.read_text())["totals"])

    return export


brands = [export_of(brand) for brand in BRANDS]
daily = dg.ScheduleDefinition(
    name="omnisend_daily",
    target=brands,
    cron_schedule="15 5 * * *",
    execution_timezone="Europe/Berlin",
)
defs = dg.Definitions(
    assets=brands,
    schedules=[daily],
    # A run that is stopped has 20 s to settle what is under way, and Meltano its own end.
    resources={"pipes": dg.PipesSubprocessClient(termination_timeout_seconds=30)},
)
