"""`export`: make the members of the input members in Omnisend."""

from __future__ import annotations

import logging
import typing as t

from target_omnisend.commands.verify import verify_all
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.singer.input_errors import INPUT_ERRORS, at_line, of_stream_maps

if t.TYPE_CHECKING:
    from target_omnisend.commands.session import Session
    from target_omnisend.singer.reader import MessageReader

logger = logging.getLogger("target-omnisend")


class Source(t.Protocol):
    """It hands the records of the input to the session's runner."""

    reader: MessageReader

    def listen(self, file_input: t.IO[str] | None = None) -> None:
        """Read messages to their end, and see them settled."""

    def drain(self) -> None:
        """Hand on the records that were read and still wait."""


def export(session: Session, source: Source, file_input: t.IO[str] | None) -> None:
    """Read messages to their end, and see them settled.

    Raises:
        RunFailed: when something ends the run early.
        Stopped: when a signal came.
    """
    try:
        source.listen(file_input)
    except INPUT_ERRORS as error:
        _finish_before(error, session, source)
    except Exception as error:  # noqa: BLE001 - raised again in any case
        raise of_stream_maps(error, source.reader) or error from None
    else:
        verify_all(session)


def _finish_before(error: Exception, session: Session, source: Source) -> None:
    """Deliver the records before a bad line, remove no member, then fail."""
    sentence = at_line(error, source.reader)
    failure = RunFailed(
        ExitCode.FAULT,
        f"{sentence.removesuffix('.')}; each record before it has its verdict. Correct "
        "the line, or the tap that wrote it, then run again.",
    )
    about = {"stream_name": source.reader.stream, "input_line": source.reader.number}
    logger.error(sentence, extra=event("input_wrong", exit_code=int(failure.exit_code), **about))
    source.drain()
    session.finish(removing=False)
    session.outcome.failure = session.outcome.failure or failure
