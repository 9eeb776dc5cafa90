"""The entries of one segment that wait for a tag call, with and without a contact ID."""

from __future__ import annotations

import heapq
import math
import operator
import typing as t
from collections import Counter, deque

from target_omnisend.delivery.model import MAX_TAG_EMAILS, MAX_TAG_IDS

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.delivery.model import Entry

Part: t.TypeAlias = tuple[float, list["Entry"]]
"""Entries, and the moment from which they can be sent."""


class TagQueue:
    """Two lines, because a call takes so many people by e-mail and so many others by ID.

    Attributes:
        by_email: entries that have no contact ID.
        by_id: entries that have one. A call can take them by e-mail too.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.by_email = Line()
        self.by_id = Line()

    def __len__(self) -> int:
        """Entries that wait."""
        return self.by_email.size + self.by_id.size

    def add(self, ready_at: float, entries: list[Entry], *, ids: bool) -> None:
        """Queue entries, to be sent at that time or later; `ids`: contact IDs are of use."""
        named = [entry for entry in entries if ids and entry.contact_id]
        self.by_id.add(ready_at, named)
        rest = [entry for entry in entries if not entry.contact_id] if named else entries
        self.by_email.add(ready_at, rest)

    def take(self, now: float) -> tuple[list[Entry], list[Entry]]:
        """The entries of the next call, by e-mail and by ID; people with an ID fill both."""
        emails = self.by_email.take(now, MAX_TAG_EMAILS)
        emails += self.by_id.take(now, MAX_TAG_EMAILS - len(emails))
        named, doubtful = _apart(self.by_id.take(now, MAX_TAG_IDS))
        self.by_email.put_back(now, doubtful)
        return emails, named

    def forget_ids(self) -> None:
        """From here on each entry goes by its e-mail."""
        self.by_email.merge(self.by_id)
        self.by_id = Line()

    def ready(self, now: float, enough: int) -> int:
        """Entries that can be sent now, counted up to `enough`."""
        ready = self.by_email.ready(now, enough)
        return ready if ready >= enough else ready + self.by_id.ready(now, enough - ready)

    @property
    def oldest(self) -> float:
        """From when on the first of them can be sent."""
        return min(self.by_email.oldest, self.by_id.oldest)

    @property
    def newest(self) -> float:
        """From when on all of them can be sent."""
        return max(self.by_email.newest, self.by_id.newest)

    def __iter__(self) -> Iterator[list[Entry]]:
        """The entries, in lists."""
        yield from self.by_email
        yield from self.by_id


class Line:
    """Entries in the order in which they can be sent.

    Attributes:
        size: how many there are.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.size = 0
        self._parts: deque[Part] = deque()

    def add(self, ready_at: float, entries: list[Entry]) -> None:
        """Queue entries behind the others."""
        if entries:
            self._parts.append((ready_at, entries))
            self.size += len(entries)

    def put_back(self, ready_at: float, entries: list[Entry]) -> None:
        """Queue entries in front of the others."""
        if entries:
            self._parts.appendleft((ready_at, entries))
            self.size += len(entries)

    def take(self, now: float, most: int) -> list[Entry]:
        """Remove at most so many of those that can be sent."""
        taken: list[Entry] = []
        while self._parts and self._parts[0][0] <= now and len(taken) < most:
            ready_at, entries = self._parts.popleft()
            room = most - len(taken)
            taken += entries[:room]
            if entries[room:]:
                self._parts.appendleft((ready_at, entries[room:]))
        self.size -= len(taken)
        return taken

    def merge(self, other: Line) -> None:
        """Take in the entries of another line."""
        parts = heapq.merge(self._parts, other._parts, key=operator.itemgetter(0))
        self._parts = deque(parts)
        self.size += other.size

    def ready(self, now: float, enough: int) -> int:
        """Entries that can be sent now, counted up to `enough`."""
        ready = 0
        for ready_at, entries in self._parts:
            if ready >= enough or ready_at > now:
                break
            ready += len(entries)
        return min(ready, enough)

    @property
    def oldest(self) -> float:
        """From when on the first can be sent; infinity without one."""
        return self._parts[0][0] if self._parts else math.inf

    @property
    def newest(self) -> float:
        """From when on the last can be sent; minus infinity without one."""
        return self._parts[-1][0] if self._parts else -math.inf

    def __iter__(self) -> Iterator[list[Entry]]:
        """The entries, in lists."""
        return (entries for _, entries in self._parts)


def _apart(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Those whose ID is theirs alone, and those of which two have the same one."""
    times = Counter(entry.contact_id for entry in entries)
    if len(times) == len(entries):
        return entries, []
    own = [entry for entry in entries if times[entry.contact_id] == 1]
    return own, [entry for entry in entries if times[entry.contact_id] > 1]
