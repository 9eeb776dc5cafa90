"""The end of a command: the reason for an early end, its report, and the last line of its log."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t
import uuid
from contextlib import contextmanager
from pathlib import Path

from target_omnisend.commands import history, notices
from target_omnisend.config.environment import loader_name, notify_url_of, report_path_of
from target_omnisend.delivery.failures import none_arrived, too_many
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.errors import ExitCode, RunFailed, unexpected
from target_omnisend.events import event
from target_omnisend.report.data import build, check_writable, write
from target_omnisend.report.losses import lost_columns
from target_omnisend.report.summary import by_stream, fields, in_all
from target_omnisend.signals import Stopped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_omnisend.commands.session import Session
    from target_omnisend.output.rejected import Where

    Report: t.TypeAlias = Mapping[str, t.Any]

logger = logging.getLogger("target-omnisend")


def nothing() -> None:
    """Do nothing."""


def named(path: str, *, run_id: str, started_at: dt.datetime) -> Path:
    """The path that a setting gives, with `{run_id}` and `{started_at}` filled in."""
    moment = f"{started_at:%Y%m%dT%H%M%SZ}"
    return Path(path.replace("{run_id}", run_id).replace("{started_at}", moment))


def conclude(
    session: Session,
    work: Callable[[], None],
    *,
    tell: Callable[[Session], None] | None = None,
    rejected: Callable[[Session], RunFailed] | None = None,
    failed: Callable[[], None] = nothing,
) -> int:
    """Do the work in the session to its end, or to what ends it early; the exit code.

    Args:
        session: it begins and ends here.
        work: the work of the command.
        tell: writes the last line; that of a run unless given.
        rejected: the failure of work of which too many records are rejected.
        failed: called after a failure, before the last line.
    """
    outcome = session.outcome
    with noting(outcome), session, noting(outcome):
        work()
    if not session.ended_early and outcome.failed_by_rejections:
        note(outcome, (rejected or _rejected)(session))
    if outcome.failure is not None and outcome.stopped_by is None:
        failed()
    session.interrupt.ignore()
    (tell or tell_run)(session)
    return outcome.exit_code


@contextmanager
def noting(outcome: Outcome) -> Iterator[None]:
    """Note in the outcome what ends the work early."""
    try:
        yield
    except RunFailed as failure:
        note(outcome, failure)
    except Stopped as stopped:
        outcome.stopped_by = stopped.args[0]
    except Exception as error:  # noqa: BLE001 - a traceback might quote a record
        note(outcome, unexpected(error))


def note(outcome: Outcome, failure: RunFailed) -> None:
    """Keep the first failure of a run, and say why it fails."""
    if outcome.failure is None:
        outcome.failure = failure
        logger.error(failure.sentence, extra=event("run_failed", exit_code=int(failure.exit_code)))


def _rejected(session: Session) -> RunFailed:
    failed = none_arrived if session.outcome.nothing_arrived else too_many
    return failed(session.outcome)


def tell_run(session: Session) -> None:
    """Write the report, and say what became of the records of each stream and of all."""
    outcome = session.outcome
    warn_of_losses(session)
    history.keep_anew(session)
    rejects = _where_rejects_are(session)
    facts = report_of(session, notices.table_of(rejects))
    report = save_report(session, facts)
    for stream, sentence, codes in by_stream(outcome):
        about = {"stream_name": stream, "segment": session.segment_of(stream)}
        logger.info(sentence, extra=event("stream_codes", **about, **codes))
    last = in_all(outcome, rejects=rejects, report=report)
    notify(session, facts, last)
    seconds = (session.utc_now() - session.started_at).total_seconds()
    place = rejects and rejects.place
    say_last(outcome, last, rejects=place, report=report, seconds=round(seconds, 1))


def warn_of_losses(session: Session) -> None:
    """Name each column that lost more than half of its values."""
    for stream, sentence in lost_columns(session.outcome, would=session.parts.dry):
        logger.warning(sentence, extra=event("values_lost", stream_name=stream))


def _where_rejects_are(session: Session) -> Where | None:
    return session.rejects.where if session.outcome.total().rejected else None


def write_report(session: Session) -> str | None:
    """Write the report; its path, or None if it is not wanted or cannot be written."""
    return save_report(session, report_of(session) if session.report_path else None)


def save_report(session: Session, facts: Report | None) -> str | None:
    """The same for a report that is made already."""
    return _save_report(session.report_path, facts, session.parts.report)


def notify(session: Session, facts: Report | None, last: str) -> None:
    """Send the notice, if the settings want one; `last` is the last line of the log."""
    url, always = session.settings.notify_url, session.settings.notify_on == "always"
    notices.notify(url, session.outcome, facts, last, always=always)


def report_of(session: Session, rejects_table: Path | None = None) -> Report | None:
    """The report; None, with a warning, if it cannot be made: it changes nothing."""
    try:
        return _build(session, rejects_table)
    except Exception as error:  # noqa: BLE001 - as said
        _warn_of_report(error)
        return None


def _build(session: Session, rejects_table: Path | None) -> Report:
    return build(
        session.outcome,
        session.runner.lanes if session.began else {},
        run_id=session.id,
        version=session.version,
        started_at=session.started_at,
        ended_at=session.utc_now(),
        segments=session.runner.made_segments if session.began else {},
        settings=session.settings,
        rejects=_where_rejects_are(session),
        retired=session.retired,
        command=session.command,
        store=session.runner.brand.get("name") if session.began else None,
        rejects_table=rejects_table,
        history=session.earlier_runs,
        loader=loader_name(),
    )


def _save_report(
    path: Path | None, facts: Report | None, save: Callable[[Path, Report], None]
) -> str | None:
    """Save the report; its path, or None if it is not wanted or cannot be written."""
    if path is None or facts is None:
        return None
    try:
        save(path, facts)
    except Exception as error:  # noqa: BLE001 - as above
        _warn_of_report(error)
        return None
    return str(path)


def _warn_of_report(error: Exception) -> None:
    reason = getattr(error, "strerror", None) or type(error).__name__
    logger.warning("The report cannot be written (%s).", reason, extra=event("report_not_written"))


def say_last(outcome: Outcome, sentence: str, **more: t.Any) -> None:
    """The last line: an ERROR unless the exit code is 0."""
    level = logging.ERROR if outcome.exit_code else logging.INFO
    logger.log(level, sentence, extra=event("run_ended", **{**fields(outcome), **more}))


def end_of_command(session: Session, found: str, done: str) -> int:
    """The last line of a command that sends nothing; the exit code.

    `found` begins the line, and `done` ends it unless the command failed.
    """
    session.interrupt.ignore()
    outcome = session.outcome
    if outcome.stopped_by is not None:
        done = "stopped by a signal, run it again"
    elif outcome.failure is not None:
        done = outcome.failure.sentence.removesuffix(".")
    code = int(outcome.exit_code)
    level = logging.ERROR if code else logging.INFO
    sentence = f"{found}; exit code {code}; {done}."
    logger.log(level, sentence, extra=event("command_ended", exit_code=code))
    return code


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
        logger.error(problem, extra=event("settings_wrong", exit_code=int(ExitCode.SETTINGS)))
    wait()
    outcome = Outcome()
    outcome.failure = RunFailed(ExitCode.SETTINGS, _in_one(problems))
    facts = _report_unstarted(outcome, version)
    report = _save_unstarted(facts, config)
    last = in_all(outcome, rejects=None, report=report)
    notices.notify(notify_url_of(config), outcome, facts, last)
    say_last(outcome, last, report=report)
    return outcome.exit_code


def _in_one(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} things are wrong with the settings. Correct what the lines above name."


def _report_unstarted(outcome: Outcome, version: str) -> Report:
    now, run_id = dt.datetime.now(dt.UTC), uuid.uuid4().hex[:8]
    return build(
        *(outcome, {}),
        run_id=run_id,
        version=version,
        started_at=now,
        ended_at=now,
        segments={},
        settings=None,
    )


def _save_unstarted(facts: Report, config: Mapping[str, t.Any]) -> str | None:
    text = report_path_of(config)
    if text is None:
        return None
    run = facts["run"]
    started_at = dt.datetime.fromisoformat(run["started_at"])
    path = named(text, run_id=run["id"], started_at=started_at)

    def save(path: Path, facts: Report) -> None:
        check_writable(path)
        write(path, facts)

    return _save_report(path, facts, save)
