"""The ledger as a filter: contacts that have not changed since an earlier run confirmed them."""

from __future__ import annotations

import json
import logging
import typing as t

from target_omnisend.delivery.mirror import Mirrors, NoMirrors
from target_omnisend.delivery.model import MARK_BYTES
from target_omnisend.delivery.retries import NoRetries, Retries
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from array import array
    from collections.abc import Collection, Iterable, Sequence

    from target_omnisend.delivery.model import Batch, Entry, Origin, Segment
    from target_omnisend.delivery.protocol import Ledger, OpenBatch

logger = logging.getLogger("target-omnisend.delivery")

UNKNOWN: t.Final = b""
"""In place of a fingerprint: the ledger knows a member, and nothing of its contact."""


class NoContacts:
    """Without a ledger all contacts have to be read."""

    def drop(self) -> None:
        """Forget nothing."""

    def begin(self) -> tuple[None, list[array[int]]]:
        """All of them."""
        return None, []

    def keep(self, parts: Sequence[array[int]], date: str) -> None:
        """Remember nothing."""


class NoChangeFilter:
    """Without a ledger each contact counts as changed."""

    def __init__(self) -> None:
        """Know nothing."""
        self.contacts = NoContacts()
        self.mirrors = NoMirrors()
        self.retries = NoRetries()

    def open(self, origin: Origin) -> None:
        """Note nothing."""

    def split_unchanged(
        self,
        segment: Segment,  # noqa: ARG002
        entries: Sequence[Entry],
    ) -> tuple[Sequence[Entry], Sequence[Entry]]:
        """None is unchanged."""
        return (), entries

    def mark_uncertain(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """Note nothing."""

    def confirm(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """Note nothing."""

    def forget(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """Note nothing."""

    def begin_batch(self, batch: Batch) -> None:
        """Note nothing."""

    def end_batch(self, batch: Batch) -> None:
        """Note nothing."""


class ChangeFilter:
    """A ledger, as the engine uses it.

    Attributes:
        mirrors: the members in the source of each segment.
        contacts: those that Omnisend had when a run last read them.
        retries: contacts that earlier runs could not deliver.
    """

    def __init__(self, ledger: Ledger, mirrors: Mirrors, *, full_refresh: bool) -> None:
        """Remember by `ledger`; with `full_refresh` no contact counts as unchanged."""
        self.contacts = ledger.contacts
        self.mirrors = mirrors
        self.retries = Retries(ledger.retries)
        self._ledger = ledger
        self._full_refresh = full_refresh
        self._opened: set[str] = set()

    # -- what changed ------------------------------------------------------------------

    def open(self, origin: Origin) -> None:
        """Announce a stream of a segment; says why everything is sent again, if it is.

        The first stream of a segment speaks for it: the others can have settings of their own.

        Raises:
            RunFailed: when its streams have different sync modes.
        """
        segment = origin.segment
        self.retries.open(origin)
        if not segment.settings:
            return
        if segment.name not in self._opened:
            self._opened.add(segment.name)
            self._compare_settings(origin)
        self.mirrors.open(origin)

    def _compare_settings(self, origin: Origin) -> None:
        segment = origin.segment
        now = json.dumps(dict(segment.settings), sort_keys=True)
        before = self._ledger.mapping_fingerprint(segment.name)
        if before is not None and before != now:
            logger.info(
                "Segment '%s': everything is sent again, because %s changed.",
                segment.name,
                _difference(before, segment.settings),
                extra=event("segment_sent_again", **origin.about),
            )
        if before != now:
            self._ledger.set_mapping_fingerprint(segment.name, now)

    def split_unchanged(
        self, segment: Segment, entries: Sequence[Entry]
    ) -> tuple[Sequence[Entry], Sequence[Entry]]:
        """The entries that need no call, and the others.

        No call is needed for a contact that is unchanged, and for a deletion of a person that
        was never a member. Each entry learns what the ledger knows of it.
        """
        if not entries:
            return (), ()
        known = self._ledger.known(segment.name, [entry.email for entry in entries])
        self.mirrors.see(segment.name, [entry.email for entry in entries if not entry.leaves])
        unchanged: list[Entry] = []
        changed: list[Entry] = []
        for entry in entries:
            before = entry.before = known.get(entry.email)
            (unchanged if self._is_unchanged(entry, before) else changed).append(entry)
        return unchanged, changed

    def _is_unchanged(self, entry: Entry, before: bytes | None) -> bool:
        if entry.leaves:
            waits = self.retries.has(entry.origin.segment.name, entry.email)
            return before is None and entry.from_record and not waits
        if before is None or self._full_refresh:
            return False
        entry.member = before[:MARK_BYTES] == (entry.fingerprint or b"")[:MARK_BYTES]
        return before == entry.fingerprint

    def mark_uncertain(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """Have the ledger forget the fingerprints of entries that are about to be sent.

        Otherwise a run that dies after the change would leave the ledger with the contact that
        was there before, and the next run would take such a contact for unchanged. The mark is
        on the disk when this returns. Of the people that stay, the ledger still knows that
        they are members.
        """
        rows = [
            (entry.email, UNKNOWN if entry.leaves else entry.before[:MARK_BYTES])
            for entry in entries
            if entry.before and (entry.leaves or len(entry.before) > MARK_BYTES)
        ]
        if rows:
            self._ledger.confirm(segment.name, rows, given=False)
            self._ledger.flush()

    def confirm(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """These are in Omnisend as sent."""
        rows = [(entry.email, entry.fingerprint or UNKNOWN) for entry in entries]
        if not rows:
            return
        given = segment.tag is not None or segment.clear is not None
        self._ledger.confirm(segment.name, rows, given=given)

    def forget(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """These lost the membership."""
        self._ledger.forget(segment.name, [entry.email for entry in entries])

    # -- batches under way -------------------------------------------------------------

    def begin_batch(self, batch: Batch) -> None:
        """Omnisend took a batch, and can carry it out whatever becomes of this run."""
        self._ledger.batches.begin(batch.id, [entry.email for entry in batch.entries])

    def end_batch(self, batch: Batch) -> None:
        """It is over."""
        self._ledger.batches.end([batch.id])

    def open_batches(self) -> Sequence[OpenBatch]:
        """Those of earlier runs that are not known to be over."""
        return self._ledger.batches.all()

    def settle_batches(self, people: Collection[str], over: Collection[str]) -> None:
        """Take these people for changed, and forget the batches that are over.

        An older batch can have overwritten their confirmed contacts, in any segment.
        """
        for segment in self._ledger.names():
            known = self._ledger.known(segment, people)
            rows = [(e, mark[:MARK_BYTES]) for e, mark in known.items() if len(mark) > MARK_BYTES]
            self._ledger.confirm(segment, rows, given=False)
        self._ledger.batches.end(over)
        self._ledger.flush()


Changes: t.TypeAlias = ChangeFilter | NoChangeFilter


def _difference(before: str, now: t.Mapping[str, str]) -> str:
    try:
        then = dict(json.loads(before))
    except ValueError:
        then = {}
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return ", ".join(f"'{name}'" for name in changed) + (" has" if len(changed) == 1 else " have")
