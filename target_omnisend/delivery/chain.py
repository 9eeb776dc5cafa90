"""The stages between a record's admission and its verdict, each of which holds the next one."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.batcher import Batcher
from target_omnisend.delivery.confirmer import Confirmer
from target_omnisend.delivery.contact_ids import ContactIds
from target_omnisend.delivery.cutter import Cutter
from target_omnisend.delivery.ending import Ending
from target_omnisend.delivery.gate import Gate
from target_omnisend.delivery.leaver_check import LeaverCheck
from target_omnisend.delivery.leavers import Leavers
from target_omnisend.delivery.newcomers import UNBOUNDED, Growth, Newcomers
from target_omnisend.delivery.proof import Proof
from target_omnisend.delivery.refusal_breaker import RefusalBreaker
from target_omnisend.delivery.results import Results
from target_omnisend.delivery.second_tries import SecondTries
from target_omnisend.delivery.settlement import Settlement
from target_omnisend.delivery.submitter import Submitter
from target_omnisend.delivery.tag_check import TagCheck
from target_omnisend.delivery.tagger import Tagger

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from target_omnisend.delivery.checkpoint import Checkpoint
    from target_omnisend.delivery.model import Entry
    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.delivery.protocol import Rejects

READ_AHEAD: t.Final = 20_000
"""Entries that may wait for their submission: more would only cost memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a run. Times in seconds; `quota_share` as in the setting.

    `check_tags`: see `TagCheck`.
    `growth` says which people the run may make contacts of.
    """

    quota_share: float
    confirm_timeout: float
    max_unconfirmed: int
    since: dt.date
    check_tags: bool = False
    growth: Growth = UNBOUNDED


class Chain:
    """All stages of a run, for those that move entries from one to another."""

    def __init__(
        self,
        limits: Limits,
        *,
        now: float,
        key: Callable[[str], str],
        checkpoint: Checkpoint,
        rejects: Rejects,
        outcome: Outcome,
        looking: bool = False,
    ) -> None:
        """Hold no entry.

        Args:
            limits: the bounds of the run.
            now: when it starts.
            key: normalises an e-mail as the admitted ones are.
            checkpoint: emits a state once all before it is settled.
            rejects: where rejected records are kept.
            outcome: it gets the verdicts.
            looking: people are looked at before and after a batch.
        """
        self.outcome = outcome
        self._max_unconfirmed = limits.max_unconfirmed
        self.checkpoint = checkpoint
        self.scheduler = scheduler = Scheduler(limits.quota_share)
        self.ending = ending = Ending(outcome)
        self.breaker = breaker = RefusalBreaker()
        self.batcher = batcher = Batcher(checkpoint)
        # From the end: each stage gets the next.
        self.settlement = settlement = Settlement(
            batcher, outcome, rejects, breaker, ending, started=now
        )
        self.proof = proof = Proof(scheduler, settlement, ending, outcome.looks)
        self.tagger = tagger = Tagger(scheduler, proof)
        self.results = results = Results(tagger, proof, settlement, breaker, ending)
        self.ids = ids = ContactIds(scheduler, tagger, results, key)
        self.confirmer = confirmer = Confirmer(
            scheduler, ids, limits.since, limits.confirm_timeout, key
        )
        self.second_tries = SecondTries()
        tag_check = TagCheck(scheduler, wanted=limits.check_tags)
        self.submitter = submitter = Submitter(scheduler, confirmer, proof, settlement, tag_check)
        self.gate = gate = Gate(scheduler, submitter, proof, looking=looking)
        self.leaver_check = leaver_check = LeaverCheck(scheduler, batcher, settlement)
        self.newcomers = newcomers = Newcomers(
            scheduler, batcher, settlement, outcome, limits.growth
        )
        self.cutter = Cutter(batcher, gate, tagger, settlement, leaver_check, newcomers)
        self.leavers = Leavers(batcher, settlement, outcome)

    @property
    def unsent(self) -> int:
        """Entries that wait for their submission."""
        return self.batcher.pending + self.gate.entries + self.submitter.entries

    def room(self) -> int:
        """How many more entries may be admitted; 0 or less for none."""
        return min(READ_AHEAD - self.unsent, self._unheld)

    def has_room(self) -> bool:
        """Whether another entry may be admitted."""
        return self.room() > 0

    @property
    def is_full(self) -> bool:
        """Whether no more entries may wait for their verdict."""
        return self._unheld <= 0

    @property
    def _unheld(self) -> int:
        return self._max_unconfirmed - self.batcher.held - self.leavers.held

    @property
    def is_idle(self) -> bool:
        """Whether no batch is under way, and none waits to be."""
        waiting = self.ids.reading or not (self.gate.is_empty and self.second_tries.is_empty)
        return self.submitter.idle and not waiting

    def cancel(self) -> None:
        """Submit nothing more."""
        self.newcomers.cancel()
        self.gate.cancel()
        self.leaver_check.cancel()
        self.submitter.cancel()

    def under_way(self) -> Iterator[list[Entry]]:
        """The entries that a call carried and that have no verdict."""
        posting = (batch for batch in self.submitter.posting if batch.went_out)
        opened = (*self.confirmer.open.values(), *self.ids.reading)
        again = (*self.results.again, *self.results.to_share)
        for batch in (*opened, *again, *posting):
            yield batch.entries
        yield from self.second_tries.under_way()
        yield from self.tagger.under_way()
        yield from self.proof.under_way()
