"""`dry_run`: the outcome that a run would have, found without sending or writing anything."""

from __future__ import annotations

import logging
import math
import typing as t
from contextlib import nullcontext
from dataclasses import replace

from target_omnisend.api.budget import Endpoint
from target_omnisend.commands.closing import (
    conclude,
    nothing,
    say_last,
    warn_of_losses,
)
from target_omnisend.commands.dry_omnisend import DryOmnisend
from target_omnisend.commands.kept_rejects import make_rejects
from target_omnisend.commands.masking import masked
from target_omnisend.commands.parts import Parts, make_runner, open_dry_ledger
from target_omnisend.commands.session import Session
from target_omnisend.delivery.virtual_runner import VirtualClock, VirtualRunner
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.report.summary import by_code

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_omnisend.config.settings import Settings
    from target_omnisend.delivery.model import Entry, Origin
    from target_omnisend.delivery.outcome import Outcome, StreamCounts
    from target_omnisend.delivery.runner import Runner

logger = logging.getLogger("target-omnisend")


def dry_session(settings: Settings, **options: t.Any) -> Session:
    """A session of null parts; `options` are those of `Session`.

    It checks the API key and reads the ledger. Omnisend, ledger, disk and standard output stay as
    they are.
    """
    bounded = replace(
        settings,
        # The duration of a batch is not known: the dry run waits for each.
        confirm_timeout=math.inf,
        # Without pacing of our own Omnisend's limits are left: a run cannot be faster.
        quota_share=settings.quota_share or 1.0,
    )
    options |= {"write_state": _write_nothing, "parts": _null(options.get("parts") or Parts())}
    session = Session(bounded, **options)
    session.outcome.max_rejected_percent = math.inf  # until the whole input is read
    return session


def dry_run(
    session: Session, work: Callable[[], None], *, failed: Callable[[], None] = nothing
) -> int:
    """Do the work in a session of null parts, and say what a run would do; the exit code."""
    return conclude(session, work, tell=_tell, rejected=_rejected, failed=failed)


class DryRunner(VirtualRunner):
    """Moves the delivery on virtual time; an Omnisend that accepts everything answers.

    Attributes:
        clock: its `now` is how long a run would take, as far as the budget decides it.
        omnisend: it answers the calls.
    """

    def __init__(self, session: Session) -> None:
        """Start at second 0."""
        self.clock = VirtualClock()
        self.omnisend = DryOmnisend(self.clock.monotonic)
        self._session = session
        self._too_many: RunFailed | None = None
        super().__init__(
            session.make_delivery(self.clock.now),
            t.cast("t.Any", self.omnisend),
            clock=self.clock,
            check_stopped=session.interrupt.check,
        )

    def check(self) -> None:
        """Ask the real Omnisend, in real time, whether the key is good.

        Raises:
            Stopped: when a signal came.
            RunFailed: when it is not, or when Omnisend cannot be reached.
        """
        asking = make_runner(self._session)
        asking.check()
        self._delivery.brand, self._delivery.checked = asking.brand, True
        if self._session.outcome.new_people is not None:
            self.omnisend.read = asking.ask  # in real time, because its limits are real

    def reject(self, *record: t.Any) -> None:
        """As in a run, which this can have ended."""
        super().reject(*record)
        outcome, limit = self._session.outcome, self._limit
        if self._too_many is None and outcome.hopelessly_rejected(limit):
            total = outcome.total()
            self._too_many = RunFailed(
                ExitCode.REJECTED,
                f"A run would end after {total.received} records, because {total.rejected} of "
                f"them are rejected, more than max_rejected_percent ({limit:g} %) allows. Correct "
                "them or the mapping first.",
            )

    def finish(
        self,
        *,
        segments: Mapping[str, list[t.Any]] | None = None,  # noqa: ARG002 - it makes none
        departures: Iterator[tuple[Origin, list[str]]] | None = None,
    ) -> None:
        """As in a run, but that no segment is made.

        Raises:
            RunFailed: when the run would end early.
            Stopped: when a signal came.
        """
        self._session.outcome.max_rejected_percent = self._limit
        super().finish(departures=departures if self._too_many is None else iter(()))
        if self._too_many is not None:
            raise self._too_many
        self._check_growth()

    def _check_growth(self) -> None:
        """End as a run that would make more new contacts than allowed, once all are counted."""
        settings, new = self._session.settings, self._session.outcome.new_people or 0
        limit = settings.max_new_contacts
        if limit is not None and new > limit and settings.create_contacts:
            raise RunFailed(
                ExitCode.GUARD,
                "A run would send nothing, because too many people are new to Omnisend "
                f"({new} people, max_new_contacts allows {limit}). Check the source; if it is "
                "right, raise max_new_contacts.",
            )

    def stop(self, hurried: Callable[[], bool]) -> None:  # noqa: ARG002 - it waits for nothing
        """Stop; nothing is open in truth."""
        self._delivery.count_not_sent()

    @property
    def _limit(self) -> float:
        return self._session.settings.max_rejected_percent


class _NoRejects:
    """Rejected records are counted, and kept nowhere."""

    where = None

    def __init__(self, session: Session) -> None:
        """Find out, as a run does, whether they could be kept, as far as that writes nothing.

        Raises:
            RunFailed: when the folder cannot be written to.
        """
        make_rejects(session)

    def check(self, seconds: float) -> None:
        """Write nothing."""

    def add(self, *_: t.Any, **__: t.Any) -> None:
        """Keep nothing."""

    def sync(self) -> None:
        """Nothing is there."""

    def sent_again(self, line: bytes, segment: str, email: str) -> None:
        """Nothing is there."""

    def settled(self, entries: Iterable[Entry]) -> None:
        """Nothing is there."""


def _write_nothing(_: object, __: object = None) -> None:
    """Write neither a state nor a report."""


def _null(parts: Parts) -> Parts:
    """The same clock and client, and nothing that writes."""
    return replace(
        parts,
        runner=DryRunner,
        ledger=open_dry_ledger,
        rejects=_NoRejects,
        report=_write_nothing,
        # A clock that jumps shows no pace, and METRIC lines would report calls that never went out.
        progress=lambda *_: nullcontext(),
        dry=True,
    )


def _rejected(session: Session) -> RunFailed:
    outcome = session.outcome
    total = outcome.total()
    why = (
        "none would be accepted"
        if outcome.nothing_arrived
        else f"max_rejected_percent ({session.settings.max_rejected_percent:g} %) allows fewer"
    )
    return RunFailed(
        ExitCode.REJECTED,
        f"A run would fail, because {total.rejected} of {total.received} records would be "
        f"rejected and {why}. Correct them or the mapping first.",
    )


def _tell(session: Session) -> None:
    outcome = session.outcome
    warn_of_losses(session)
    for name, counts in outcome.streams.items():
        segment = session.segment_of(name)
        about = {"stream_name": name, "segment": segment, "counts": counts.numbers()}
        sentence = "Dry run, segment '%s', stream '%s': %s; %s."
        calls = _calls(session.runner, name)
        logger.info(
            sentence, segment, name, _would(counts), calls, extra=event("dry_run_stream", **about)
        )
    clauses = [f"{outcome.total().received} received, {_would(outcome.total())}"]
    if outcome.new_people is not None:
        clauses.append(f"Omnisend does not have {outcome.new_people} of the people")
    if session.began:
        clauses += _forecast(t.cast("DryRunner", session.runner), session.settings.quota_share)
    clauses += [f"exit code {outcome.exit_code}", *_why(outcome)]
    clauses += ["nothing was sent or written"]
    say_last(outcome, f"Dry run: {'; '.join(clauses)}.")


def _forecast(runner: DryRunner, share: float) -> Iterator[str]:
    if any(_sent(runner, None)):
        yield f"for several streams together: {_calls(runner, None)}"
    for sample in runner.omnisend.samples:
        logger.info(
            "Dry run, a contact as it would be sent, masked: %s",
            masked(sample),
            extra=event("dry_run_contact"),
        )
    sent = runner.lanes[Endpoint.POST_BATCH].tally.sent
    batches = ", if Omnisend takes about a minute for a batch" if sent else ""
    yield f"{_about(runner.clock.now)} at {share:.0%} of Omnisend's limits{batches}"


def _why(outcome: Outcome) -> list[str]:
    if outcome.stopped_by is not None:
        return ["stopped by a signal before the end of the input"]
    if outcome.failure is not None:
        return [outcome.failure.sentence.removesuffix(".")]
    return []


def _calls(runner: Runner, stream: str | None) -> str:
    batches, tags = _sent(runner, stream)
    return f"batch calls: {batches}, tag calls: {tags}"


def _sent(runner: Runner, stream: str | None) -> tuple[int, int]:
    """Batch calls and tag calls about a stream; None has those about several."""
    sent = {endpoint: lane.tallies[stream].sent for endpoint, lane in runner.lanes.items()}
    tagging = sent[Endpoint.ADD_TAGS] + sent[Endpoint.REMOVE_TAGS]
    return sent[Endpoint.POST_BATCH], tagging


def _would(counts: StreamCounts) -> str:
    parts = [f"{counts.accepted} would be accepted"]
    if counts.rejected:
        parts.append(f"{counts.rejected} would be rejected ({by_code(counts.rejections)})")
    others = {
        "duplicates": counts.duplicates,
        "unchanged": counts.unchanged,
        "skipped": counts.skipped,
        "not sent": counts.not_sent,
        "would be removed": counts.removed,
    }
    parts += [f"{number} {what}" for what, number in others.items() if number]
    if left_out := counts.warnings.total():
        parts.append(f"{left_out} would be left out ({by_code(counts.warnings)})")
    return ", ".join(parts)


def _about(seconds: float) -> str:
    return f"about {seconds / 60:.0f} minutes" if seconds >= 90 else f"about {seconds:.0f} seconds"
