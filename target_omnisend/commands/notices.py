"""What the end of a run makes besides its report: the table of rejects, and the notice."""

from __future__ import annotations

import logging
import typing as t
from pathlib import Path

from target_omnisend import waits
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.output.rejected import Where

logger = logging.getLogger("target-omnisend")


def table_of(rejects: Where | None) -> Path | None:
    """The table beside a rejects file; None if this machine has no such file.

    A table that cannot be made changes nothing: the rejects file holds all of it.
    """
    if rejects is None or not (file := Path(rejects.place)).is_file():
        return None
    from target_omnisend.report.rejects_table import make_table  # noqa: PLC0415 - few runs need it

    try:
        return make_table(file)
    except Exception as error:  # noqa: BLE001 - as the report
        reason = getattr(error, "strerror", None) or type(error).__name__
        logger.warning(
            "The rejects file gets no table beside it (%s). Make room there, or do without.",
            reason,
            extra=event("rejects_table_not_written"),
        )
        return None


def notify(
    url: str | None,
    outcome: Outcome,
    report: Mapping[str, t.Any] | None,
    sentence: str,
    *,
    always: bool = False,
) -> None:
    """Send to a URL how a run ended: one that failed, or each.

    It takes 10 s at the most, and whatever comes of it the run stays as it is.

    Args:
        url: where the notice goes, if anywhere.
        outcome: of the run.
        report: of the run, if there is one.
        sentence: the last line of the log.
        always: a run that ends with exit code 0 sends it too.
    """
    if url is None or report is None or not (always or outcome.exit_code):
        return
    from target_omnisend.report.notify import notice, post  # noqa: PLC0415 - few runs need it

    stopped = outcome.stopped_by is not None
    seconds = waits.seconds(waits.NOTIFY_STOPPED if stopped else waits.NOTIFY)
    try:
        reason = post(url, notice(report, sentence, url), seconds=seconds)
    except Exception as error:  # noqa: BLE001 - as the report
        reason = type(error).__name__
    if reason is not None:
        logger.warning(
            "The notice of the run's end did not arrive (%s). Check 'notify_url'.",
            reason,
            extra=event("notice_not_sent"),
        )
