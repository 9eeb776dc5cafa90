"""`print_rejects`: the rejected records that the ledger keeps, as Singer input."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from target_omnisend.commands.check import check_session
from target_omnisend.commands.closing import end_of_command, noting
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.stdio import write_line

if t.TYPE_CHECKING:
    from target_omnisend.commands.session import Session
    from target_omnisend.config.settings import Settings

logger = logging.getLogger("target-omnisend")


def print_session(settings: Settings, **options: t.Any) -> Session:
    """A session that asks for the store of the API key, and reads its ledger."""
    return check_session(replace(settings, report_path=None), **options)


def print_rejects(session: Session, segment: str) -> int:
    """Print the records that are kept of a segment, or of all without a name; the exit code.

    The ledger is closed before the first line is written, so that a run can read them at once.
    """
    lines: list[str] = []
    with noting(session.outcome):
        if session.settings.ledger_url is None:
            raise RunFailed(ExitCode.SETTINGS, "--rejects needs the setting 'ledger_url'.")
        with session:
            lines += session.ledger.kept.messages(segment or None) if session.ledger else ()
        for line in lines:
            session.interrupt.check()
            write_line(line.encode())
    records = sum('"rejection"' in line for line in lines)
    done = "nothing was changed"
    return end_of_command(session, f"Rejected records that the ledger keeps: {records}", done)
