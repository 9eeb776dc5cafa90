"""Reports of every kind of end, made by the code that makes them for users."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Tally
from target_omnisend.api.lane import Lane
from target_omnisend.config.schema import CONFIG_JSONSCHEMA
from target_omnisend.config.settings import Settings
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.rejected import in_file
from target_omnisend.report.data import build

STARTED = dt.datetime(2026, 11, 22, 3, 4, 5, tzinfo=dt.UTC)
REJECTS = Path("rejects/20261122T030405Z-1.jsonl")


def settings(**given: Any) -> Settings:
    """The defaults, but for those given."""
    known = CONFIG_JSONSCHEMA["properties"].items()
    config = {name: one["default"] for name, one in known if "default" in one}
    config |= {"api_key": "SECRET", "data_privacy_consent": True, "mapping": {"email": "mail"}}
    return Settings.from_config(config | given)


def report(
    outcome: Outcome,
    *,
    seconds: float = 5,
    rejects: Path | None = REJECTS,
    store: str | None = None,
    retired: str | None = None,
    **given: Any,
) -> dict[str, Any]:
    """The report, as it is read from its file again."""
    lane = Lane(Endpoint.POST_BATCH, 0.9)
    lane.tallies[None] = Tally(sent=12, throttled=1, retried=2, seconds_waited=61.2)
    built = build(
        outcome,
        {Endpoint.POST_BATCH: lane},
        run_id="2a9cb1ba",
        version="0.4.0",
        started_at=STARTED,
        ended_at=STARTED + dt.timedelta(seconds=seconds),
        segments={"VIP": {"id": "65f1c0ffee", "count": 7}, "New": {"id": "1", "count": None}},
        settings=settings(**given),
        rejects=in_file(rejects) if rejects else None,
        rejects_table=rejects and rejects.with_suffix(".csv"),
        retired=retired,
        command="retire" if retired else "export",
        store=store,
    )
    read: dict[str, Any] = json.loads(json.dumps(built))
    return read


def outcome_of(*streams: str, accepted: int = 900, **counts: Any) -> Outcome:
    """An outcome in which each of the streams went the same way."""
    outcome = Outcome(10)
    for name in streams:
        one = outcome.stream(name)
        one.accepted = one.tagged = accepted
        one.rejections, one.warnings = counts.get("rejections", Counter()), Counter()
        one.warnings = counts.get("warnings", Counter())
        one.rejected = one.rejections.total()
        one.received = accepted + one.rejected + counts.get("unconfirmed", 0)
    outcome.throughput = [accepted * len(streams) // 4] * 4 if accepted else []
    return outcome


def clean() -> dict[str, Any]:
    """Everybody arrived."""
    return report(outcome_of("vip"), seconds=38)


def refusals() -> dict[str, Any]:
    """Some did not, and some lost a value."""
    codes = Counter(email_invalid=6, email_missing=4, omnisend_refused=1)
    outcome = outcome_of("vip", "gold", rejections=codes, warnings=Counter(phone_invalid=3))
    return report(outcome, seconds=38, streams={"gold": {"segment": "Gold members"}})


def failed() -> dict[str, Any]:
    """The key was wrong."""
    outcome = Outcome()
    outcome.failure = RunFailed(ExitCode.SETTINGS, "Omnisend does not accept the API key; mend it.")
    return report(outcome)


def stopped() -> dict[str, Any]:
    """A signal came."""
    outcome = outcome_of("vip", unconfirmed=70)
    outcome.stopped_by = 15
    return report(outcome, seconds=45)


def unconfirmed() -> dict[str, Any]:
    """Batches did not end."""
    outcome = outcome_of("vip", unconfirmed=70)
    outcome.lost_batches = [f"{number:024x}" for number in range(30)]
    return report(outcome, seconds=3 * 3600)


def nights() -> dict[str, Any]:
    """The last of 30 runs, which all rejected some; two of them failed."""
    codes = Counter(email_invalid=9)
    made = report(outcome_of("vip", rejections=codes), store="Rose & Thorn", seconds=38)
    made["history"] = [
        {
            "id": f"{night:08x}",
            "started_at": f"2026-10-{night + 1:02}T03:04:05Z",
            "command": "export",
            "exit_code": {7: 143, 20: 3}.get(night, 0),
            "received": 0 if night == 20 else 905 + night,
            "accepted": 0 if night == 20 else night,
            "unchanged": 0 if night == 20 else 896,
            "rejected": 0 if night == 20 else 9,
            "removed": 0,
            "rejections": {} if night == 20 else dict(codes),
        }
        for night in range(29)
    ]
    return made


def retired() -> dict[str, Any]:
    """Memberships were taken back."""
    outcome = Outcome()
    outcome.stream("VIP").removed = 1200
    return report(outcome, retired="VIP")


def empty() -> dict[str, Any]:
    """Nobody came in."""
    return report(Outcome())


def long_name() -> dict[str, Any]:
    """One stream with a name that has no space to break at."""
    return report(outcome_of("x" * 200, accepted=12_345_678), seconds=9999)


def thirty_streams() -> dict[str, Any]:
    """Many streams, each with settings of its own."""
    names = [f"segment_{number}" for number in range(30)]
    own = {name: {"segment": f"Segment of {name}"} for name in names}
    codes = Counter(email_invalid=6)
    outcome = outcome_of(*names, rejections=codes, warnings=codes, unconfirmed=3)
    return report(outcome, seconds=100, rejects=Path("deep/" * 40, "1.jsonl"), streams=own)


REPORTS = (
    clean,
    refusals,
    failed,
    stopped,
    unconfirmed,
    nights,
    retired,
    empty,
    long_name,
    thirty_streams,
)
