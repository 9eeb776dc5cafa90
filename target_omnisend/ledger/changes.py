"""What a run changed and the table of members does not have yet."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, field

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from target_omnisend.ledger.seen import Seen


class Change(t.NamedTuple):
    """A member as confirmed; a change to None is a member forgotten."""

    fingerprint: bytes
    given: int
    confirmed_at: int
    anew: bool = False
    """It was forgotten just before: nothing stays of the row."""


Changes: t.TypeAlias = dict[str, Change | None]

_JOURNAL: t.Final = msgspec.msgpack.Decoder(list[tuple[int, Changes]])


def encode(changes: list[tuple[int, Changes]]) -> bytes:
    """Changes, by the segment's ID, for the journal."""
    return msgspec.msgpack.encode(changes)


decode: t.Final = _JOURNAL.decode


@dataclass(slots=True, eq=False)
class Segment:
    """A segment as the run knows it: what is stored of it, and what is not yet."""

    id: int
    mapping: str | None = None
    brought_before: str | None = None
    next_number: int | None = None
    feeds: set[tuple[str, str]] = field(default_factory=set)
    seen: Seen | None = None
    unwritten: Changes = field(default_factory=dict)
    unmerged: Changes = field(default_factory=dict)
    looked_up: dict[str, int | None] = field(default_factory=dict)
    """The numbers, or their absence, that the last `known` found; `see` mostly follows it."""

    def change(self, changes: Changes) -> Changes:
        """Take in changes; as they are with what was before."""
        for email in changes.keys() & self.unmerged.keys():
            before, after = self.unmerged[email], changes[email]
            if after and before:
                given = max(before.given, after.given)
                changes[email] = after._replace(given=given, anew=before.anew)
            elif after:
                changes[email] = after._replace(anew=True)
        self.unmerged.update(changes)
        return changes


def chunks(items: Collection[str], size: int) -> Iterator[list[str]]:
    """Lists of at most so many of the items."""
    rest = iter(items)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
