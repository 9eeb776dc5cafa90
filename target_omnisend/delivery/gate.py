"""The gate before the submitter: the first batch goes out alone, once its people were looked at.

With `verify: sample` up to 20 people of the first batch are looked up before it goes out. The other
batches wait until `proof` has seen what the batch did. Later batches are looked at alongside.
"""

from __future__ import annotations

import logging
import typing as t
from collections import deque

from target_omnisend.delivery.exchange import Exchanges
from target_omnisend.delivery.looks import Watch
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.looks import Person
    from target_omnisend.delivery.model import Batch
    from target_omnisend.delivery.proof import Proof
    from target_omnisend.delivery.submitter import Submitter

logger = logging.getLogger("target-omnisend.delivery")

PEOPLE: t.Final = 20
"""People of the first batch that are looked at."""

ALONGSIDE: t.Final = 5
"""People of every `EVERY`-th later batch that are looked at, until a subscribed one was among
them: only such people show whether consent stays."""

EVERY: t.Final = 10

MOST_CALLS: t.Final = 200
"""Look-ups of a run after which no further batch is looked at."""


class Gate:
    """Batches on their way to the submitter.

    Attributes:
        entries: how many entries wait here.
    """

    def __init__(
        self, scheduler: Scheduler, submitter: Submitter, proof: Proof, *, looking: bool
    ) -> None:
        """Hand batches to `submitter`; unless `looking`, each one at once."""
        self.entries = 0
        self._submitter = submitter
        self._proof = proof
        self._looks = proof.looks
        self._exchanges = Exchanges(scheduler)
        self._looking = looking
        self._shut = looking
        self._waiting: deque[Batch] = deque()
        self._alone: Watch | None = None
        self._looked_at: list[Watch] = []
        """Batches whose people are being looked at before they go out."""
        self._number = 0
        self._planned = 0
        """Look-ups before and after the batches that were chosen so far."""

    @property
    def is_empty(self) -> bool:
        """Whether no batch waits here, and none that went out alone is under way."""
        return not self.entries and not (self._shut and self._alone)

    def trust(self) -> None:
        """An earlier run proved it: no batch waits for another one."""
        self._shut = False
        self._looks.remembered = True

    def add(self, batch: Batch) -> None:
        """Take a batch in."""
        self.entries += len(batch.entries)
        if self._shut:
            self._waiting.append(batch)
        else:
            self._pass(batch)

    def cancel(self) -> None:
        """Let no more batches out."""
        self._waiting.clear()
        self._looked_at.clear()
        self.entries = 0

    def tick(self) -> None:
        """Let out each batch whose people were looked at, and those that waited for it."""
        for watch in [one for one in self._looked_at if not one.asking]:
            self._looked_at.remove(watch)
            self._send(watch)
        if not self._shut:
            return
        if self._alone is None:
            self._send_alone()
        elif self._alone not in self._looked_at and not self._proof.is_watching(self._alone):
            self._alone = None
            self._open_or_send_alone()

    def _open_or_send_alone(self) -> None:
        if not (self._looks.proven or self._looks.not_proven):
            self._send_alone()  # Omnisend took nothing of that batch: it shows nothing
            return
        self._say_result()
        self._shut = False
        while self._waiting:
            self._pass(self._waiting.popleft())

    def _send_alone(self) -> None:
        if self._waiting:
            self._alone = self._look_at(Watch(self._waiting.popleft(), PEOPLE))

    def _pass(self, batch: Batch) -> None:
        """Submit a batch at once, or look at some of its people first."""
        self._number += 1
        if people := self._people_of_next():
            self._look_at(Watch(batch, people, MOST_CALLS))
        else:
            self._submit(batch)

    def _people_of_next(self) -> int:
        looks = self._looks
        if not self._looking or looks.not_proven or looks.wrong:
            return 0
        if looks.remembered:
            return PEOPLE if self._number == 1 else 0
        if looks.subscribed or max(looks.calls, self._planned) + 2 * ALONGSIDE > MOST_CALLS:
            return 0
        return 0 if self._number % EVERY else ALONGSIDE

    def _look_at(self, watch: Watch) -> Watch:
        watch.asking = len(watch.people)
        self._planned += 2 * len(watch.people)
        self._looked_at.append(watch)
        for person in watch.people:
            self._exchanges.start(self._look(watch, person))
        return watch

    def _look(self, watch: Watch, person: Person) -> Exchange[None]:
        yield from person.look_before()
        self._looks.calls += 1
        watch.asking -= 1

    def _send(self, watch: Watch) -> None:
        """Submit a batch whose people were looked at; watch it if a look succeeded."""
        findings = [person.before for person in watch.people if person.before is not None]
        if any(finding.is_known for finding in findings):
            self._proof.watch(watch)
        elif not self._looks.not_proven:
            forbidden = any(finding.forbidden for finding in findings)
            self._looks.not_proven = (
                "the API key cannot read contacts" if forbidden else "Omnisend did not answer"
            )
        self._submit(watch.batch)

    def _submit(self, batch: Batch) -> None:
        self.entries -= len(batch.entries)
        self._submitter.add(batch)

    def _say_result(self) -> None:
        looks = self._looks
        if looks.not_proven:
            logger.warning(
                "It is not proven that Omnisend keeps consent and gives memberships: %s. The run "
                "goes on without looking. An API key with the scope contacts.read lets it look.",
                looks.not_proven,
                extra=event("not_proven"),
            )
            return
        logger.info(
            "Looked at %d people before and after the first batch: nothing changed that must not. "
            "Omnisend had %d of them before, %d as subscribers, and shows %d as asked for.",
            *(looks.looked_at, looks.known, looks.subscribed, looks.shown),
            extra=event("proven", looked_at=looks.looked_at, subscribed=looks.subscribed),
        )
