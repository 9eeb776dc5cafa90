"""Deletions that the source sends: they wait until the members of each stream are known."""

from __future__ import annotations

import typing as t
from array import array
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.delivery.model import Entry, Origin

HOLD_SECONDS: t.Final = 600.0
"""A deletion waits for the end of the input, but no longer than this: STATE waits with it."""


class _Held(t.NamedTuple):
    entry: Entry
    position: int
    """How many people its stream had sent before it."""


@dataclass(slots=True)
class _Stream:
    """One stream of a segment.

    Attributes:
        present: a hash of the address of each person it sent, in order.
        held: its deletions, by e-mail.
    """

    present: array[int] = field(default_factory=lambda: array("q"))
    held: dict[str, _Held] = field(default_factory=dict)
    origin: Origin | None = None


class Decided(t.NamedTuple):
    """The decision about a stream's deletions.

    Attributes:
        origin: of the stream.
        leaving: to be carried out.
        present: another stream of the segment sent the person in this run.
        superseded: the same stream sent the person again, or another one deletes it too.
    """

    origin: Origin
    leaving: list[Entry]
    present: list[Entry]
    superseded: list[Entry]


class Deletions:
    """Holds deletions, and knows the people of each stream: 8 bytes a record.

    Attributes:
        count: deletions that are held.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self.count = 0
        self._since = 0.0
        self._streams: dict[str, dict[str, _Stream]] = {}

    def open(self, origin: Origin) -> None:
        """Share the people that came among the sinks of one stream."""
        streams = self._streams.setdefault(origin.segment.name, {})
        stream = streams.setdefault(origin.stream, _Stream())
        stream.origin = origin
        origin.present = stream.present

    def is_alone(self, origin: Origin) -> bool:
        """Whether no other stream feeds the segment in this run, as far as it has come."""
        return len(self._streams[origin.segment.name]) == 1

    def add(self, entry: Entry, now: float) -> Entry | None:
        """Hold a deletion; gives back the older one of the same person and stream."""
        if not self.count:
            self._since = now
        origin = entry.origin
        stream = self._streams[origin.segment.name][origin.stream]
        older = stream.held.pop(entry.email, None)
        stream.held[entry.email] = _Held(entry, len(origin.present))
        self.count += older is None
        return older.entry if older else None

    def are_due(self, now: float) -> bool:
        """Whether some have waited long enough."""
        return bool(self.count) and now - self._since >= HOLD_SECONDS

    def take(self) -> Iterator[Decided]:
        """Decide all deletions by the people seen until now; none is held afterwards."""
        for streams in self._streams.values():
            last = {name: _last_words(stream) for name, stream in streams.items()}
            gone: set[str] = set()
            for name, stream in streams.items():
                if not stream.held:
                    continue
                elsewhere = {
                    key
                    for other, one in streams.items()
                    if other != name
                    for key in _present(stream, one, last[other])
                }
                yield _decide(stream, last[name], elsewhere, gone)
                stream.held = {}
        self.count = 0


def _decide(stream: _Stream, last: set[str], elsewhere: set[int], gone: set[str]) -> Decided:
    assert stream.origin is not None  # noqa: S101 - `open` comes before `add`
    decided = Decided(stream.origin, [], [], [])
    for email, held in stream.held.items():
        if email not in last or email in gone:
            decided.superseded.append(held.entry)
        elif hash(email) in elsewhere:
            decided.present.append(held.entry)
        else:
            gone.add(email)
            decided.leaving.append(held.entry)
    return decided


def _present(stream: _Stream, other: _Stream, deleted: set[str]) -> set[int]:
    """Those that a stream deletes and another one sent, and did not delete after that."""
    hashes = {hash(email) for email in stream.held}
    return hashes.intersection(other.present) - {hash(email) for email in deleted}


def _last_words(stream: _Stream) -> set[str]:
    """Those that a stream deletes and does not send again after that."""
    if not stream.held:
        return set()
    hashes = {hash(email) for email in stream.held}
    first = min(held.position for held in stream.held.values())
    later = stream.present[first:]
    at = {key: n for n, key in enumerate(later, first) if key in hashes}
    return {e for e, held in stream.held.items() if at.get(hash(e), -1) < held.position}
