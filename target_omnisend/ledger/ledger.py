"""The ledger: fingerprints of confirmed members, by brand and segment."""

from __future__ import annotations

import itertools
import typing as t
from contextlib import suppress

from target_omnisend.errors import RunFailed
from target_omnisend.ledger import members as table
from target_omnisend.ledger.changes import Change, Segment, encode
from target_omnisend.ledger.contacts import ReadContacts
from target_omnisend.ledger.database import Database
from target_omnisend.ledger.journal import SIZES, JournaledMembers, Sizes
from target_omnisend.ledger.kept import KeptRows
from target_omnisend.ledger.open_batches import OpenBatches
from target_omnisend.ledger.proofs import Proofs
from target_omnisend.ledger.retries import RetryRows
from target_omnisend.ledger.runs import Runs
from target_omnisend.ledger.schema import JOURNAL, RUNS
from target_omnisend.ledger.seen import Seen

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Iterator

    from target_omnisend.ledger.changes import Changes


class Ledger(JournaledMembers):
    """What Omnisend already has, and by this target.

    Use it from any thread, but never from two at once. All its methods raise RunFailed when
    the database fails; what was not flushed by then is lost, which costs a repeat.
    E-mails are normalised by the caller.

    Attributes:
        batches: those that Omnisend took and that are not known to be over.
        kept: the rejected records, if they are kept here.
        runs: the history.
        proofs: what earlier runs proved by looking at Omnisend's contacts.
        contacts: those that Omnisend had when a run last read them.
        retries: the contacts that are to be sent once more.
    """

    def __init__(
        self,
        url: str,
        *,
        brand: str,
        utc_now: Callable[[], dt.datetime],
        wait: float = 10.0,
        dry: bool = False,
        sizes: Sizes = SIZES,
    ) -> None:
        """Open, and if need be make or upgrade, the ledger of a brand.

        Args:
            url: of the database.
            brand: whose members these are.
            utc_now: the present moment.
            wait: seconds, for another run on it to end.
            dry: leave the database as it is in the end; see `DryLedger`.
            sizes: how much is done at once.

        Raises:
            RunFailed: when it cannot be used; the sentence says why.
        """
        super().__init__(Database(url, brand=brand, wait=wait, dry=dry), brand, sizes)
        self._utc_now = utc_now
        self.batches = OpenBatches(self._database, brand, utc_now, dry=dry)
        self.kept = KeptRows(self._database, brand)
        self.runs = Runs(self._database, RUNS, brand=brand, dry=dry)
        self.proofs = Proofs(self._database, brand, utc_now)
        self.contacts = ReadContacts(self._database, brand, utc_now, dry=dry)
        self.retries = RetryRows(self._database, brand)

    def close(self) -> None:
        """Let go of the database. Flush before: what was not flushed may be lost."""
        with suppress(RunFailed):  # then the next run takes the journal in
            self._merge()
        self._database.close()

    # -- what is there -----------------------------------------------------------------

    def known(self, segment: str, emails: Collection[str]) -> dict[str, bytes]:
        """The fingerprints of those that were last confirmed as members of `segment`."""
        place = self._segments.get(segment)
        if place is None:
            return {}
        found = {}
        place.looked_up = looked_up = dict.fromkeys(emails)
        for email, fingerprint, number in self._find(place, emails):
            found[email] = fingerprint
            looked_up[email] = number
        for email in filter(place.unmerged.__contains__, emails):
            if change := place.unmerged[email]:
                found[email] = change.fingerprint
            else:
                found.pop(email, None)
        return found

    def mapping_fingerprint(self, segment: str) -> str | None:
        """The text that `set_mapping_fingerprint` got last."""
        place = self._segments.get(segment)
        return None if place is None else place.mapping

    def names(self) -> list[str]:
        """The segments that it knows, with members or without."""
        return list(self._segments)

    def segments(self) -> list[tuple[str, int]]:
        """Each segment in which this target made members, and how many, by name."""
        counts = [(name, self.count(name)) for name in sorted(self._segments)]
        return [(name, number) for name, number in counts if number]

    def count(self, segment: str) -> int:
        """How many members this target made."""
        self._merge()
        place = self._segments.get(segment)
        if place is None:
            return 0
        with self._database.guard():
            return table.count(self._database.connection, place.id)

    def members(self, segment: str, size: int = 250) -> Iterator[list[str]]:
        """All members that this target made; the caller can forget them as they come."""
        self._merge()
        if place := self._segments.get(segment):
            for page in self._pages(place, size):
                yield [email for email, _ in page]

    # -- what is confirmed -------------------------------------------------------------

    def set_mapping_fingerprint(self, segment: str, text: str) -> None:
        """Remember, durably, under which settings members are written from here on."""
        place = self._place(segment)
        self._table.update(place, mapping=text)
        place.mapping = text

    def confirm(
        self, segment: str, rows: Iterable[tuple[str, bytes]], *, given: bool = True
    ) -> None:
        """These, by e-mail and fingerprint, are in Omnisend as sent.

        `given` says that this target made them members; once it did, that stays until they
        are forgotten. They count as seen.
        """
        now = int(self._utc_now().timestamp())
        self._change(segment, {email: Change(mark, int(given), now) for email, mark in rows})

    def forget(self, segment: str, emails: Iterable[str]) -> None:
        """Forget these: they are not members any more."""
        self._change(segment, dict.fromkeys(emails))

    def flush(self) -> None:
        """Have everything so far on the disk when this returns, where the next run looks for it.

        Raises:
            RunFailed: when it cannot be written, or the file is another one.
        """
        places = self._segments.values()
        changes = [(place.id, place.unwritten) for place in places if place.unwritten]
        if changes or self.batches.unwritten or self.retries.unwritten:
            with self._database.guard(), self._database.transaction():
                self._write(changes)
            for place in places:
                place.unwritten.clear()
            self.batches.written()
            self.retries.written()
        if sum(len(place.unmerged) for place in places) >= self._sizes.unmerged:
            self._merge()
        self._database.check_is_there()

    # -- who left ----------------------------------------------------------------------

    def begin_seen(self, segment: str, version: str | None = None) -> bool:
        """Begin to note the members that the source has; none is seen yet.

        `version` names the stream's version, if it has one. The ledger remembers it until
        `end_seen`. The answer is False if an earlier run began with the same version and did
        not end. That run saw people that the tap does not have to send again, so this run
        cannot say which members left.
        """
        self.begin_look(segment)
        return self.set_version(segment, version)

    def begin_look(self, segment: str) -> None:
        """Begin to note the members that Omnisend has; none is seen yet.

        Then `see` and `leavers` are about them. A version that is half read stays so.
        """
        self._merge()
        place = self._place(segment)
        place.looked_up.clear()
        place.seen = Seen(self._next_number(place))

    def see(self, segment: str, emails: Collection[str]) -> None:
        """These are in the source; those the ledger does not know are seen when confirmed."""
        place = self._segments[segment]
        seen = self._seen(place)
        for email in emails:
            number = place.looked_up.get(email)
            if number is not None:
                seen.add(number)
        missing = [email for email in emails if email not in place.looked_up]
        for _, _, number in self._find(place, missing):
            seen.add(number)

    def count_leavers(self, segment: str, besides: Collection[str] = ()) -> int:
        """How many `leavers` would give, besides some."""
        return sum(email not in besides for page in self._unseen(segment) for email in page)

    def set_version(self, segment: str, version: str | None) -> bool:
        """From here on the run reads this version; members that were seen stay seen.

        False if an earlier run began to read the same version and did not end.
        """
        place = self._segments[segment]
        self._table.update(place, bringing=version)
        return version is None or version != place.brought_before

    def leavers(self, segment: str, size: int = 250) -> Iterator[list[str]]:
        """The members that left: this target made them, and this run did not see them.

        The caller can forget them as they come.
        """
        unseen = itertools.chain.from_iterable(self._unseen(segment))
        while chunk := list(itertools.islice(unseen, size)):
            yield chunk

    def end_seen(self, segment: str) -> None:
        """End what `begin_seen` began: the members that left are dealt with."""
        place = self._segments[segment]
        self._table.update(place, bringing=None)
        place.brought_before = place.seen = None

    # -- what feeds it -----------------------------------------------------------------

    def feeds(self, segment: str) -> set[tuple[str, str]]:
        """What ever fed the segment: streams, and the loaders that they came through."""
        place = self._segments.get(segment)
        return set(place.feeds) if place else set()

    def add_feed(self, segment: str, stream: str, loader: str) -> None:
        """Remember, durably, what feeds the segment."""
        self._table.add_feeds(self._place(segment), {(stream, loader)})

    def set_feeds(self, segment: str, feeds: Iterable[tuple[str, str]]) -> None:
        """Remember these, and no others."""
        self._table.set_feeds(self._place(segment), set(feeds))

    # -- inside ------------------------------------------------------------------------

    def _write(self, changes: list[tuple[int, Changes]]) -> None:
        if changes:
            row = {"brand": self._brand, "changes": encode(changes)}
            self._database.connection.execute(JOURNAL.insert(), row)
        self.batches.write()
        self.retries.write()

    def _change(self, segment: str, changes: Changes) -> None:
        place = self._place(segment)
        place.unwritten.update(place.change(changes))
        if sum(len(place.unwritten) for place in self._segments.values()) >= self._sizes.unwritten:
            self.flush()

    def _unseen(self, segment: str) -> Iterator[list[str]]:
        self._merge()
        place = self._segments[segment]
        seen = self._seen(place)
        for page in self._pages(place, self._sizes.page):
            yield [email for email, number in page if number not in seen]

    def _seen(self, place: Segment) -> Seen:
        if place.seen is None:
            raise RuntimeError("begin_seen comes first")
        return place.seen
