"""Contacts that earlier runs could not deliver, for a passing reason, are sent once more.

They wait in the ledger. The next run of their segment sends them once its input has ended, unless
the source has sent the person again: the newer record wins.
"""

from __future__ import annotations

import logging
import typing as t

import msgspec

from target_omnisend.delivery.model import Action, Entry
from target_omnisend.errors import RunFailed
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_omnisend.delivery.checkpoint import Epoch
    from target_omnisend.delivery.model import Origin, Segment
    from target_omnisend.delivery.protocol import RetryRow, RetryStore

logger = logging.getLogger("target-omnisend.delivery")

MOST_TRIES: t.Final = 5
"""Runs that send a contact, the first one among them."""


class NoRetries:
    """Without a ledger nothing is remembered.

    Attributes:
        sending: this run sends contacts once more.
    """

    sending = False

    def open(self, origin: Origin) -> None:
        """Note nothing."""

    def keep(self, entry: Entry, code: str) -> RetryRow | None:
        """Nothing is kept."""

    def close(self, entries: Iterable[Entry]) -> None:
        """Note nothing."""

    def delete(self, segment: str, email: str) -> None:
        """Note nothing."""

    def has(self, segment: str, email: str) -> bool:  # noqa: ARG002
        """Nothing is kept."""
        return False

    def has_stayed(self, segment: str, email: str) -> bool:  # noqa: ARG002
        """Nothing is kept."""
        return False

    def due(self, epoch: Epoch) -> Iterator[Entry]:  # noqa: ARG002
        """Nothing is due."""
        return iter(())


class Retries:
    """The contacts that wait for a run that delivers them.

    Attributes:
        sending: this run sends contacts once more.
    """

    def __init__(self, store: RetryStore) -> None:
        """Keep them in `store`."""
        self.sending = False
        self._store = store
        self._left = set(store.tries)
        """What earlier runs left, and no record of this run has replaced."""
        self._origins: dict[str, list[Origin]] = {}
        self._rows: dict[str, dict[str, RetryRow]] = {}
        """Those of the segments of this run, by segment and address."""
        self._deleted: set[tuple[str, str]] = set()
        """Those whose deletion the source has sent."""
        self._stayed: set[tuple[str, str]] = set()
        """Members without a record of this run that Omnisend did not let go."""

    def open(self, origin: Origin) -> None:
        """Announce a stream under one of its schemas."""
        self._origins.setdefault(origin.segment.name, []).append(origin)

    def keep(self, entry: Entry, code: str) -> RetryRow | None:
        """Have the next run send an entry once more.

        If enough runs have tried, it is not kept; what an earlier run kept of it is returned.
        """
        segment, email = entry.origin.segment.name, entry.email
        row = None if entry.from_record else self._rows.get(segment, {}).get(email)
        tries = self._store.tries.get((segment, email), 0) + 1
        if entry.leaves and not entry.from_record:
            self._stayed.add((segment, email))
        if tries >= MOST_TRIES:
            self._store.drop(segment, email)
            return row
        self._left.discard((segment, email))
        try:
            item = entry.make_item()
        except RunFailed:  # its stream map makes another person of it the second time
            return None
        self._store.put(
            segment,
            email,
            item=item.decode(),
            line=_text(entry.line) if row is None else row.line,
            schema=_text(entry.origin.schema) if row is None else row.schema,
            fingerprint=(entry.fingerprint or b"").hex(),
            leaves=entry.leaves,
            tries=tries,
            code=code,
        )
        return None

    def close(self, entries: Iterable[Entry]) -> None:
        """These have their verdict: no older contact of the person is sent once more."""
        if not self._store.tries:
            return
        for entry in entries:
            self._store.drop(entry.origin.segment.name, entry.email)

    def delete(self, segment: str, email: str) -> None:
        """The source has deleted a person: nothing older of theirs is sent once more."""
        if self.has(segment, email):
            self._deleted.add((segment, email))

    def has(self, segment: str, email: str) -> bool:
        """Whether a contact of the person waits: they can be a member that no ledger knows."""
        return (segment, email) in self._store.tries

    def has_stayed(self, segment: str, email: str) -> bool:
        """Whether Omnisend did not let a member go in this run, which tries once."""
        return (segment, email) in self._stayed

    def due(self, epoch: Epoch) -> Iterator[Entry]:
        """The contacts to be sent once more, now that the input has ended.

        A person that the source has sent again is not among them. In a mirrored segment neither
        is a person that the source has not sent, because they left it.
        """
        for name in {segment for segment, _ in self._left} & self._origins.keys():
            entries = list(self._due_in(name, self._origins[name], epoch))
            if entries:
                self.sending = True
                logger.info(
                    "Segment '%s': contacts of earlier runs that are sent once more: %d.",
                    name,
                    len(entries),
                    extra=event("sent_once_more", segment=name, contacts=len(entries)),
                )
            yield from entries

    def _due_in(self, name: str, origins: list[Origin], epoch: Epoch) -> Iterator[Entry]:
        rows = {
            email: row for email, row in self._store.of_segment(name) if (name, email) in self._left
        }
        self._rows[name] = rows
        hashes = {hash(email) for email in rows}
        sent = {one for origin in origins for one in origin.present if one in hashes}
        origin = origins[-1]
        for email, row in rows.items():
            if hash(email) in sent or (origin.segment.mirrored and not row.leaves):
                self._store.drop(name, email)
                continue
            if (name, email) in self._deleted:  # the deletion is carried out after these
                continue
            action = Action.LEAVE if row.leaves else Action.JOIN
            mark = bytes.fromhex(row.fingerprint) or None
            # Without a line: it counts for no record of this run.
            yield Entry(origin, email, None, _item(origin.segment, email, row), epoch, mark, action)


def _item(segment: Segment, email: str, row: RetryRow) -> bytes:
    """The contact, which shows the membership as the segment does now.

    The settings can have changed since the record came.
    """
    if row.leaves:
        return segment.clear(email) if segment.clear else b""
    if segment.property is None:
        return row.item.encode()
    body = msgspec.json.decode(row.item)
    body.setdefault("customProperties", {})[segment.property] = True
    return msgspec.json.encode(body)


def _text(line: t.SupportsBytes | None) -> str:
    """A message as text; half a character of it, which no JSON can have, is replaced."""
    return bytes(line or b"").decode(errors="replace")
