"""The report as data: the same facts that its page shows."""

from __future__ import annotations

import json
import typing as t

from target_omnisend.outcome import ExitCode

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    from target_omnisend.api.budget import Endpoint
    from target_omnisend.delivery.schedule import Lane
    from target_omnisend.outcome import Outcome

_OUTCOMES: t.Final = {
    ExitCode.DONE: "done",
    ExitCode.REJECTED: "too many records were refused",
    ExitCode.UNCONFIRMED: "some records are unconfirmed",
}


def build(
    outcome: Outcome,
    lanes: Mapping[Endpoint, Lane],
    *,
    run_id: str,
    version: str,
    started_at: dt.datetime,
    ended_at: dt.datetime,
    segments: Mapping[str, Mapping[str, t.Any]],
) -> dict[str, t.Any]:
    """The report, ready for JSON: `requests` by endpoint, `throughput` in contacts per 10 s."""
    total = outcome.total()
    return {
        "run": {
            "id": run_id,
            "started_at": _rfc3339(started_at),
            "ended_at": _rfc3339(ended_at),
            "seconds": round((ended_at - started_at).total_seconds(), 1),
            "version": version,
            "exit_code": int(outcome.exit_code),
            "outcome": _what_happened(outcome),
            "unconfirmed_batches": outcome.lost_batches,
        },
        "totals": total.numbers(),
        "streams": {name: counts.numbers() for name, counts in outcome.streams.items()},
        "segments": segments,
        "rejections": dict(total.rejections),
        "warnings": dict(total.warnings),
        "requests": {
            endpoint.label: {
                "sent": lane.tally.sent,
                "throttled": lane.tally.throttled,
                "retried": lane.tally.retried,
                "seconds_waited": round(lane.tally.seconds_waited, 1),
            }
            for endpoint, lane in lanes.items()
            if lane.tally.sent
        },
        "throughput": outcome.throughput,
    }


def write(path: Path, report: Mapping[str, t.Any]) -> None:
    """Write the report as JSON.

    Raises:
        OSError: when the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _what_happened(outcome: Outcome) -> str:
    if outcome.stopped_by is not None:
        return "stopped"
    if outcome.failure is not None:
        return outcome.failure.sentence
    return _OUTCOMES[ExitCode(outcome.exit_code)]


def _rfc3339(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
