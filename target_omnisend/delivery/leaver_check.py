"""Whether Omnisend still has a member that left, before the property that shows it is written.

An upsert makes a contact that is not there. Without this check a run would make contacts anew
that the store has deleted, and they would count for the plan.
"""

from __future__ import annotations

import logging
import typing as t
from collections import deque
from itertools import islice

from target_omnisend.delivery.exchange import Exchanges
from target_omnisend.delivery.lookup import look_up
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.batcher import Batcher
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.lookup import Finding
    from target_omnisend.delivery.model import Entry, Segment
    from target_omnisend.delivery.settlement import Settlement

logger = logging.getLogger("target-omnisend.delivery")

MAX_LOOK_UPS: t.Final = 300
"""Members that a run looks up: Omnisend takes 400 look-ups a minute, so these take one minute.

The members beyond them are written without a look-up: of ten thousand, all look-ups would take
half an hour, and a walk through the contacts of a large store as long.
"""

AT_ONCE: t.Final = 10
"""Look-ups under way at once."""


class LeaverCheck:
    """Looks members that left up; those that Omnisend does not have are settled without a call.

    The first look-up without a finding ends the looking up, because it must not hold a run back.
    """

    def __init__(self, scheduler: Scheduler, batcher: Batcher, settlement: Settlement) -> None:
        """Give the members that Omnisend has back to `batcher`."""
        self._exchanges = Exchanges(scheduler)
        self._batcher = batcher
        self._settlement = settlement
        self._room = MAX_LOOK_UPS
        self._queue: deque[Entry] = deque()
        self._waiting: dict[Entry, None] = {}
        """Entries without a finding."""
        self._absent: list[Entry] = []
        self._others: list[Entry] = []
        self._checked: set[Entry] = set()

    def choose(self, leaving: Collection[Entry]) -> list[Entry]:
        """Those of these entries that are to be looked up before they are sent."""
        unchecked = (entry for entry in leaving if entry not in self._checked)
        return list(islice(unchecked, self._room))

    def check(self, entries: Collection[Entry]) -> None:
        """Look entries up that `choose` chose, and that neither batch nor segment holds."""
        self._room -= len(entries)
        self._checked.update(entries)
        self._queue.extend(entries)
        self._waiting.update(dict.fromkeys(entries))
        for _ in range(min(len(entries), AT_ONCE - self._exchanges.open)):
            self._exchanges.start(self._work())

    def tick(self, now: float) -> None:
        """Settle the members that Omnisend does not have, and give the others back.

        All of them together: given back one by one, each would be a batch of its own.
        """
        if self._waiting:
            return
        absent, self._absent = self._absent, []
        for segment, entries in _by_segment(absent).items():
            logger.info(
                "%d members that left segment '%s' are not in Omnisend any more. The run writes "
                "nothing for them.",
                len(entries),
                segment.name,
                extra=event("leavers_absent", segment=segment.name, members=len(entries)),
            )
            self._settlement.remove(segment, entries, now)
        others, self._others = self._others, []
        for entry in others:
            self._batcher.put_back(entry, now)

    def cancel(self) -> None:
        """Look no more members up: the run ends early."""
        self._queue.clear()

    def _work(self) -> Exchange[None]:
        while self._queue:
            entry = self._queue.popleft()
            self._take(entry, (yield from look_up(entry.email)))

    def _take(self, entry: Entry, finding: Finding) -> None:
        if entry not in self._waiting:  # given back without a finding
            return
        del self._waiting[entry]
        (self._absent if finding.is_absent else self._others).append(entry)
        if not finding.is_known:
            self._give_up(finding)

    def _give_up(self, finding: Finding) -> None:
        logger.warning(
            "Members that left cannot be looked up (%s), so Omnisend makes those anew that it has "
            "deleted. Give the API key the scope contacts.read.",
            finding.fault,
            extra=event("leavers_not_looked_up"),
        )
        self._room = 0
        self._queue.clear()
        self._others += self._waiting
        self._waiting.clear()


def _by_segment(entries: list[Entry]) -> dict[Segment, list[Entry]]:
    by_segment: dict[Segment, list[Entry]] = {}
    for entry in entries:
        by_segment.setdefault(entry.origin.segment, []).append(entry)
    return by_segment
