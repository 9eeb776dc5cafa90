"""Batches that earlier runs left open: Omnisend can carry them out after newer data came."""

from __future__ import annotations

import logging
import typing as t
from functools import partial

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.call import Call
from target_omnisend.delivery.responses import is_over
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.change_filter import ChangeFilter

logger = logging.getLogger("target-omnisend.delivery")

KEPT_SECONDS: t.Final = 7 * 86_400.0
"""Omnisend forgets a batch after 7 days (v3's documentation): it is not carried out any more."""

MAX_ASKED: t.Final = 300
"""Batches that one run asks about before it begins; that many fit into a minute's limit."""


class LeftOpen:
    """The work of a run about them before it sends a contact.

    Their people count as changed. A batch is remembered until it is known to be over, or old.

    Attributes:
        asking: calls that are not answered yet.
    """

    def __init__(self, scheduler: Scheduler, changes: ChangeFilter) -> None:
        """Look up which there are."""
        self.asking = 0
        self._scheduler = scheduler
        self._changes = changes
        self._batches = changes.open_batches()
        self._over = {batch.id for batch in self._batches if batch.age > KEPT_SECONDS}

    def ask(self) -> None:
        """Ask Omnisend about them."""
        young = [batch.id for batch in self._batches if batch.id not in self._over]
        for name in young[:MAX_ASKED]:
            self.asking += 1
            self._scheduler.add(
                Call(
                    Endpoint.GET_BATCH,
                    lambda api, name=name: api.batch(name),  # type: ignore[misc]
                    partial(self._told, name),
                    may_be_forbidden=True,
                )
            )

    def settle(self) -> None:
        """Have their people count as changed, and forget those that are over."""
        if not self._batches:
            return
        people = {email for batch in self._batches for email in batch.emails}
        self._changes.settle_batches(people, self._over)
        logger.info(
            "Batches that earlier runs left open: %d, of which %d are over. Their %d people count "
            "as changed.",
            len(self._batches),
            len(self._over),
            len(people),
            extra=event("batches_left_open", batches=len(self._batches), over=len(self._over)),
        )

    def _told(self, name: str, answer: Answer, now: float) -> None:
        del now
        self.asking -= 1
        if answer.kind is Kind.DONE and is_over(answer.body):
            self._over.add(name)
