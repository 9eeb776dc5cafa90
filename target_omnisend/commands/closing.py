"""What a run leaves behind at its end: its report, and the last line of its log."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t
import uuid
from pathlib import Path

from target_omnisend.config.environment import report_path_of
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.report.data import build, check_writable, write
from target_omnisend.report.summary import fields, in_all

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

logger = logging.getLogger("target-omnisend")


def named(path: str, *, run_id: str, started_at: dt.datetime) -> Path:
    """The path that a setting gives, with `{run_id}` and `{started_at}` filled in."""
    moment = f"{started_at:%Y%m%dT%H%M%SZ}"
    return Path(path.replace("{run_id}", run_id).replace("{started_at}", moment))


def save_report(path: Path, make: Callable[[], Mapping[str, t.Any]]) -> str | None:
    """Write what `make` makes; the path, or None when it cannot be written."""
    try:
        write(path, make())
    except Exception as error:  # noqa: BLE001 - a report describes the outcome, and changes nothing
        reason = getattr(error, "strerror", None) or type(error).__name__
        logger.warning("The report cannot be written (%s).", reason)
        return None
    return str(path)


def say_last(outcome: Outcome, sentence: str, **more: t.Any) -> None:
    """The last line: an ERROR unless the exit code is 0."""
    level = logging.ERROR if outcome.exit_code else logging.INFO
    logger.log(level, sentence, extra={**fields(outcome), **more})


def end_unstarted(
    problems: Sequence[str],
    config: Mapping[str, t.Any],
    *,
    version: str,
    wait: Callable[[], None],
) -> int:
    """Say why no run can start, in log and report; the exit code.

    `config` are the settings as far as they can be read. `wait` comes before the last line.
    """
    for problem in problems:
        logger.error(problem, extra={"exit_code": int(ExitCode.SETTINGS)})
    wait()
    outcome = Outcome()
    outcome.failure = RunFailed(ExitCode.SETTINGS, _in_one(problems))
    report = _report_unstarted(outcome, config, version)
    say_last(outcome, in_all(outcome, rejects=None, report=report), report=report)
    return outcome.exit_code


def _in_one(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} things are wrong with the settings. Correct what the lines above name."


def _report_unstarted(outcome: Outcome, config: Mapping[str, t.Any], version: str) -> str | None:
    text = report_path_of(config)
    if text is None:
        return None
    now, run_id = dt.datetime.now(dt.UTC), uuid.uuid4().hex[:8]
    path = named(text, run_id=run_id, started_at=now)

    def make() -> Mapping[str, t.Any]:
        check_writable(path)
        return build(
            *(outcome, {}),
            run_id=run_id,
            version=version,
            started_at=now,
            ended_at=now,
            segments={},
            settings=None,
        )

    return save_report(path, make)
