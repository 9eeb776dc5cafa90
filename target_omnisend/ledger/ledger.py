"""The ledger: fingerprints of confirmed members, by brand and segment."""

from __future__ import annotations

import itertools
import json
import typing as t
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from target_omnisend.errors import RunFailed
from target_omnisend.ledger import members as table
from target_omnisend.ledger.changes import Change, Segment, decode, encode
from target_omnisend.ledger.contacts import ReadContacts
from target_omnisend.ledger.database import Database
from target_omnisend.ledger.kept import KeptRows
from target_omnisend.ledger.proofs import Proofs
from target_omnisend.ledger.retries import RetryRows
from target_omnisend.ledger.runs import Runs
from target_omnisend.ledger.schema import BATCHES, FEEDS, JOURNAL, RUNS, SEGMENTS
from target_omnisend.ledger.seen import Seen

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from target_omnisend.ledger.changes import Changes
    from target_omnisend.ledger.members import Row


@dataclass(frozen=True)
class Sizes:
    """How much the ledger does at once.

    Attributes:
        keys: e-mails that one statement looks up.
        page: rows that are read at once, if a whole segment is.
        unwritten: changes that are kept before they are written, asked for or not.
        unmerged: changes that are kept before members get them. E-mails come in no order, and
            each lies on another page: writing so many at once, sorted, writes a page for several
            of them.
    """

    keys: int = 1_000
    page: int = 5_000
    unwritten: int = 5_000
    unmerged: int = 50_000


SIZES: t.Final = Sizes()


_BEGIN_BATCH: t.Final = sa.text(
    "INSERT INTO target_omnisend_batches (brand, batch, emails, sent_at)"
    " VALUES (:brand, :batch, :emails, :sent_at) ON CONFLICT DO NOTHING"
)


class OpenBatch(t.NamedTuple):
    """A batch that Omnisend took and that is not known to be over; `age` is in seconds."""

    id: str
    emails: list[str]
    age: float


class Ledger:
    """What Omnisend already has, and by this target.

    Use it from any thread, but never from two at once. All its methods raise RunFailed when
    the database fails; what was not flushed by then is lost, which costs a repeat.
    E-mails are normalised by the caller.

    Attributes:
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
        self._brand = brand
        self._sizes = sizes
        self._utc_now = utc_now
        self._over: set[str] = set()
        self._database = Database(url, brand=brand, wait=wait, dry=dry)
        self.kept = KeptRows(self._database, brand)
        self.runs = Runs(self._database, RUNS, brand=brand, dry=dry)
        self.proofs = Proofs(self._database, brand, utc_now)
        self.contacts = ReadContacts(self._database, brand, utc_now, dry=dry)
        self.retries = RetryRows(self._database, brand)
        with self._database.guard():
            self._segments = self._load()
            self._replay()

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
        self._update(place, mapping=text)
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
        if changes or self._over or self.retries.unwritten:
            with self._database.guard(), self._database.transaction():
                self._write(changes)
            for place in places:
                place.unwritten.clear()
            self._over.clear()
            self.retries.written()
        if sum(len(place.unmerged) for place in places) >= self._sizes.unmerged:
            self._merge()
        self._database.check_is_there()

    # -- batches under way -------------------------------------------------------------

    def begin_batch(self, batch: str, emails: Iterable[str]) -> None:
        """Remember, durably, that Omnisend took a batch of these people."""
        row = {
            "brand": self._brand,
            "batch": batch,
            "emails": json.dumps(list(emails)),
            "sent_at": int(self._utc_now().timestamp()),
        }
        with self._database.guard():
            self._database.connection.execute(_BEGIN_BATCH, row)

    def end_batches(self, batches: Iterable[str]) -> None:
        """These are over; forget them with the next `flush`."""
        self._over.update(batches)

    def open_batches(self) -> list[OpenBatch]:
        """Those that are not known to be over, the oldest first."""
        now = self._utc_now().timestamp()
        query = sa.select(BATCHES).where(BATCHES.c.brand == self._brand)
        with self._database.guard():
            rows = self._database.connection.execute(query.order_by(BATCHES.c.sent_at)).all()
        return [OpenBatch(one.batch, json.loads(one.emails), now - one.sent_at) for one in rows]

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
        self._update(place, bringing=version)
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
        self._update(place, bringing=None)
        place.brought_before = place.seen = None

    # -- what feeds it -----------------------------------------------------------------

    def feeds(self, segment: str) -> set[tuple[str, str]]:
        """What ever fed the segment: streams, and the loaders that they came through."""
        place = self._segments.get(segment)
        return set(place.feeds) if place else set()

    def add_feed(self, segment: str, stream: str, loader: str) -> None:
        """Remember, durably, what feeds the segment."""
        place = self._place(segment)
        place.feeds.add((stream, loader))
        self._write_feeds(place, [(stream, loader)])

    def set_feeds(self, segment: str, feeds: Iterable[tuple[str, str]]) -> None:
        """Remember these, and no others."""
        place = self._place(segment)
        place.feeds = set(feeds)
        with self._database.guard(), self._database.transaction():
            self._database.connection.execute(FEEDS.delete().where(FEEDS.c.segment == place.id))
            self._write_feeds(place, place.feeds)

    # -- inside ------------------------------------------------------------------------

    def _load(self) -> dict[str, Segment]:
        query = sa.select(
            SEGMENTS.c.name, SEGMENTS.c.id, SEGMENTS.c.mapping, SEGMENTS.c.bringing
        ).where(SEGMENTS.c.brand == self._brand)
        found = self._database.connection.execute(query).all()
        places = {row.name: Segment(row.id, row.mapping, row.bringing) for row in found}
        by_number = {place.id: place for place in places.values()}
        for number, stream, loader in self._database.connection.execute(sa.select(FEEDS)):
            if number in by_number:  # those of other brands are not
                by_number[number].feeds.add((stream, loader))
        return places

    def _place(self, name: str) -> Segment:
        if name not in self._segments:
            insert = SEGMENTS.insert().values(brand=self._brand, name=name).returning(SEGMENTS.c.id)
            with self._database.guard():
                self._segments[name] = Segment(self._database.connection.scalars(insert).one())
        return self._segments[name]

    def _update(self, place: Segment, **values: str | None) -> None:
        with self._database.guard():
            self._database.connection.execute(
                SEGMENTS.update().where(SEGMENTS.c.id == place.id).values(**values)
            )

    def _write(self, changes: list[tuple[int, Changes]]) -> None:
        run = self._database.connection.execute
        if changes:
            run(JOURNAL.insert(), {"brand": self._brand, "changes": encode(changes)})
        for chunk in chunks(self._over, self._sizes.keys):
            named = BATCHES.c.batch.in_(chunk)
            run(BATCHES.delete().where(BATCHES.c.brand == self._brand, named))
        self.retries.write()

    def _write_feeds(self, place: Segment, feeds: Collection[tuple[str, str]]) -> None:
        rows = [{"segment": place.id, "stream": one, "loader": other} for one, other in feeds]
        if rows:
            with self._database.guard():
                self._database.connection.execute(FEEDS.insert(), rows)

    def _find(self, place: Segment, emails: Collection[str]) -> Iterator[tuple[str, bytes, int]]:
        for chunk in chunks(emails, self._sizes.keys):
            with self._database.guard():
                found = self._database.members.find(place.id, chunk)
            yield from found

    def _change(self, segment: str, changes: Changes) -> None:
        place = self._place(segment)
        place.unwritten.update(place.change(changes))
        if sum(len(place.unwritten) for place in self._segments.values()) >= self._sizes.unwritten:
            self.flush()

    def _replay(self) -> None:
        """Read the changes that an earlier run left in the journal."""
        places = {place.id: place for place in self._segments.values()}
        query = sa.select(JOURNAL.c.changes).where(JOURNAL.c.brand == self._brand)
        for text in self._database.connection.scalars(query.order_by(JOURNAL.c.id)):
            for number, changes in decode(text):
                places[number].change(changes)

    def _merge(self) -> None:
        """Move the changes from the journal into the table of members."""
        changed = [place for place in self._segments.values() if place.unmerged]
        if not changed:
            return
        with self._database.guard(), self._database.transaction():
            for place in changed:
                self._merge_segment(place)
            self._database.connection.execute(
                JOURNAL.delete().where(JOURNAL.c.brand == self._brand)
            )
        for place in changed:
            place.unmerged.clear()
            place.unwritten.clear()
            place.looked_up.clear()

    def _merge_segment(self, place: Segment) -> None:
        changes = place.unmerged
        gone = [email for email, change in changes.items() if change is None or change.anew]
        for chunk in chunks(gone, self._sizes.keys):
            self._database.members.remove(place.id, chunk)
        kept = sorted(email for email, change in changes.items() if change)
        for chunk in chunks(kept, self._sizes.keys):
            self._database.members.put(place.id, list(self._rows(place, chunk)))

    def _rows(self, place: Segment, emails: list[str]) -> Iterator[Row]:
        numbers = {email: number for email, _, number in self._find(place, emails)}
        for email in emails:
            number = numbers.get(email)
            if number is None:
                # Not used again while the run lasts, even when its owner is forgotten.
                number = self._next_number(place)
                place.next_number = number + 1
            elif place.seen:
                place.seen.add(number)
            if change := place.unmerged[email]:
                yield email, number, *change[:3]

    def _next_number(self, place: Segment) -> int:
        if place.next_number is None:
            with self._database.guard():
                place.next_number = table.next_number(self._database.connection, place.id)
        return place.next_number

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

    def _pages(self, place: Segment, size: int) -> Iterator[Sequence[tuple[str, int]]]:
        pages = table.pages(self._database.connection, place.id, size)
        while True:
            with self._database.guard():
                page = next(pages, None)
            if page is None:
                return
            yield page


def chunks(items: Collection[str], size: int) -> Iterator[list[str]]:
    """Lists of at most so many of the items."""
    rest = iter(items)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
