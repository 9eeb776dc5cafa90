"""`retire`: take a segment's membership back."""

from __future__ import annotations

import logging
import typing as t

from target_omnisend.delivery.model import Origin
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.marks import retiring, shown_by
from target_omnisend.streams import make_segment

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.commands.session import Session
    from target_omnisend.config.settings import StreamSettings
    from target_omnisend.ledger import Ledger

logger = logging.getLogger("target-omnisend")


def retire(session: Session, name: str) -> None:
    """Take a segment's membership back from all members that have it from this target.

    Raises:
        RunFailed: without a ledger, or if the ledger does not know the segment.
        Stopped: when a signal came.
    """
    session.command, session.retired = "retire", name
    if session.ledger is None:
        raise RunFailed(ExitCode.SETTINGS, "--retire needs the setting 'ledger_url'.")
    _describe_members(session.ledger, name)
    own = session.settings.of_segment(name)
    _check_marks(session, own)
    origin = Origin(
        stream=name,
        schema=b"",
        counts=session.outcome.stream(name),
        remake=lambda line, _: line,
        segment=make_segment(own),
    )
    session.ledger.retries.drop_joining(name)
    session.runner.open(origin)
    pages = _members_to_retire(session, session.ledger, own)
    session.runner.finish(departures=((origin, emails) for emails in pages))
    session.ledger.set_feeds(name, ())  # each stream that feeds it from here on begins anew


def _describe_members(ledger: Ledger, name: str) -> None:
    known = dict(ledger.segments())
    # Its settings stay known when its last member is gone.
    if name not in known and ledger.mapping_fingerprint(name) is None:
        names = ", ".join(f"'{other}' ({count})" for other, count in known.items())
        raise RunFailed(
            ExitCode.SETTINGS,
            f"The ledger knows no members of a segment '{name}'; it knows {names or 'none'}.",
        )
    members = known.get(name, 0)
    logger.info(
        "Segment '%s' has %d members by this target.",
        name,
        members,
        extra=event("segment_retiring", segment=name, members=members),
    )


def _check_marks(session: Session, own: StreamSettings) -> None:
    if own.membership == "none":
        raise RunFailed(
            ExitCode.SETTINGS,
            f"'membership: none' shows no membership of segment '{own.segment}' that could be "
            "taken back; set 'membership' to what it was when they were made members.",
        )
    settings = session.settings
    others = {stream: settings.for_stream(stream) for stream in ("", *settings.streams)}
    for sentence in retiring(own, others):
        raise RunFailed(ExitCode.SETTINGS, sentence)


def _members_to_retire(
    session: Session, ledger: Ledger, own: StreamSettings
) -> Iterator[list[str]]:
    """Pages of a segment's members, without those of segments that show by the same mark.

    An earlier version can have let two segments share a mark: a person of both keeps it.
    """
    mark, kept = shown_by(own.membership, own.segment), 0
    others = session.segments.earlier.others(mark, own.segment) if mark else []
    for emails in ledger.members(own.segment):
        staying = {email for other in others for email in ledger.known(other, emails)}
        ledger.forget(own.segment, staying)
        kept += len(staying)
        yield [email for email in emails if email not in staying]
    if kept:
        logger.info(
            "%d members of segment '%s' keep %s, because it shows segment '%s' too.",
            kept,
            own.segment,
            mark,
            "', '".join(others),
            extra=event("members_kept", segment=own.segment, members=kept),
        )
