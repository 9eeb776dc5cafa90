"""People that Omnisend does not have yet: they are skipped, or counted before anything is sent.

With `create_contacts: false` entries of such people are settled as skipped. With
`max_new_contacts` every entry waits until the input has ended and each person was looked up.
A member that the ledger knows counts as a contact that Omnisend has.
"""

from __future__ import annotations

import logging
import typing as t
from collections import deque
from dataclasses import dataclass

from target_omnisend.delivery.failures import too_many_new
from target_omnisend.delivery.presence import MAX_LOOK_UPS, Presence
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.batcher import Batcher
    from target_omnisend.delivery.model import Entry, Segment
    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.delivery.settlement import Settlement

logger = logging.getLogger("target-omnisend.delivery")


@dataclass(frozen=True, slots=True)
class Growth:
    """The new contacts that a run may make.

    Attributes:
        create: it may make any.
        limit: so many at most; None without a limit.
        looking: the people have to be looked up.
        max_look_ups: so many by address, more by reading the contacts of the store.
    """

    create: bool = True
    limit: int | None = None
    looking: bool = False
    max_look_ups: int = MAX_LOOK_UPS

    @classmethod
    def of(cls, create: bool, limit: int | None, *, dry: bool = False) -> Growth:  # noqa: FBT001 - as the settings
        """What the settings say; a dry run counts all, and is held by no limit."""
        looking = limit is not None or not create
        return cls(create, None if dry else limit, looking)


UNBOUNDED: t.Final = Growth()
"""Each person becomes a contact, and no person is looked up."""


class Newcomers:
    """Holds entries until it is known whether Omnisend has their people.

    Attributes:
        looking: people are looked up; otherwise no entry waits here.
        counting: every entry waits, because the number of new people is not known yet.
        ready: entries that go back to the pending ones, by segment.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        batcher: Batcher,
        settlement: Settlement,
        outcome: Outcome,
        growth: Growth,
    ) -> None:
        """Hold entries of `batcher`, and give them back to it."""
        self.looking = growth.looking
        self.counting = growth.limit is not None
        self.ready: dict[Segment, deque[Entry]] = {}
        self._batcher = batcher
        self._settlement = settlement
        self._outcome = outcome
        self._growth = growth
        self._presence = Presence(scheduler, settlement, growth.max_look_ups)
        self._new: set[int] = set()
        """Hashes of the addresses of people that Omnisend does not have."""
        self._absent: list[Entry] = []
        if self.looking:
            outcome.new_people = 0

    def sort(
        self, segment: Segment, entries: Sequence[Entry]
    ) -> tuple[Sequence[Entry], Sequence[Entry]]:
        """The entries that wait here, and those that can go out."""
        if not self.looking:
            return (), entries
        unknown = [entry for entry in entries if self._is_unknown(segment, entry)]
        asked = set(unknown)
        others = [entry for entry in entries if entry not in asked]
        self._presence.ask(unknown)
        if self.counting:
            self.ready.setdefault(segment, deque()).extend(others)
            unknown, others = list(entries), []
        for entry in unknown:
            if not entry.leaves:
                entry.free_item()
        return unknown, others

    def _is_unknown(self, segment: Segment, entry: Entry) -> bool:
        """Whether it has to be found out, or decided, what becomes of an entry."""
        if entry.before is not None:
            entry.known = True
            return False
        if entry.leaves and segment.clear is None:
            return False  # a tag call makes no contact
        if entry.known is None:
            entry.known = self._known(entry)
        return entry.known is None

    def _known(self, entry: Entry) -> bool | None:
        """Whether Omnisend had the person; None if that, or the way of the entry, is undecided."""
        if has := self._presence.has(entry.email):
            return True
        joins = self._growth.create and not entry.leaves
        return has if joins and hash(entry.email) in self._new else None

    def tick(self, now: float, *, room: int, everyone: bool, full: bool) -> None:
        """Settle people that get no contact, and give so many of the other entries back.

        `everyone`: all people of the input are known here; `full`: no more can be held.

        Raises:
            RunFailed: if more people are new than allowed, or if that cannot be found out.
        """
        self._presence.tick(now)
        if self._presence.failure is not None:
            raise self._presence.failure
        self._decide()
        if self._presence.waiting:  # one by one each of them would make a batch of its own
            return
        self._check_limit(everyone=everyone)
        self._settle_absent(now)
        if self.counting and (everyone or full):
            self._open(everyone=everyone)
        if not self.counting:
            self._give_back(now, room)

    def cancel(self) -> None:
        """Ask for no more people: the run ends early."""
        self._presence.cancel()

    def _decide(self) -> None:
        """Take in what became known of people."""
        for entry, there in self._presence.take():
            entry.known = there
            is_new = not there and not entry.leaves
            if is_new:
                self._new.add(hash(entry.email))
            if there or (is_new and self._growth.create):
                self.ready.setdefault(entry.origin.segment, deque()).append(entry)
            else:
                self._absent.append(entry)
        self._outcome.new_people = len(self._new)

    def _check_limit(self, *, everyone: bool) -> None:
        limit = self._growth.limit
        if limit is not None and self._growth.create and len(self._new) > limit:
            raise too_many_new(len(self._new), limit, ended=everyone, wrote=not self.counting)

    def _settle_absent(self, now: float) -> None:
        if not self._absent:
            return
        absent, self._absent = self._absent, []
        left = {entry for entry in absent if entry.leaves and not entry.from_record}
        self._settlement.skip([entry for entry in absent if entry not in left], now)
        for entry in left:
            self._settlement.remove(entry.origin.segment, [entry], now)

    def _open(self, *, everyone: bool) -> None:
        """Let entries go out; if more are to come, new people as far as the limit is kept."""
        self.counting = False
        logger.info(
            "Omnisend does not have %d of the people; max_new_contacts allows %s. The run sends "
            "them.%s",
            len(self._new),
            self._growth.limit,
            "" if everyone else " More people come: raise 'max_unconfirmed' to count them first.",
            extra=event("newcomers_counted", new=len(self._new), everyone=everyone),
        )

    def _give_back(self, now: float, room: int) -> None:
        while self.ready and room > 0:
            segment, entries = next(iter(self.ready.items()))
            for _ in range(min(room, len(entries))):
                entry = entries.popleft()
                entry.make_item()
                self._batcher.put_back(entry, now)
                room -= 1
            if not entries:
                del self.ready[segment]
