"""The things that the engine moves: entries, in batches, for segments."""

from __future__ import annotations

import enum
import math
import typing as t
from array import array
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import attrgetter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_omnisend.delivery.checkpoint import Epoch
    from target_omnisend.delivery.outcome import StreamCounts

MAX_ITEMS: t.Final = 100
"""Items of one batch (2026-03-15; v3 and v5 took 1,000)."""

MAX_BYTES: t.Final = 900_000
"""Bytes of one batch's items; Omnisend's guide recommends a body of up to 1 MB."""

MAX_TAG_EMAILS: t.Final = 250
"""E-mails of one tag call."""

MAX_TAG_IDS: t.Final = 250
"""Contact IDs of one tag call, of other people than its e-mails."""


MARK_BYTES: t.Final = 4
"""Bytes of a fingerprint that name the settings it was made under; the rest names the contact."""


class Action(enum.Enum):
    """The effect of an entry on the membership of its person."""

    JOIN = "join"
    LEAVE = "leave"


LEAVE: t.Final = Action.LEAVE  # looking it up in the enum costs more than the comparison

_ORIGIN: t.Final = attrgetter("origin")  # a generator of our own costs twice as much


def fingerprint(mark: bytes, item: bytes) -> bytes:
    """The key by which the ledger knows an item; `mark` names the settings it was made under."""
    return mark + blake2b(item, digest_size=12).digest()


class Entry:
    """One record on its way: there may be `max_unconfirmed` of these, so it is small.

    Attributes:
        origin: the stream and the schema that the record came under.
        email: the person, normalised.
        line: the record's Singer message, whose `bytes` are for the rejects and for `remake`;
            None for a member that a mirror or `--retire` removes without a record.
        item: the contact as JSON, until Omnisend has taken the batch; then None.
        epoch: the stretch of input between two STATE messages that it belongs to.
        fingerprint: the ledger will know it by this; None without a ledger, and if it leaves.
        action: whether the person joins the segment or leaves it.
        member: the ledger says that the membership shows already.
        known: whether Omnisend had the person before the run; None if that was not looked up.
        before: the fingerprint that the ledger has.
        merged: the item holds more than the line says, so `remake` could not make it.
        consented: an older entry of the person, if the item has its consent and not the line's.
        left_out: the fields that each attempt left out of the item, see `trimming`.
        contact_id: Omnisend's name for the person, if the answer to the item has it.
    """

    __slots__ = (
        *("action", "before", "consented", "contact_id", "email", "epoch", "fingerprint"),
        *("item", "known", "left_out", "line", "member", "merged", "origin"),
    )

    def __init__(
        self,
        origin: Origin,
        email: str,
        line: t.SupportsBytes | None,
        item: bytes,
        epoch: Epoch,
        fingerprint: bytes | None,
        action: Action = Action.JOIN,
    ) -> None:
        """Keep the values; the change filter may set `before` and `member`."""
        self.origin = origin
        self.email = email
        self.line = line
        self.item: bytes | None = item
        self.epoch = epoch
        self.fingerprint = fingerprint
        self.action = action
        self.member = False
        self.known: bool | None = None
        self.before: bytes | None = None
        self.merged = False
        self.consented: Entry | None = None
        self.left_out: tuple[frozenset[str], ...] = ()
        self.contact_id: str | None = None

    def change(self, item: bytes) -> None:
        """Have another item sent than the line makes."""
        if item == self.item:
            return
        self.item, self.merged = item, True
        if self.fingerprint:
            self.fingerprint = fingerprint(self.fingerprint[:MARK_BYTES], item)

    def make_item(self) -> bytes:
        """The item; made again from the record if it was let go."""
        if self.item is None:
            assert self.line is not None  # noqa: S101 - `free_item` keeps the item without one
            self.item = self.origin.remake(self.line, self.email)
        return self.item

    def free_item(self) -> None:
        """Let go of an item that `make_item` can make again: it is most of an entry's memory."""
        if self.line is not None and not self.merged:
            self.item = None

    @property
    def leaves(self) -> bool:
        """Whether it takes the membership back."""
        return self.action is LEAVE

    @property
    def needs_tags(self) -> bool:
        """Whether the tags of its segment are to be given once its contact is accepted."""
        return not self.member and self.action is not LEAVE

    @property
    def from_record(self) -> bool:
        """Whether it comes from a record of the source, which needs a verdict."""
        return self.line is not None


@dataclass(eq=False, slots=True)
class Segment:
    """A segment under the settings that shape its contacts, and its entries that no batch holds.

    Streams with the same settings share it, and so do the schemas of one stream: their
    entries fill batches together.

    Attributes:
        name: of the segment, by which the ledger knows it.
        tags: given to every member once its contact is confirmed; may be empty.
        tag: the one of `tags` that shows membership, if one does.
        property: name of the custom property that shows membership, if one does.
        clear: makes the item that turns the property that shows membership false, from an
            e-mail; None if no property does.
        settings: name → short hash of each setting that shapes the contacts.
        mirrored: members that left the source lose the membership.
        pending: entries that no batch holds yet, by e-mail.
        waiting: number of entries whose person is still in an open batch.
    """

    name: str
    tags: tuple[str, ...] = ()
    tag: str | None = None
    property: str | None = None
    clear: Callable[[str], bytes] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    mirrored: bool = False
    pending: dict[str, Entry] = field(default_factory=dict)
    pending_since: float = 0.0
    waiting: int = 0


@dataclass(eq=False, slots=True)
class Origin:
    """Where records come from: a stream under one of its schemas.

    Attributes:
        stream: name of the stream.
        schema: the SCHEMA message of its records, as it was read.
        counts: the stream's verdicts.
        remake: makes `Entry.item` again, from `Entry.line` and `Entry.email`.
        segment: where its records go.
        columns: setting that names a column, such as `mapping.phone` → the column.
        loader: a hash of the settings that separate one loader's source from another's.
        present: a hash of the address of each person its stream has sent.
    """

    stream: str
    schema: bytes
    counts: StreamCounts
    remake: Callable[[t.Any, str], bytes]
    segment: Segment
    columns: Mapping[str, str] = field(default_factory=dict)
    loader: str = ""
    present: array[int] = field(default_factory=lambda: array("q"))

    @property
    def about(self) -> dict[str, t.Any]:
        """The fields of a log line about it."""
        return {"stream_name": self.stream, "segment": self.segment.name}


@dataclass(eq=False, slots=True)
class Batch:
    """Entries that go to Omnisend in one call.

    Attributes:
        attempt: how often its entries were sent before.
        id: Omnisend's name for it, once taken.
        submitted_at: when it was taken, in the clock's seconds.
        vanished: an earlier batch with these entries vanished.
        forbidden_at: when a call with these entries got its first 403.
        unseen: complete listings in a row that did not show it.
        asked: a call about it alone is under way.
        ask_at: it is not asked for alone before.
        missing_since: the moment from which each such call gets a 404.
        went_out: a call carried it, or its entries in an earlier batch.
    """

    segment: Segment
    entries: list[Entry]
    attempt: int = 0
    vanished: bool = False
    id: str = ""
    submitted_at: float = 0.0
    forbidden_at: float = math.inf
    unseen: int = 0
    asked: bool = False
    ask_at: float = -math.inf
    missing_since: float = math.inf
    went_out: bool = False

    @property
    def about(self) -> dict[str, t.Any]:
        """The fields of a log line about it."""
        return {
            "stream_name": self.stream,
            "segment": self.segment.name,
            "batch_id": self.id,
            "contacts": len(self.entries),
        }

    @property
    def stream(self) -> str | None:
        """The stream of its entries, if all are of one."""
        return common_stream(self.entries)

    def next_attempt(self, entries: list[Entry], *, vanished: bool = False) -> Batch:
        """A batch of these of its entries, to be sent once more."""
        return Batch(self.segment, entries, self.attempt + 1, self.vanished or vanished)

    def halves(self) -> list[Batch]:
        """The same entries in two batches."""
        return [self._part(entries) for entries in halves(self.entries)]

    def samples(self) -> list[Batch]:
        """The same entries, two of them in batches of their own."""
        return [self._part(entries) for entries in samples(self.entries)]

    def _part(self, entries: list[Entry]) -> Batch:
        return Batch(
            self.segment, entries, self.attempt, self.vanished, forbidden_at=self.forbidden_at
        )


def common_stream(entries: Iterable[Entry]) -> str | None:
    """The stream of all the entries; None if there are several."""
    streams = {entry.origin.stream for entry in entries}
    return streams.pop() if len(streams) == 1 else None


def by_origin(entries: Iterable[Entry]) -> Iterable[tuple[Origin, int]]:
    """How many of the entries came from each origin."""
    return Counter(map(_ORIGIN, entries)).items()


def halves(entries: list[Entry]) -> list[list[Entry]]:
    """The entries in two lists."""
    middle = len(entries) // 2
    return [entries[:middle], entries[middle:]]


def samples(entries: list[Entry]) -> list[list[Entry]]:
    """The rest, one entry from its middle, and the last entry; no list is empty."""
    middle = (len(entries) - 1) // 2
    rest = entries[middle + 1 : -1] + entries[:middle]
    return [part for part in (rest, entries[middle:-1][:1], entries[-1:]) if part]
