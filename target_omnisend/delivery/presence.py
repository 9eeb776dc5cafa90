"""Whether Omnisend has people: a few are looked up, for many all contacts are read once.

With a ledger later runs read only the contacts that changed since.
"""

from __future__ import annotations

import logging
import typing as t
from array import array
from bisect import bisect_left
from collections import deque

from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.exchange import Ask, Exchanges
from target_omnisend.delivery.failures import not_readable
from target_omnisend.delivery.lookup import read_finding
from target_omnisend.delivery.paging import FORBIDDEN_WAITS, Pages, email_of
from target_omnisend.events import event
from target_omnisend.mapping.address import email_number
from target_omnisend.mapping.dates import rfc3339

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.lookup import Finding
    from target_omnisend.delivery.model import Entry
    from target_omnisend.delivery.settlement import Settlement
    from target_omnisend.errors import RunFailed

logger = logging.getLogger("target-omnisend.delivery")

MAX_LOOK_UPS: t.Final = 1_000
"""People that a run looks up by address; as many calls read the contacts of a store of 250,000."""

AT_ONCE: t.Final = 10
"""Look-ups under way at once."""

TELLING_SECONDS: t.Final = 30.0
"""Seconds between two lines that say how many contacts were read."""

PART: t.Final = 250_000
"""Numbers that are sorted at once: each costs 40 bytes while it is."""


class Addresses:
    """Addresses by their numbers, 8 bytes each.

    It has an address that it did not get with a chance of one in 18 million million, for a store
    of a million.
    """

    def __init__(self, parts: Iterable[array[int]] = (), size: int = PART) -> None:
        """Have what these sorted parts have; sort so many numbers at once."""
        self.parts = list(parts)
        self._size = size
        self._unsorted = array("q")

    @property
    def count(self) -> int:
        """How many addresses it has."""
        return sum(map(len, self.parts)) + len(self._unsorted)

    def add(self, emails: Iterable[str]) -> None:
        """Take addresses in."""
        numbers = map(email_number, emails)
        self._unsorted.extend(one for one in numbers if not self._has(one))
        if len(self._unsorted) >= self._size:
            self.close()

    def close(self) -> None:
        """Have all of them found; a last part that is small grows."""
        if self.parts and len(self.parts[-1]) < self._size:
            self._unsorted.extend(self.parts.pop())
        self.parts.append(array("q", sorted(self._unsorted)))
        self._unsorted = array("q")

    def has(self, email: str) -> bool:
        """Whether the address is one of those that were there at the last `close`."""
        return self._has(email_number(email))

    def _has(self, number: int) -> bool:
        return any(_holds(part, number) for part in self.parts)


def _holds(part: array[int], number: int) -> bool:
    place = bisect_left(part, number)
    return place < len(part) and part[place] == number


class Presence:
    """Finds out whether Omnisend has people.

    It does not promise that a contact is still there later.

    Attributes:
        waiting: the entries of people that it does not know about yet.
        failure: why it cannot be found out; None as long as it can.
    """

    def __init__(self, scheduler: Scheduler, settlement: Settlement, max_look_ups: int) -> None:
        """Know no person; look so many up by address before contacts are read.

        The ledger of `settlement` knows which ones an earlier run read.
        """
        self.waiting: dict[Entry, None] = {}
        self.failure: RunFailed | None = None
        self._exchanges = Exchanges(scheduler)
        self._settlement = settlement
        self._queue: deque[Entry] = deque()
        self._max_look_ups = max_look_ups
        self._asked = 0
        self._found: dict[str, bool] = {}
        self._decided: list[tuple[Entry, bool]] = []
        self._store = Addresses()
        self._count = 0
        self._reading = False
        self._is_read = False
        self._cancelled = False
        self._told_at = 0.0

    def has(self, email: str) -> bool | None:
        """Whether Omnisend has the person; None if it is not known."""
        if email in self._found:
            return self._found[email]
        return self._store.has(email) if self._is_read else None

    def ask(self, entries: list[Entry]) -> None:
        """Find out about the people of entries; `take` has each of them in the end."""
        self.waiting.update(dict.fromkeys(entries))
        self._decide_known(entries)
        unknown = [entry for entry in entries if entry in self.waiting]
        self._asked += len(unknown)
        if self._asked > self._max_look_ups:
            self._read_store()
        if self._reading:
            return
        self._queue.extend(unknown)
        for _ in range(min(len(unknown), AT_ONCE - self._exchanges.open)):
            self._exchanges.start(self._look_up())

    def take(self) -> list[tuple[Entry, bool]]:
        """The entries of which it became known whether Omnisend has their people."""
        decided, self._decided = self._decided, []
        return decided

    def tick(self, now: float) -> None:
        """Say from time to time how far the reading is."""
        if not self._reading or self._is_read or now < self._told_at + TELLING_SECONDS:
            return
        if self._told_at:
            logger.info(
                "%d contacts of the store read so far, %d people wait for it.",
                self._count,
                len(self.waiting),
                extra=event("store_read", contacts=self._count, waiting=len(self.waiting)),
            )
        self._told_at = now

    def cancel(self) -> None:
        """Make no more calls than those under way: the run ends early."""
        self._queue.clear()
        self._cancelled = True

    def _decide(self, entry: Entry, *, there: bool) -> None:
        if entry in self.waiting:
            del self.waiting[entry]
            self._decided.append((entry, there))

    # -- a few, by address -------------------------------------------------------------

    def _look_up(self) -> Exchange[None]:
        while self._queue:
            entry = self._queue.popleft()
            finding = yield from _find(entry.email)
            if finding.is_known:
                self._found[entry.email] = not finding.is_absent
                self._decide(entry, there=not finding.is_absent)
            elif finding.forbidden:
                self._fail(finding.fault, forbidden=True)
            else:  # the pages can show what a look-up does not
                self._read_store()

    def _fail(self, fault: str, *, forbidden: bool) -> None:
        self.failure = not_readable(fault, forbidden=forbidden)
        self.cancel()

    # -- many, a page at a time --------------------------------------------------------

    def _read_store(self) -> None:
        if self._reading:
            return
        self._reading = True
        self._queue.clear()
        self._exchanges.start(self._read())

    def _read(self) -> Exchange[None]:
        memory = self._settlement.changes.contacts
        since, known = memory.begin()
        pages = yield from self._read_pages(since, known)
        if since and pages.kept_back is not None and pages.kept_back.kind is Kind.INVALID:
            # The filter is documented, and no user was seen to use it.
            memory.drop()
            pages = yield from self._read_pages(*memory.begin())
        if self._cancelled:
            return
        if (answer := pages.kept_back) is not None:
            self._fail(answer.fault, forbidden=answer.kind is Kind.FORBIDDEN)
            return
        self._store.close()
        if not pages.cut_off:
            memory.keep(self._store.parts, pages.date)
        self._is_read = True
        self._decide_known(list(self.waiting))

    def _read_pages(
        self, since: dt.datetime | None, known: Sequence[array[int]]
    ) -> Exchange[Pages]:
        """Read the contacts that changed since then, or all; the pages, which are over."""
        self._store = Addresses(known)
        which = "the contacts that changed lately" if since else "all contacts of the store once"
        logger.info(
            "The target reads %s, 250 a call, because it needs to know which people Omnisend has.",
            which,
            extra=event("reading_store", waiting=len(self.waiting), known=self._store.count),
        )
        pages = Pages({"updatedAtFrom": rfc3339(since)} if since else {})
        while not self._cancelled and (page := (yield from pages.next_page())) is not None:
            self._count += len(page)
            self._store.add(email for email in map(email_of, page) if email)
        return pages

    def _decide_known(self, entries: list[Entry]) -> None:
        for entry in entries:
            if (there := self.has(entry.email)) is not None:
                self._decide(entry, there=there)


def _find(email: str) -> Exchange[Finding]:
    """Look one person up, as often as it takes; a 403 is believed the third time.

    `look_up` gives up sooner, because no run needs its finding.
    """
    for wait in (0.0, *FORBIDDEN_WAITS):
        answer = yield Ask(Endpoint.READ_CONTACTS, lambda api: api.find_contact(email), wait=wait)
        if answer.kind is not Kind.FORBIDDEN:
            break
    return read_finding(email, answer)
