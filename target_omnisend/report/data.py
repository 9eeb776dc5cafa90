"""The report as data: the same facts that its page shows."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from target_omnisend.api.budget import Endpoint, allowance
from target_omnisend.delivery.model import MAX_ITEMS, MAX_TAG_EMAILS, MAX_TAG_IDS
from target_omnisend.delivery.outcome import THROUGHPUT_SECONDS
from target_omnisend.errors import ExitCode
from target_omnisend.output import files
from target_omnisend.report.advice import what_next
from target_omnisend.report.verdict import MISSING, OUTCOMES, STOPPED

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from target_omnisend.api.lane import Lane
    from target_omnisend.config.settings import Settings
    from target_omnisend.delivery.outcome import Outcome, StreamCounts
    from target_omnisend.output.rejected import Where


def build(  # noqa: PLR0913 - each is a fact of its own
    outcome: Outcome,
    lanes: Mapping[Endpoint, Lane],
    *,
    run_id: str,
    version: str,
    started_at: dt.datetime,
    ended_at: dt.datetime,
    segments: Mapping[str, Mapping[str, t.Any]],
    settings: Settings | None,
    rejects: Where | None = None,
    retired: str | None = None,
    command: str = "export",
    store: str | None = None,
    rejects_table: Path | None = None,
    history: Sequence[Mapping[str, t.Any]] = (),
    loader: str | None = None,
) -> dict[str, t.Any]:
    """The report, ready for JSON: `throughput` and `ceiling` are contacts per 10 s.

    Args:
        outcome: what became of the run.
        lanes: its calls, by endpoint.
        run_id: its name.
        version: of the target.
        started_at: in UTC.
        ended_at: in UTC.
        segments: of Omnisend, that were found or made: name → {"id", "count"}.
        settings: of the run; None when they cannot be used.
        rejects: where rejected records are, if there are any.
        retired: the segment that the work was about, if it was not about streams.
        command: `export`, `retire` or `verify`.
        store: its name, if Omnisend gave it.
        rejects_table: the rejects file as a table, if there is one.
        history: the runs before it, the oldest first, if a ledger remembers them.
        loader: the name by which Meltano started the run.
    """
    total = outcome.total()
    return {
        "run": {
            "id": run_id,
            "started_at": rfc3339(started_at),
            "ended_at": rfc3339(ended_at),
            "seconds": round((ended_at - started_at).total_seconds(), 1),
            "version": version,
            "exit_code": int(outcome.exit_code),
            "command": command,
            "outcome": what_happened(outcome),
            "unconfirmed_batches": outcome.lost_batches,
        },
        "store": store if isinstance(store, str) else None,
        "next": what_next(outcome, rejects, rejects_table, loader),
        "totals": total.reported(),
        "streams": {
            name: {
                **_shown_as(settings, name, retired),
                **counts.reported(),
                "rejections": dict(counts.rejections.most_common()),
                "left_out": _by_column(counts),
            }
            for name, counts in outcome.streams.items()
            if settings
        },
        "segments": segments,
        "verification": {
            name: dataclasses.asdict(found) for name, found in outcome.verifications.items()
        },
        "rejections": dict(total.rejections.most_common()),
        "rejects_file": rejects.place if rejects and total.rejected else None,
        "rejects_table": str(rejects_table) if rejects_table else None,
        "warnings": dict(total.warnings.most_common()),
        "looks": dataclasses.asdict(outcome.looks),
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
        "ceiling": ceiling(outcome, settings.quota_share) if settings else 0,
        "history": list(history),
        "settings": shown(settings) if settings else {},
    }


def write(path: Path, report: Mapping[str, t.Any]) -> None:
    """Write the report as JSON, and its page beside it.

    Raises:
        OSError: when a file cannot be written.
    """
    files.replace(path, json.dumps(report, indent=2) + "\n")
    from target_omnisend.report.page import render  # noqa: PLC0415 - Jinja takes its time

    files.replace(page_path(path), render(report))


def check_writable(path: Path) -> None:
    """Find out whether the report can be written, before anything is sent.

    Raises:
        RunFailed: when it cannot be.
    """
    for file in (path, page_path(path)):
        files.check_file(file, purpose="the report", setting="report_path")


def page_path(path: Path) -> Path:
    """Where the page of a report lies."""
    return path.with_suffix(".html")


def ceiling(outcome: Outcome, quota_share: float) -> int:
    """Contacts per 10 s that the run's share of Omnisend's limits admits, on the average.

    A run in which only some of the streams have tags may pass the limit of the tag calls, so
    that is not a ceiling for it.
    """
    share = quota_share or 1.0  # without a pace of its own a run has Omnisend's limits
    per_minute = allowance(Endpoint.POST_BATCH, share) * MAX_ITEMS
    given = [counts for counts in outcome.streams.values() if counts.accepted]
    if given and all(counts.tagged for counts in given):
        a_call = MAX_TAG_EMAILS + MAX_TAG_IDS
        per_minute = min(per_minute, allowance(Endpoint.ADD_TAGS, share) * a_call)
    return int(per_minute * THROUGHPUT_SECONDS / 60)


def shown(settings: Settings) -> dict[str, t.Any]:
    """The settings, without what opens a door: no key, no user and password of an address."""
    # What must not be shown is not in `repr` either: no secret comes in by a new setting.
    named = (field.name for field in dataclasses.fields(settings) if field.repr)
    values = {name: getattr(settings, name) for name in named}
    if settings.ledger_url is not None:
        # Before its first colon there can be a name or a password, when it is not a URL.
        kind = re.match("(sqlite|postgres(ql)?)[+:]", settings.ledger_url)
        values["ledger_url"] = f"set ({kind[1]})" if kind else "set"
    if settings.notify_url is not None:
        values["notify_url"] = "set"
    return values


def _by_column(counts: StreamCounts) -> dict[str, dict[str, int]]:
    """Values that were left out or altered, by code and column."""
    by_code: dict[str, dict[str, int]] = {}
    for (code, column), number in counts.left_out.most_common():
        by_code.setdefault(code, {})[column] = number
    return by_code


def _shown_as(settings: Settings, stream: str, retired: str | None) -> dict[str, str]:
    own = settings.of_segment(stream) if stream == retired else settings.for_stream(stream)
    return {"segment": own.segment, "membership": own.membership}


def what_happened(outcome: Outcome) -> str:
    """How a run ended, in a few words or in the sentence of its failure."""
    if outcome.stopped_by is not None:
        return STOPPED
    if outcome.failure is not None:
        return outcome.failure.sentence
    code = ExitCode(outcome.exit_code)
    only_missing = code == ExitCode.UNCONFIRMED and not outcome.has_open_ends
    return MISSING if only_missing else OUTCOMES[code]


def rfc3339(moment: dt.datetime) -> str:
    """A moment in UTC, in whole seconds."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
