"""The proof that Omnisend did what it was asked for: accepted people are looked at again.

It stands between the tagger and the settlement. `gate` chooses the batches, and looks at their
people before they go out.
"""

from __future__ import annotations

import logging
import typing as t
from collections import deque

from target_omnisend.delivery.exchange import Exchanges
from target_omnisend.delivery.failures import changed_by_omnisend, not_shown
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.ending import Ending
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.looks import Looks, Person, Watch
    from target_omnisend.delivery.model import Batch, Entry, Segment
    from target_omnisend.delivery.responses import Refusal
    from target_omnisend.delivery.settlement import Settlement
    from target_omnisend.errors import RunFailed

logger = logging.getLogger("target-omnisend.delivery")


class Proof:
    """Holds the accepted entries of a watched batch until its people were looked at again.

    Attributes:
        looks: what was seen, in numbers.
        again: entries whose tags are to be given once more; the engine hands them to the tagger.
    """

    def __init__(
        self, scheduler: Scheduler, settlement: Settlement, ending: Ending, looks: Looks
    ) -> None:
        """Hand entries on to `settlement`; end the run by `ending`."""
        self.looks = looks
        self.again: deque[tuple[Segment, list[Entry]]] = deque()
        self._exchanges = Exchanges(scheduler)
        self._settlement = settlement
        self._ending = ending
        self._watches: list[Watch] = []
        self._by_email: dict[str, Watch] = {}

    def watch(self, watch: Watch) -> None:
        """Hold the entries of a batch that is about to go out."""
        self._watches.append(watch)
        self._by_email.update(dict.fromkeys(watch.open, watch))

    @property
    def is_due(self) -> bool:
        """Whether the looks after a batch are done, and the batch has still to be judged."""
        return any(watch.is_seen for watch in self._watches)

    def is_watching(self, watch: Watch) -> bool:
        """Whether a batch has still to be judged."""
        return watch in self._watches

    def under_way(self) -> Iterator[list[Entry]]:
        """The entries that are held."""
        return (watch.accepted for watch in self._watches)

    # -- between the tagger and the settlement -----------------------------------------

    def accept(
        self, segment: Segment, entries: list[Entry], now: float, *, tagged: bool = False
    ) -> None:
        """Omnisend has these contacts; those of a watched batch are looked at first."""
        rest = self._hold(entries, now, tagged=tagged)
        self._settlement.accept(segment, rest, now, tagged=tagged)

    def remove(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """These people have lost the membership; the same."""
        self._settlement.remove(segment, self._hold(entries, now), now)

    def reject(self, entry: Entry, refusal: Refusal, now: float, **more: str) -> None:
        """Omnisend does not take a contact."""
        self._settlement.reject(entry, refusal, now, **more)
        self._close([entry], now)

    def leave_unconfirmed(self, batch: Batch, now: float) -> None:
        """No verdict will come for a batch."""
        self._settlement.leave_unconfirmed(batch, now)
        self._close(batch.entries, now)

    def _hold(self, entries: list[Entry], now: float, *, tagged: bool = False) -> list[Entry]:
        """The entries of no watched batch; the others wait for the looks."""
        if not self._by_email:
            return entries
        held = [entry for entry in entries if entry.email in self._by_email]
        rest = [entry for entry in entries if entry.email not in self._by_email]
        for entry in held:
            watch = self._by_email[entry.email]
            watch.accepted.append(entry)
            watch.tagged = watch.tagged or tagged
        self._close(held, now)
        return rest

    def _close(self, entries: list[Entry], now: float) -> None:
        for entry in entries:
            if watch := self._by_email.pop(entry.email, None):
                watch.open.discard(entry.email)
                if not watch.open:
                    self._look_again(watch, now)

    # -- the looks after a batch -------------------------------------------------------

    def _look_again(self, watch: Watch, now: float) -> None:
        watch.looking_after = True
        accepted = {entry.email for entry in watch.accepted}
        for person in watch.people:
            if person.entry.email in accepted and person.needs_look:
                watch.asking += 1
                self._exchanges.start(self._look(watch, person), now)

    def _look(self, watch: Watch, person: Person) -> Exchange[None]:
        yield from person.look_after(self.looks, watch.most_calls)
        watch.asking -= 1

    def tick(self, now: float) -> None:
        """Judge each batch whose looks are done."""
        for watch in [one for one in self._watches if one.is_seen]:
            self._judge(watch, now)

    def _judge(self, watch: Watch, now: float) -> None:
        seen = [person for person in watch.people if person.after is not None]
        missing = [person for person in seen if person.is_missing]
        if any(person.harmed for person in seen):
            self._fail(watch, changed_by_omnisend(seen), now)
        elif not missing:
            self._settle(watch, seen, now)
        elif watch.retagged or not (entries := watch.take_untagged(missing)):
            self._fail(watch, not_shown(watch.batch.segment, len(missing), len(seen)), now)
        else:
            self._by_email.update(dict.fromkeys(watch.open, watch))
            self.again.append((watch.batch.segment, entries))

    def _fail(self, watch: Watch, failure: RunFailed, now: float) -> None:
        """Leave the batch unconfirmed: no state passes it, and the ledger does not know it."""
        watch.failed = True
        self.looks.wrong = True
        self._ending.fail(failure, now)

    def _settle(self, watch: Watch, seen: list[Person], now: float) -> None:
        self._watches.remove(watch)
        self._count(seen)
        segment = watch.batch.segment
        joined = [entry for entry in watch.accepted if not entry.leaves]
        self._settlement.accept(segment, joined, now, tagged=watch.tagged)
        left = [entry for entry in watch.accepted if entry.leaves]
        self._settlement.remove(segment, left, now)

    def _count(self, seen: list[Person]) -> None:
        looks = self.looks
        judged = [person for person in seen if person.is_judged]
        looks.looked_at += len(judged)
        looks.known += sum(person.was is not None for person in judged)
        looks.subscribed += sum(person.stayed_subscribed for person in judged)
        for person in judged:
            if person.is_ is not None:
                looks.shown += 1
                person.entry.origin.counts.verified += not person.entry.leaves
            self._note_altered(person)
        if judged:
            looks.proven = True
        elif seen:
            looks.not_proven = "Omnisend did not answer the looks after the first batch"

    def _note_altered(self, person: Person) -> None:
        for name in sorted(person.altered):
            self.looks.altered[name] += 1
            if self.looks.altered[name] == 1:
                logger.warning(
                    "Omnisend shows '%s' in another form than it was sent. Compare a contact in "
                    "Omnisend with its record.",
                    name,
                    extra=event("value_altered", **person.entry.origin.about, field=name),
                )
