"""Contact IDs: they are in the items of a finished batch, and double what a tag call takes.

This stage stands between the confirmer and the results. A batch of which the counts say that
every item succeeded waits here for its items, if tags are the slower lane; without an answer it
goes on as the counts say.
"""

from __future__ import annotations

import typing as t
from functools import partial

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call
from target_omnisend.delivery.responses import Judgement, is_over, judge

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.model import Batch
    from target_omnisend.delivery.results import Results
    from target_omnisend.delivery.tagger import Tagger

LARGEST_SHARE: t.Final = 0.75
"""Of the budget for items. The rest is for batches whose counts leave verdicts open."""

FRUITLESS: t.Final = 3
"""Answers in a row without a contact ID after which no more are read for one."""


class ContactIds:
    """Reads items for the contact IDs, while tags are the slower lane.

    Attributes:
        reading: batches whose items are being read.
    """

    def __init__(
        self, scheduler: Scheduler, tagger: Tagger, results: Results, key: Callable[[str], str]
    ) -> None:
        """Hand batches on to `results`; `tagger` is what the contact IDs are for.

        `key` normalises an e-mail as those of the entries are.
        """
        self.reading: set[Batch] = set()
        self._scheduler = scheduler
        self._lane = scheduler.lanes[Endpoint.GET_ITEMS]
        self._adding = tagger.adding
        self._results = results
        self._key = key
        self._fruitless = 0

    def judged(
        self, batch: Batch, judgement: Judgement | None, now: float, *, coming: int = 0
    ) -> None:
        """Take a batch that is over; without a judgement, every item succeeded.

        `coming` entries of other batches are expected within a minute.
        """
        needing = 0
        if judgement is None and self._is_worth_it(batch, coming, now):
            needing = sum(entry.needs_tags for entry in batch.entries)
        if needing:
            self._read(batch, needing)
        else:
            self._results.judged(batch, judgement, now)

    def vanished(self, batch: Batch, now: float) -> None:
        """Take a batch that Omnisend does not know any more."""
        self._results.vanished(batch, now)

    def expired(self, batch: Batch, now: float) -> None:
        """Take a batch of which no verdict will come."""
        self._results.expired(batch, now)

    def _is_worth_it(self, batch: Batch, coming: int, now: float) -> bool:
        if not batch.segment.tags or not self._adding.wants_ids(batch.segment, coming):
            return False
        lane = self._lane
        calls = lane.budget.in_use(now) + len(lane.queue)
        return lane.paused_until <= now and calls < lane.budget.per_minute * LARGEST_SHARE

    def _read(self, batch: Batch, needing: int) -> None:
        self.reading.add(batch)
        self._adding.expect(batch.segment, needing)
        call = Call(
            Endpoint.GET_ITEMS,
            lambda api: api.batch_items(batch.id),
            partial(self._answered, batch, needing),
            stream=batch.stream,
            may_be_forbidden=True,
            optional=True,
            once=True,
        )
        self._scheduler.add(call)

    def _answered(self, batch: Batch, needing: int, answer: Answer, now: float) -> None:
        self.reading.discard(batch)
        self._adding.expect(batch.segment, -needing)
        judgement = self._judgement(batch, answer)
        if judgement is not None and judgement.contact_ids:
            self._fruitless = 0
        else:
            self._fruitless += 1
            if self._fruitless == FRUITLESS:
                self._adding.stop_ids("Omnisend does not say which contact IDs its contacts have")
        self._results.judged(batch, judgement, now)

    def _judgement(self, batch: Batch, answer: Answer) -> Judgement | None:
        """The verdicts by the items; items that they do not have, the counts vouch for."""
        if answer.kind is not Kind.DONE or not is_over(answer.body):
            return None
        judgement = judge(answer.body, [entry.email for entry in batch.entries], self._key)
        if not judgement.refused:
            judgement.accepted.update(dict.fromkeys(judgement.undone))
            judgement.undone = []
        return judgement
