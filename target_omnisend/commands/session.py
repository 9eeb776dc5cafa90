"""`Session`: the parts that a command needs between checked settings and its last line."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t
import uuid
from contextlib import ExitStack
from hashlib import blake2b

from target_omnisend.commands.closing import named
from target_omnisend.commands.history import keep
from target_omnisend.commands.parts import Parts
from target_omnisend.delivery import doubts
from target_omnisend.delivery.chain import Chain, Limits
from target_omnisend.delivery.change_filter import ChangeFilter
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.engine import Delivery
from target_omnisend.delivery.mirror import Mirrors
from target_omnisend.delivery.newcomers import Growth
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.mapping.address import email_key
from target_omnisend.report.data import check_writable
from target_omnisend.streams import Segments, conditions, proof_key, shared_segments

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from target_omnisend.api.protocol import Api
    from target_omnisend.commands.parts import KeptRejects
    from target_omnisend.config.settings import Settings
    from target_omnisend.delivery.runner import Runner
    from target_omnisend.ledger import Ledger
    from target_omnisend.signals import Interrupt

logger = logging.getLogger("target-omnisend")

START_SECONDS: t.Final = 30.0
"""An object store for rejected records gets so long to take the first file."""

CHECK_SECONDS: t.Final = 5.0
"""The same in a check, which ends within 20 s."""


class Session:
    """The parts of one run, made at its start and closed at its end.

    `with` makes them: it checks the API key, opens the ledger and shows the progress. At the end
    it stops the delivery of a run that ended early, and closes the ledger.

    Attributes:
        settings: of the run.
        parts: they make what follows.
        interrupt: shows whether a signal came.
        outcome: the verdicts of the records.
        segments: the segment of each stream's records.
        incomplete: why this run does not read the whole source of a segment, by segment.
        id: the name of the run.
        version: of the target.
        started_at: in UTC.
        command: `export`, `retire` or `verify`.
        retired: the segment that `--retire` or `--verify` names; None in other runs.
        earlier_runs: the history of the same segments, the oldest first, once the ledger is closed.
        store: by which the ledger knows the store; empty until that is known.
        history_kept: the ledger's history has this run.
        began: `with` has made all of the following.
        report_path: the file for the report; None without the setting, or if it is not writable.
        rejects: it keeps the rejected records.
        client: it makes the calls.
        runner: it moves the delivery.
        ledger: the contacts that earlier runs confirmed; None without the setting.
    """

    rejects: KeptRejects
    client: Api
    runner: Runner

    def __init__(
        self,
        settings: Settings,
        *,
        version: str,
        interrupt: Interrupt,
        write_state: Callable[[t.Any], None],
        read_share: Callable[[], float | None] = lambda: None,
        parts: Parts | None = None,
    ) -> None:
        """Send and read nothing yet.

        Args:
            settings: of the run.
            version: of the target.
            interrupt: shows whether a signal came.
            write_state: emits a state that is safe.
            read_share: the share of the input that was read, if its size is known.
            parts: the makers of the parts; those of a run unless given.
        """
        self.settings = settings
        self.parts = parts or Parts()
        self.interrupt = interrupt
        self.outcome = Outcome(max_rejected_percent=settings.max_rejected_percent)
        self.segments = Segments(settings)
        self.incomplete: dict[str, str] = {}
        self.id = uuid.uuid4().hex[:8]
        self.version = version
        self.started_at = self.utc_now()
        self.command = "export"
        self.retired: str | None = None
        self.earlier_runs: Sequence[Mapping[str, t.Any]] = ()
        self.store = ""
        self.history_kept = False
        self.began = False
        self.report_path: Path | None = None
        self.ledger: Ledger | None = None
        self._write_state = write_state
        self._read_share = read_share
        self._closing = ExitStack()

    def utc_now(self) -> dt.datetime:
        """The present moment in UTC."""
        return self.parts.clock.utc_now()

    def __enter__(self) -> Self:
        """Make the parts.

        Raises:
            RunFailed: when Omnisend, the ledger, the report's or the rejects' folder cannot be
                used.
            Stopped: when a signal came.
        """
        with ExitStack() as closing:
            self._make_parts(closing)
            self._closing = closing.pop_all()
        self.began = True
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Stop what ended early, and close the ledger.

        Raises:
            RunFailed: when the ledger, or the place for rejected records, does not take the last.
        """
        if error is not None and not isinstance(error, Exception):
            return  # the process ends at this point: leave everything as a kill does
        with self._closing:
            if error is not None or self.ended_early:
                self.runner.stop(hurried=lambda: self.interrupt.hurried)

    @property
    def ended_early(self) -> bool:
        """Whether a failure or a signal ended the work."""
        return self.outcome.failure is not None or self.outcome.stopped_by is not None

    # -- its parts ---------------------------------------------------------------------

    def _make_parts(self, closing: ExitStack) -> None:
        parts, settings = self.parts, self.settings
        self.report_path = self._checked_report_path()
        self.rejects = parts.rejects(self)
        patience = CHECK_SECONDS if parts.dry else START_SECONDS
        self.interrupt.wait_for(lambda: self.rejects.check(patience))
        self.client = parts.client(settings, self.version)
        self.runner = parts.runner(self)
        self.runner.check()
        if isinstance(name := self.runner.brand.get("name"), str):
            logger.info(
                "The API key belongs to the store '%s'.",
                name,
                extra=event("store_known", store=name),
            )
        if settings.ledger_url is not None:
            self.store = self._brand()
            self.ledger = parts.ledger(settings.ledger_url, brand=self.store, utc_now=self.utc_now)
            closing.callback(self._close_ledger, self.ledger)
            self._remember_by(self.ledger)
        closing.callback(self.rejects.sync)  # while the ledger is open
        closing.enter_context(parts.progress(self.runner, self._read_share))

    def _checked_report_path(self) -> Path | None:
        """The file for the report, if one is wanted; its page goes beside it.

        Raises:
            RunFailed: when it cannot be written.
        """
        if self.settings.report_path is None:
            return None
        path = named(self.settings.report_path, run_id=self.id, started_at=self.started_at)
        check_writable(path)
        return path

    def make_delivery(self, now: float) -> Delivery:
        """A delivery that starts at the moment `now` of its runner's clock."""
        settings = self.settings
        return Delivery(
            Chain(
                Limits(
                    quota_share=settings.quota_share,
                    confirm_timeout=settings.confirm_timeout,
                    max_unconfirmed=settings.max_unconfirmed,
                    # A day early: the day in Omnisend's `dateFrom` may be of another time zone.
                    since=(self.started_at - dt.timedelta(days=1)).date(),
                    growth=Growth.of(
                        settings.create_contacts, settings.max_new_contacts, dry=self.parts.dry
                    ),
                    check_tags=not self.parts.dry,
                ),
                now=now,
                key=email_key,
                checkpoint=Checkpoint(self._emit_state),
                rejects=self.rejects,
                outcome=self.outcome,
                looking=settings.verify != "off" and not self.parts.dry,
            )
        )

    def _remember_by(self, ledger: Ledger) -> None:
        settings = self.settings
        self.segments.remember_by(ledger)
        mirrors = Mirrors(
            ledger,
            full_refresh=settings.full_refresh,
            whole_runs=settings.mirror_on == "end_of_stream",
            max_removed_percent=settings.max_removed_percent,
            incomplete=self.incomplete,
            shared=shared_segments(settings),
            lose=self.outcome.lose,
            would=self.parts.dry,
        )
        self.runner.remember_by(ChangeFilter(ledger, mirrors, full_refresh=settings.full_refresh))
        if settings.full_refresh:
            ledger.contacts.drop()
        if ledger.proofs.has(proof_key(settings)):
            self.runner.trust()

    def _brand(self) -> str:
        if brand := self.runner.brand.get("brandID"):
            return str(brand)
        scheme, _, key = self.settings.authorization.partition(" ")
        if scheme == "Bearer":
            raise RunFailed(
                ExitCode.SETTINGS,
                "A ledger needs to know the store, because access tokens change. Give the token "
                "the scope brands.read, or use 'api_key'.",
            )
        # A key without brands.read does not know its store; then it stands for it.
        return f"key {blake2b(key.encode(), digest_size=8).hexdigest()}"

    def _emit_state(self, state: dict[str, t.Any]) -> None:
        if self.ledger is not None:
            self.ledger.flush()
        self.rejects.sync()
        self._write_state(state)

    def _close_ledger(self, ledger: Ledger) -> None:
        looks, key = self.outcome.looks, proof_key(self.settings)
        try:
            ledger.flush()
            if looks.wrong:
                ledger.proofs.drop(key)
            elif looks.subscribed:
                ledger.proofs.keep(key)
            if self.began:  # otherwise the outcome does not know the failure yet
                keep(self, ledger)
        finally:
            ledger.close()

    # -- its work ----------------------------------------------------------------------

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
        used = [self.settings.for_stream(name) for name in self.outcome.streams]
        self.runner.finish(
            segments={own.segment: conditions(own) for own in used if own.create_segment},
            departures=None if removing else iter(()),
        )

    def doubt(self, stream: str, reason: str) -> None:
        """Remove no member of a stream's segment, for the first reason that is given."""
        self.incomplete.setdefault(self.settings.for_stream(stream).segment, reason)

    def segment_of(self, stream: str) -> str:
        """The segment that a stream of the outcome is about; `retired` stands for its own."""
        return stream if stream == self.retired else self.settings.for_stream(stream).segment
