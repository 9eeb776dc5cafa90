"""The history that runs with a ledger keep of themselves there."""

from __future__ import annotations

import logging
import typing as t

from target_omnisend.errors import RunFailed
from target_omnisend.events import event
from target_omnisend.report.data import rfc3339, what_happened

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_omnisend.commands.session import Session
    from target_omnisend.ledger import Ledger, RunRow

logger = logging.getLogger("target-omnisend")

SHOWN: t.Final = 30
"""So many runs are on the page, this one among them."""


def keep(session: Session, ledger: Ledger) -> None:
    """Write this run to the history, and remember for the report the runs before it.

    A ledger that fails here changes nothing but the history.
    """
    if session.parts.dry:
        return
    try:
        earlier = ledger.runs.last(SHOWN - 1, _segments(session))
        session.earlier_runs = [_shown(run) for run in earlier]
        ledger.runs.add(_row(session))
        session.history_kept = True
    except RunFailed as failure:
        logger.warning(
            "The history does not get this run. %s",
            failure.sentence,
            extra=event("history_not_kept"),
        )


def keep_anew(session: Session) -> None:
    """The same for a run whose failure kept it from its ledger's history so far.

    If Omnisend has not named the store, the run stands in the history of each store. A ledger that
    could not be opened is left alone, and so is that of a run that was stopped: opening it can take
    long.
    """
    url = session.settings.ledger_url
    unusable = session.store and session.ledger is None
    stopped = session.outcome.stopped_by is not None
    if url is None or session.history_kept or unusable or session.parts.dry or stopped:
        return
    from target_omnisend.ledger import is_there  # noqa: PLC0415 - a tenth of a second

    try:
        if not is_there(url):
            return
        ledger = session.parts.ledger(url, brand=session.store, utc_now=session.utc_now)
    except RunFailed:  # the run has a failure to name already
        return
    try:
        keep(session, ledger)
    finally:
        ledger.close()


def _segments(session: Session) -> set[str]:
    """The segments of the run: of its streams, or without any those that the settings name."""
    if streams := session.outcome.streams:
        return {session.segment_of(name) for name in streams}
    if session.retired is not None:
        return {session.retired}
    settings = session.settings
    named = {settings.for_stream(name).segment for name in settings.streams}
    return named | ({settings.segment} if settings.segment else set())


def _row(session: Session) -> RunRow:
    from target_omnisend.ledger import RunRow, StreamRow  # noqa: PLC0415 - as above

    outcome, total, segments = session.outcome, session.outcome.total(), _segments(session)
    return RunRow(
        id=session.id,
        started_at=rfc3339(session.started_at),
        command=session.command,
        version=session.version,
        seconds=round((session.utc_now() - session.started_at).total_seconds(), 1),
        exit_code=int(outcome.exit_code),
        outcome=what_happened(outcome),
        segment=next(iter(segments)) if len(segments) == 1 else None,
        counts=total.reported(),
        rejections=total.rejections,
        streams={
            name: StreamRow(session.segment_of(name), counts.reported(), counts.rejections)
            for name, counts in outcome.streams.items()
        },
    )


def _shown(run: RunRow) -> Mapping[str, t.Any]:
    """What the report has of an earlier run."""
    return {
        "id": run.id,
        "started_at": run.started_at,
        "command": run.command,
        "exit_code": run.exit_code,
        **{name: run.counts[name] for name in ("received", "accepted", "unchanged", "rejected")},
        "removed": run.counts["removed"],
        "rejections": run.rejections,
    }
