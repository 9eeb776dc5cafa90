"""`DryRun`: what a run would do, found out without sending or writing anything."""

from __future__ import annotations

import logging
import math
import typing as t
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property

import msgspec

from target_omnisend.api.budget import Endpoint
from target_omnisend.commands.closing import say_last
from target_omnisend.commands.session import Run
from target_omnisend.delivery.virtual_runner import Rehearsal
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.mapping.contact import NEVER_NEWER
from target_omnisend.report.summary import by_code

if t.TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from target_omnisend.delivery.outcome import StreamCounts

logger = logging.getLogger("target-omnisend")

_OMNISENDS_OWN: t.Final = frozenset({"type", "status"})
"""Keys of a contact whose texts are words of Omnisend's and nobody's data."""


class DryRun(Run):
    """A run whose engine meets an Omnisend that takes everything.

    The API key is checked and the ledger read; Omnisend, ledger, disk and stdout stay as they
    are.
    """

    dry = True

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        """As `Run`."""
        super().__init__(*arguments, **options)
        # How long a batch will take is not known: none shall be given up for it.
        self.settings = replace(self.settings, confirm_timeout=math.inf)
        self.outcome.max_rejected_percent = math.inf  # until the whole input is read
        self._too_many: RunFailed | None = None

    @cached_property
    def runner(self) -> Rehearsal:
        """The rehearsal under way; made, and the API key checked, at its first use.

        Raises:
            RunFailed: when Omnisend, the ledger, the report's or the rejects' folder cannot be
                used.
        """
        runner = Rehearsal(
            self._make_delivery(0.0, _Unkept()),
            brand=self._make_checked_runner().brand,
            check_stopped=self._interrupt.check,
            refused=self._foresee,
        )
        self._remember(runner)
        return runner

    @property
    def _quota_share(self) -> float:
        """Without pacing of our own Omnisend's limits are left: a run cannot be faster."""
        return self.settings.quota_share or 1.0

    def _foresee(self) -> None:
        """Notice, after a rejected record, that a run would end here."""
        limit = self.settings.max_rejected_percent
        if self._too_many is None and self.outcome.hopelessly_rejected(limit):
            total = self.outcome.total()
            self._too_many = RunFailed(
                ExitCode.REJECTED,
                f"A run would end after {total.received} records, because {total.rejected} of "
                f"them are rejected, more than max_rejected_percent ({limit:g} %) allows. Correct "
                "them or the mapping first.",
            )

    def _rejected(self) -> RunFailed:
        total = self.outcome.total()
        why = (
            "none would be accepted"
            if self.outcome.nothing_arrived
            else f"max_rejected_percent ({self.settings.max_rejected_percent:g} %) allows fewer"
        )
        return RunFailed(
            ExitCode.REJECTED,
            f"A run would fail, because {total.rejected} of {total.received} records would be "
            f"rejected and {why}. Correct them or the mapping first.",
        )

    def finish(self, *, removing: bool = True) -> None:
        """As in a run, but that nothing is made.

        Raises:
            RunFailed: when the run would end early.
            Stopped: when a signal came.
        """
        self.outcome.max_rejected_percent = self.settings.max_rejected_percent
        super().finish(removing=removing and self._too_many is None)
        if self._too_many is not None:
            raise self._too_many

    def _wanted_segments(self) -> dict[str, list[t.Any]]:
        return {}

    def _progress(self) -> AbstractContextManager[t.Any]:
        # On a clock that jumps there is no pace; and METRIC lines would tell of nothing real.
        _ = self.runner
        return nullcontext()

    def _emit_state(self, state: dict[str, t.Any]) -> None:
        """Emit nothing."""

    def _tell(self) -> None:
        self._say_losses()
        for name, counts in self.outcome.streams.items():
            segment = self._segment_of(name)
            about = {"stream_name": name, "segment": segment, "counts": counts.numbers()}
            sentence = "Dry run, segment '%s', stream '%s': %s; %s."
            logger.info(sentence, segment, name, _would(counts), self._calls(name), extra=about)
        self._warn_of_unknown_statuses()
        clauses = [f"{self.outcome.total().received} received, {_would(self.outcome.total())}"]
        if "runner" in self.__dict__:
            if any(self._sent(None)):
                clauses.append(f"for several streams together: {self._calls(None)}")
            for sample in self.runner.samples:
                logger.info("Dry run, a contact as it would be sent, masked: %s", masked(sample))
            share = self._quota_share
            clauses.append(f"{_about(self.runner.seconds)} at {share:.0%} of Omnisend's limits")
        clauses += [f"exit code {self.outcome.exit_code}", *self._why()]
        clauses += ["nothing was sent or written"]
        say_last(self.outcome, f"Dry run: {'; '.join(clauses)}.")

    def _why(self) -> list[str]:
        if self.outcome.stopped_by is not None:
            return ["stopped by a signal before the end of the input"]
        if self.outcome.failure is not None:
            return [self.outcome.failure.sentence.removesuffix(".")]
        return []

    def _calls(self, stream: str | None) -> str:
        batches, tags = self._sent(stream)
        return f"batch calls: {batches}, tag calls: {tags}"

    def _sent(self, stream: str | None) -> tuple[int, int]:
        """Batch calls and tag calls about a stream; None has those about several."""
        sent = {endpoint: lane.tallies[stream].sent for endpoint, lane in self.runner.lanes.items()}
        tagging = sent[Endpoint.ADD_TAGS] + sent[Endpoint.REMOVE_TAGS]
        return sent[Endpoint.POST_BATCH], tagging


class _Unkept:
    """Refused records are counted, and kept nowhere."""

    def add(self, *_: t.Any, **__: t.Any) -> None:
        """Keep nothing."""


def masked(item: bytes) -> str:
    """A contact's JSON that shows its shape and nobody's data."""
    return msgspec.json.encode(_masked(msgspec.json.decode(item))).decode()


def _masked(value: t.Any, key: str = "") -> t.Any:
    match value:
        case dict():
            own = key == "customProperties"  # they may have any name
            return {name: _masked(one, "" if own else name) for name, one in value.items()}
        case list():
            return [_masked(one) for one in value]
        case bool() | None:
            return value
        case str():
            if key in _OMNISENDS_OWN or value == NEVER_NEWER:
                return value
            return "".join(one if one in " .,@+-:" else "x" for one in value)
        case _:
            return 0


def _would(counts: StreamCounts) -> str:
    parts = [f"{counts.accepted} would be accepted"]
    if counts.rejected:
        parts.append(f"{counts.rejected} would be rejected ({by_code(counts.rejections)})")
    others = {
        "duplicates": counts.duplicates,
        "unchanged": counts.unchanged,
        "skipped": counts.skipped,
        "would be removed": counts.removed,
    }
    parts += [f"{number} {what}" for what, number in others.items() if number]
    if left_out := counts.warnings.total():
        parts.append(f"{left_out} would be left out ({by_code(counts.warnings)})")
    return ", ".join(parts)


def _about(seconds: float) -> str:
    return f"about {seconds / 60:.0f} minutes" if seconds >= 90 else f"about {seconds:.0f} seconds"
