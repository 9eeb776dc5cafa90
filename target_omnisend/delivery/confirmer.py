"""Batches are followed until Omnisend has finished them."""

from __future__ import annotations

import itertools
import math
import typing as t
from functools import partial

from target_omnisend.api.answers import Answer, Kind, as_list
from target_omnisend.api.budget import WINDOW_SECONDS, Endpoint
from target_omnisend.api.call import Call
from target_omnisend.delivery.responses import all_done, has_counts, is_over, judge

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping

    from target_omnisend.api.protocol import Api
    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.contact_ids import ContactIds
    from target_omnisend.delivery.model import Batch
    from target_omnisend.delivery.responses import Judgement

SHORTEST_GAP: t.Final = 0.25
LONGEST_GAP: t.Final = 60.0
GAP_SHARE: t.Final = 0.04
"""The gap between two listings, in seconds and as a share of the oldest open batch's age:
it grows while nothing happens, and adds at most that share to the time of a batch."""

UNSEEN_LISTINGS: t.Final = 2
"""Complete listings that must lack a batch before it is asked for by its ID."""

LAG_SECONDS: t.Final = 300.0
"""How long each call for a batch must get a 404 before the batch is given up. Omnisend does not
say how soon a batch shows up after its 201; its queues have lagged by minutes and more, and a
batch that is given up too early is sent twice."""

ASK_SHARE: t.Final = 0.5
"""Between two calls for a batch that gets 404: this share of the time since the first."""


class Confirmer:
    """The batches that Omnisend has taken and not yet finished.

    One listing (250 batches a call) shows most of them; a batch is asked for alone
    only where the listing leaves its verdicts open.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        results: ContactIds,
        since: dt.date,
        timeout: float,
        key: Callable[[str], str],
    ) -> None:
        """Hand batches that are over to `results`.

        Args:
            scheduler: makes the calls.
            results: the next stage.
            since: list batches made on this day or later.
            timeout: seconds after which a batch is given up.
            key: normalises an e-mail as those of the entries are.
        """
        self.open: dict[str, Batch] = {}
        self._scheduler = scheduler
        self._results = results
        self._since = since
        self._timeout = timeout
        self._key = key
        self._listing: set[str] | None = None
        self._page_before: t.Any = None
        self._next_listing = 0.0

    def watch(self, batch: Batch, now: float) -> None:
        """Follow a batch that Omnisend has just taken."""
        if batch.id in self.open:
            # Omnisend returned a batch ID already in use; both batches have the same name.
            self._results.expired(batch, now)
            return
        if not self.open:
            self._next_listing = now + SHORTEST_GAP
        self.open[batch.id] = batch

    def tick(self, now: float) -> None:
        """Give up each batch that took too long, and list the rest when that is due."""
        while self.open:
            oldest = next(iter(self.open.values()))
            if now < oldest.submitted_at + self._timeout:
                break
            del self.open[oldest.id]
            self._results.expired(oldest, now)
        if self.open and self._listing is None and now >= self._next_listing:
            self._listing = set(self.open)
            self._list(0)

    def _list(self, offset: int) -> None:
        self._scheduler.add(
            Call(
                Endpoint.LIST_BATCHES,
                lambda api: api.list_batches(self._since, offset),
                partial(self._listed, offset),
            )
        )

    def _listed(self, offset: int, answer: Answer, now: float) -> None:
        expected = self._listing or set()
        page = as_list(answer.body.get("batches")) if answer.kind is Kind.DONE else []
        for info in page:
            if isinstance(info, dict) and (batch := self.open.get(str(info.get("batchID")))):
                expected.discard(batch.id)
                if batch.unseen:
                    batch.unseen, batch.missing_since = 0, math.inf
                self._learn(batch, info, now)
        repeated, self._page_before = page == self._page_before, page
        if page and expected and not repeated:  # some servers do not page at all
            self._list(offset + len(page))
        else:
            self._end_listing(expected, now, readable=answer.kind is Kind.DONE)

    def _end_listing(self, missing: set[str], now: float, *, readable: bool) -> None:
        for batch in [self.open[name] for name in missing if name in self.open]:
            batch.unseen += 1
            if batch.unseen >= UNSEEN_LISTINGS or not readable:
                self._ask(batch, now)
        self._listing = None
        oldest = next((batch.submitted_at for batch in self.open.values()), now)
        # A small budget that is spent at once would leave a minute without a listing.
        pace = WINDOW_SECONDS / self._scheduler.lanes[Endpoint.LIST_BATCHES].budget.per_minute
        gap = min(max((now - oldest) * GAP_SHARE, SHORTEST_GAP, pace), LONGEST_GAP)
        self._next_listing = now + gap

    def _learn(self, batch: Batch, info: Mapping[str, t.Any], now: float) -> None:
        if not is_over(info):
            return
        if all_done(info, len(batch.entries)):
            self._over(batch, None, now)
        elif has_counts(info):
            self._ask_items(batch, now)
        else:
            self._ask(batch, now)

    def _ask(self, batch: Batch, now: float) -> None:
        self._get(batch, Endpoint.GET_BATCH, lambda api: api.batch(batch.id), self._told, now)

    def _told(self, batch: Batch, info: Mapping[str, t.Any], now: float) -> None:
        if all_done(info, len(batch.entries)):
            self._over(batch, None, now)
        else:
            self._ask_items(batch, now)

    def _ask_items(self, batch: Batch, now: float) -> None:
        self._get(
            batch, Endpoint.GET_ITEMS, lambda api: api.batch_items(batch.id), self._itemised, now
        )

    def _itemised(self, batch: Batch, info: Mapping[str, t.Any], now: float) -> None:
        emails = [entry.email for entry in batch.entries]
        self._over(batch, judge(info, emails, self._key), now)

    def _get(
        self,
        batch: Batch,
        endpoint: Endpoint,
        run: Callable[[Api], Answer],
        over: Callable[[Batch, Mapping[str, t.Any], float], None],
        now: float,
    ) -> None:
        """Ask about one batch; `over` gets the answer, if by then the batch is over."""
        if batch.asked or now < batch.ask_at:
            return
        batch.asked = True
        call = Call(endpoint, run, partial(self._got, batch, over), stream=batch.stream)
        self._scheduler.add(call)

    def _got(
        self,
        batch: Batch,
        over: Callable[[Batch, Mapping[str, t.Any], float], None],
        answer: Answer,
        now: float,
    ) -> None:
        batch.asked = False
        if batch.id not in self.open:
            return
        if answer.kind is Kind.GONE:
            self._not_found(batch, now)
        elif answer.kind is Kind.DONE:
            batch.missing_since = math.inf
            if is_over(answer.body):
                over(batch, answer.body, now)

    def _not_found(self, batch: Batch, now: float) -> None:
        batch.missing_since = min(batch.missing_since, now)
        missing = now - batch.missing_since
        if missing >= LAG_SECONDS:
            del self.open[batch.id]
            self._results.vanished(batch, now)
        else:
            batch.ask_at = now + min(max(missing * ASK_SHARE, 1.0), LAG_SECONDS - missing)

    def _over(self, batch: Batch, judgement: Judgement | None, now: float) -> None:
        del self.open[batch.id]
        self._results.judged(batch, judgement, now, coming=self._coming_after(batch))

    def _coming_after(self, batch: Batch) -> int:
        """Entries of batches that Omnisend took up to a minute after one that is over.

        Most take as long as that one, so they will be over within a minute.
        """
        last = batch.submitted_at + WINDOW_SECONDS
        taken = itertools.takewhile(lambda one: one.submitted_at <= last, self.open.values())
        return sum(len(one.entries) for one in taken if one.segment.tags)
