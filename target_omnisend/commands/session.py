"""`Run`: everything between checked settings and an exit code."""

from __future__ import annotations

import datetime as dt
import gc
import logging
import typing as t
import uuid
from collections import Counter
from contextlib import ExitStack
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from target_omnisend.api import clock
from target_omnisend.api.client import OmnisendClient
from target_omnisend.commands.closing import named, save_report, say_last
from target_omnisend.delivery import doubts
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.engine import Delivery, Limits
from target_omnisend.delivery.failures import none_arrived, too_many
from target_omnisend.delivery.memory import Memory
from target_omnisend.delivery.model import Origin
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.delivery.runner import MAX_CALLS_AT_ONCE, Runner
from target_omnisend.errors import ExitCode, RunFailed, unexpected
from target_omnisend.mapping.address import email_key
from target_omnisend.marks import retiring, shown_by
from target_omnisend.output.rejects import RejectsFile
from target_omnisend.progress.reporter import progress_of
from target_omnisend.report.data import build, check_writable
from target_omnisend.report.losses import lost_columns
from target_omnisend.report.summary import by_stream, in_all, unknown_statuses
from target_omnisend.signals import Stopped
from target_omnisend.streams import Segments, conditions, make_segment

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from target_omnisend.config.settings import Settings, StreamSettings
    from target_omnisend.delivery.engine import Rejects
    from target_omnisend.ledger import Ledger
    from target_omnisend.signals import Interrupt

logger = logging.getLogger("target-omnisend")


def nothing() -> None:
    """Do nothing."""


class Run:
    """One run: what it needs, how it ends, and what it says of itself.

    Attributes:
        segments: where the records of each stream go.
        outcome: what became of the records.
        utc_now: tells the present moment.
        ledger: what earlier runs confirmed; None until the runner is made, and without the
            setting.
        incomplete: why this run does not bring the whole source of a segment, by segment.
        dry: the ledger stays as it is.
    """

    dry: t.ClassVar[bool] = False

    def __init__(
        self,
        settings: Settings,
        *,
        version: str,
        interrupt: Interrupt,
        write_state: Callable[[t.Any], None],
        read_share: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Nothing is sent or read yet; `write_state` emits a state that is safe.

        `read_share` is how much of the input has been read, where its size is known.
        """
        self.settings = settings
        self._interrupt = interrupt
        self.segments = Segments(settings)
        self.outcome = Outcome(max_rejected_percent=settings.max_rejected_percent)
        self.utc_now = clock.utc_now
        self.started_at = self.utc_now()
        self.ledger: Ledger | None = None
        self.incomplete: dict[str, str] = {}
        self._retired: str | None = None
        self._id = uuid.uuid4().hex[:8]
        self._version = version
        self._write_state = write_state
        self._read_share = read_share

    # -- what it needs -----------------------------------------------------------------

    @cached_property
    def rejects(self) -> RejectsFile:
        """Where rejected records go."""
        return RejectsFile(Path(self.settings.rejects_path), self._id, clock.utc_now)

    @cached_property
    def report_file(self) -> Path | None:
        """Where the report goes, if one is wanted; its page goes beside it.

        Raises:
            RunFailed: when it cannot be written there.
        """
        if self.settings.report_path is None:
            return None
        path = named(self.settings.report_path, run_id=self._id, started_at=self.started_at)
        check_writable(path)
        return path

    @cached_property
    def runner(self) -> Runner:
        """The delivery under way; made, and the API key checked, at its first use.

        Raises:
            RunFailed: when Omnisend, the ledger, the report's or the rejects' folder cannot be
                used.
        """
        runner = self._make_checked_runner()
        self._remember(runner)
        return runner

    def _make_checked_runner(self) -> Runner:
        _ = self.report_file  # before anything is asked; where it is not written it is said too
        settings = self.settings
        api = OmnisendClient(
            settings.api_url,
            authorization=settings.authorization,
            api_version=settings.api_version,
            user_agent=f"target-omnisend/{self._version}",
            timeout=settings.request_timeout,
            connections=MAX_CALLS_AT_ONCE,
        )
        runner = Runner(
            self._make_delivery(clock.monotonic(), self.rejects),
            api,
            clock=clock.monotonic,
            check_stopped=self._check_stopped,
            failed=self._interrupt.fail,
        )
        runner.check()
        if isinstance(name := runner.brand.get("name"), str):
            logger.info("The API key belongs to the store '%s'.", name, extra={"store": name})
        return runner

    @property
    def _quota_share(self) -> float:
        return self.settings.quota_share

    def _check_stopped(self) -> None:
        self._interrupt.check()

    def _make_delivery(self, now: float, rejects: Rejects) -> Delivery:
        settings = self.settings
        return Delivery(
            Limits(
                quota_share=self._quota_share,
                confirm_timeout=settings.confirm_timeout,
                max_unconfirmed=settings.max_unconfirmed,
                # A day early: the day in Omnisend's `dateFrom` may be of another time zone.
                since=(self.started_at - dt.timedelta(days=1)).date(),
            ),
            now=now,
            key=email_key,
            checkpoint=Checkpoint(self._emit_state),
            rejects=rejects,
            outcome=self.outcome,
        )

    def _remember(self, runner: Runner) -> None:
        """Open the ledger, if there shall be one, and have the runner use it."""
        settings = self.settings
        if settings.ledger_url is None:
            return
        from target_omnisend.ledger import (  # noqa: PLC0415 - a tenth of a second
            DryLedger,
            Ledger,
        )

        open_ledger = DryLedger if self.dry else Ledger
        self.ledger = open_ledger(
            settings.ledger_url, brand=self._brand(runner), utc_now=clock.utc_now
        )
        self.segments.remember_by(self.ledger)
        runner.remember_by(
            Memory(
                self.ledger,
                full_refresh=settings.full_refresh,
                whole_runs=settings.mirror_on == "end_of_stream",
                max_removed_percent=settings.max_removed_percent,
                incomplete=self.incomplete,
                shared=_shared_segments(settings),
                lose=self.outcome.lose,
                would=self.dry,
            )
        )

    def _brand(self, runner: Runner) -> str:
        if brand := runner.brand.get("brandID"):
            return str(brand)
        scheme, _, key = self.settings.authorization.partition(" ")
        if scheme == "Bearer":
            raise RunFailed(
                ExitCode.SETTINGS,
                "A ledger needs to know the store, since access tokens change; give the token the "
                "scope brands.read, or use 'api_key'.",
            )
        # A key without brands.read does not know its store; then it stands for it.
        return f"key {blake2b(key.encode(), digest_size=8).hexdigest()}"

    def _emit_state(self, state: dict[str, t.Any]) -> None:
        if self.ledger is not None:
            self.ledger.flush()
        self.rejects.sync()
        self._write_state(state)

    # -- its course --------------------------------------------------------------------

    def execute(self, work: Callable[[], None], *, failed: Callable[[], None] = nothing) -> int:
        """Do the work to its end, or to whatever ends it early; the exit code.

        `failed` is called when that is a failure, before the last line.
        """
        # Open entries are many, long-lived and in no cycle: looking for garbage among them, or
        # among the modules, as often as the default would costs a tenth of the reading.
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        with ExitStack() as telling:
            self._carry_out(work, telling)
            self._judge_rejections()
            if self.outcome.failure is not None and self.outcome.stopped_by is None:
                failed()
            self._interrupt.ignore()
        self._close_ledger()
        self._tell()
        return self.outcome.exit_code

    def _carry_out(self, work: Callable[[], None], telling: ExitStack) -> None:
        try:
            # The runner is made, and the key checked, before the first line is read.
            telling.enter_context(self._progress())
            work()
        except RunFailed as failure:
            self._end_early(failure)
        except Stopped as stopped:
            self.outcome.stopped_by = stopped.args[0]
            self._end_early(None)
        except Exception as error:  # noqa: BLE001 - a traceback might quote a record
            self._end_early(unexpected(error))

    def _progress(self) -> AbstractContextManager[t.Any]:
        return progress_of(self.runner, self._read_share)

    def finish(self, *, removing: bool = True) -> None:
        """After the last record: wait until every record has its verdict.

        `removing` says that mirrors may take memberships back.

        Raises:
            RunFailed: when the run has ended early.
            Stopped: when a signal came.
        """
        for name in self.settings.streams:
            if name not in self.outcome.streams:
                self.doubt(name, doubts.absent(name))
        self.runner.finish(
            segments=self._wanted_segments(), departures=None if removing else iter(())
        )

    def doubt(self, stream: str, reason: str) -> None:
        """Remove nobody from a stream's segment, for the first reason that is given."""
        self.incomplete.setdefault(self.settings.for_stream(stream).segment, reason)

    def _wanted_segments(self) -> dict[str, list[t.Any]]:
        used = [self.settings.for_stream(name) for name in self.outcome.streams]
        return {own.segment: conditions(own) for own in used if own.create_segment}

    def retire(self, name: str) -> None:
        """Take a segment's membership back from all who have it from this target.

        Raises:
            RunFailed: when there is no ledger, or it knows no such segment.
            Stopped: when a signal came.
        """
        if self.ledger is None:
            raise RunFailed(ExitCode.SETTINGS, "--retire needs the setting 'ledger_url'.")
        known = dict(self.ledger.segments())
        # Its settings stay known when its last member is gone.
        if name not in known and self.ledger.mapping_fingerprint(name) is None:
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
            extra={"segment": name, "members": members},
        )
        own = self.settings.of_segment(name)
        if own.membership == "none":
            raise RunFailed(
                ExitCode.SETTINGS,
                f"'membership: none' shows no membership of segment '{name}' that could be taken "
                "back; set 'membership' to what it was when they were made members.",
            )
        others = {
            stream: self.settings.for_stream(stream) for stream in ("", *self.settings.streams)
        }
        for sentence in retiring(own, others):
            raise RunFailed(ExitCode.SETTINGS, sentence)
        self._retired = name
        origin = Origin(
            stream=name,
            schema=b"",
            counts=self.outcome.stream(name),
            remake=lambda line, _: line,
            segment=make_segment(own),
        )
        self.runner.open(origin)
        pages = self._members_to_retire(self.ledger, own)
        self.runner.finish(departures=((origin, emails) for emails in pages))
        self.ledger.set_feeds(name, ())  # whoever feeds it from here on begins anew

    def _members_to_retire(self, ledger: Ledger, own: StreamSettings) -> Iterator[list[str]]:
        """Pages of a segment's members, without those of segments that show by the same mark.

        An earlier version may have let two segments share a mark: a person of both keeps it.
        """
        mark, kept = shown_by(own.membership, own.segment), 0
        others = self.segments.earlier.others(mark, own.segment) if mark else []
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
                extra={"segment": own.segment, "members": kept},
            )

    # -- its end -----------------------------------------------------------------------

    def _judge_rejections(self) -> None:
        """After the last record: say why the rejected ones make the run a failed one."""
        outcome = self.outcome
        if outcome.stopped_by is None and outcome.failure is None and outcome.failed_by_rejections:
            outcome.failure = self._rejected()
            _say_why(outcome.failure)

    def _rejected(self) -> RunFailed:
        failed = none_arrived if self.outcome.nothing_arrived else too_many
        return failed(self.outcome)

    def _end_early(self, failure: RunFailed | None) -> None:
        if failure is not None and self.outcome.failure is None:
            self.outcome.failure = failure
            _say_why(failure)
        if "runner" in self.__dict__:
            self.runner.stop(hurried=lambda: self._interrupt.hurried)

    def _close_ledger(self) -> None:
        if self.ledger is None:
            return
        try:
            self.ledger.flush()
        except RunFailed as failure:
            if self.outcome.failure is None:
                self.outcome.failure = failure
                _say_why(failure)
        self.ledger.close()

    def _say_losses(self) -> None:
        for stream, sentence in lost_columns(self.outcome, would=self.dry):
            logger.warning(sentence, extra={"stream_name": stream})

    def _tell(self) -> None:
        self._say_losses()
        report = self._write_report()
        for stream, sentence, codes in by_stream(self.outcome):
            segment = self._segment_of(stream)
            logger.info(sentence, extra={"stream_name": stream, "segment": segment, **codes})
        self._warn_of_unknown_statuses()
        rejects = self.rejects.path if self.outcome.total().rejected else None
        seconds = (clock.utc_now() - self.started_at).total_seconds()
        say_last(
            self.outcome,
            in_all(self.outcome, rejects=rejects, report=report),
            rejects=rejects,
            report=report,
            seconds=round(seconds, 1),
        )

    def _segment_of(self, stream: str) -> str:
        """The segment that a stream of the outcome is about; `--retire` has one for it."""
        return stream if stream == self._retired else self.settings.for_stream(stream).segment

    def _warn_of_unknown_statuses(self) -> None:
        for stream, sentence, numbers in unknown_statuses(self.outcome):
            logger.warning(sentence, extra={"stream_name": stream, **numbers})

    def _write_report(self) -> str | None:
        path: Path | None = self.__dict__.get("report_file")
        if path is None:  # it is not wanted, or the run ended because it cannot be written
            return None
        return save_report(path, self._report)

    def _report(self) -> dict[str, t.Any]:
        told = "runner" in self.__dict__
        return build(
            self.outcome,
            self.runner.lanes if told else {},
            run_id=self._id,
            version=self._version,
            started_at=self.started_at,
            ended_at=clock.utc_now(),
            segments=self.runner.made_segments if told else {},
            settings=self.settings,
            rejects_file=self.rejects.path if self.outcome.total().rejected else None,
            retired=self._retired,
        )


def _say_why(failure: RunFailed) -> None:
    logger.error(failure.sentence, extra={"exit_code": int(failure.exit_code)})


def _shared_segments(settings: Settings) -> set[str]:
    names = Counter(settings.for_stream(stream).segment for stream in settings.streams)
    return {name for name, streams in names.items() if streams > 1}
