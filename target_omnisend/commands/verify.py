"""`verify`: who is a member by the ledger, and who is one in Omnisend."""

from __future__ import annotations

import logging
import typing as t
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial

from target_omnisend.commands.closing import conclude, notify, report_of, save_report, say_last
from target_omnisend.commands.parts import Parts
from target_omnisend.commands.session import Session
from target_omnisend.delivery.verification import NotVerified, Shown, Verification, Verifier
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.marks import shown_by
from target_omnisend.streams import conditions

if t.TYPE_CHECKING:
    from target_omnisend.config.settings import Settings, StreamSettings
    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.ledger import Ledger

logger = logging.getLogger("target-omnisend")

MANY_PERCENT: t.Final = 20
"""Above this share of missing members a line of the log asks for the reason."""


_CURE: t.Final = (
    "the ledger forgot the missing members; run the tap again over all of its source to send them"
)


def verify_session(settings: Settings, **options: t.Any) -> Session:
    """A session without the progress of records; `options` are those of `Session`."""
    parts = options.pop("parts", None) or Parts()
    # The progress of records would say for minutes that none came.
    quiet = replace(parts, progress=lambda *_: nullcontext())
    return Session(settings, parts=quiet, **options)


def verify(session: Session, name: str) -> int:
    """Compare a segment's members in the ledger with those in Omnisend; the exit code."""
    return conclude(session, partial(_verify, session, name), tell=partial(_tell, name=name))


def verify_all(session: Session) -> None:
    """After a run, with `verify: all`: compare each of its segments.

    A segment that cannot be compared is a loss: what was sent has its verdict all the same.

    Raises:
        RunFailed: when the ledger fails, or Omnisend cannot be reached.
        Stopped: when a signal came.
    """
    ledger = session.ledger
    if session.settings.verify != "all" or session.parts.dry or ledger is None:
        return
    own = {stream: session.settings.for_stream(stream) for stream in session.outcome.streams}
    first = {settings.segment: stream for stream, settings in reversed(own.items())}
    for segment, stream in reversed(first.items()):
        if own[stream].membership != "none" and segment in ledger.names():
            found = _compare(session, ledger, own[stream], stream)
            if isinstance(found, NotVerified):
                logger.warning(found.sentence, extra=event("segment_not_verified", segment=segment))
                session.outcome.lose(found.sentence)


def _verify(session: Session, name: str) -> None:
    session.command = "verify"
    if session.ledger is None:
        raise RunFailed(ExitCode.SETTINGS, "--verify needs the setting 'ledger_url'.")
    if name not in session.ledger.names():
        known = ", ".join(f"'{other}'" for other in sorted(session.ledger.names()))
        raise RunFailed(
            ExitCode.SETTINGS,
            f"The ledger knows no segment '{name}'. Name one that it knows: {known or 'none yet'}.",
        )
    own = session.settings.of_segment(name)
    _check_mark(session, own)
    session.retired = name
    found = _compare(session, session.ledger, own, name)
    if isinstance(found, NotVerified):
        raise found


def _check_mark(session: Session, own: StreamSettings) -> None:
    mark = shown_by(own.membership, own.segment)
    if mark is None or not session.segments.earlier.shows(mark, own.segment):
        raise RunFailed(
            ExitCode.SETTINGS,
            f"'membership: {own.membership}' is not what members of segment '{own.segment}' got "
            "from this target. Set 'membership' to what it was when they were made members.",
        )


def _compare(
    session: Session, ledger: Ledger, own: StreamSettings, stream: str
) -> Verification | NotVerified:
    mark = shown_by(own.membership, own.segment)
    if mark is None:
        raise ValueError("no mark shows the segment")
    shown = Shown(own.segment, mark, conditions(own) if own.create_segment else None)
    verifier = Verifier(ledger, shown, session.parts.clock.monotonic)
    found = session.runner.carry_out(verifier.verify())
    if isinstance(found, Verification):
        if found.missing:  # some can be deleted, and nothing else would show it soon
            ledger.contacts.drop()
        session.outcome.verifications[own.segment] = found
        for name, counts in session.outcome.streams.items():
            if session.segment_of(name) == own.segment:  # a sample of them was counted before
                counts.verified = 0
        session.outcome.stream(stream).verified = found.right
        _say(found, shown)
    return found


def _say(found: Verification, shown: Shown) -> None:
    logger.log(
        logging.WARNING if found.missing else logging.INFO,
        "Segment '%s' in Omnisend: %s.",
        shown.segment,
        _numbers(found),
        extra=event("segment_verified", segment=shown.segment, **asdict(found)),
    )
    if found.missing * 100 > (found.right + found.missing) * MANY_PERCENT:
        logger.warning(
            "Segment '%s': more than %d %% of the members are missing. Find out what took %s "
            "away from them.",
            shown.segment,
            MANY_PERCENT,
            shown.mark,
            extra=event("many_missing", segment=shown.segment, missing=found.missing),
        )
    if found.counted is not None:
        logger.info(
            "Omnisend's own segment '%s' counts %d contacts; %d contacts have %s.",
            shown.segment,
            found.counted,
            found.right + found.extra,
            shown.mark,
            extra=event("segment_counted", segment=shown.segment, counted=found.counted),
        )


def _numbers(found: Verification) -> str:
    return f"{found.right} right, {found.missing} missing, {found.extra} extra"


def _tell(session: Session, *, name: str) -> None:
    outcome = session.outcome
    facts = report_of(session)
    report = save_report(session, facts)
    clauses = [f"exit code {outcome.exit_code}", *_end(outcome, name)]
    if report:
        clauses.append(f"the report is {report}")
    last = f"Verify, segment '{name}': {'; '.join(clauses)}."
    notify(session, facts, last)
    say_last(outcome, last, report=report)


def _end(outcome: Outcome, name: str) -> list[str]:
    if outcome.stopped_by is not None:
        return ["stopped by a signal before all was read; the ledger forgot no member"]
    if outcome.failure is not None:
        return [outcome.failure.sentence.removesuffix(".")]
    found = outcome.verifications[name]
    if found.missing:
        return [_numbers(found), _CURE]
    return [_numbers(found)]
