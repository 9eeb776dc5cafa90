"""Which segment each tag and property shows: one mark, one owner.

A person who leaves a segment loses its mark. If the mark showed another segment too, the person
would lose that membership as well, and no later run would notice.
"""

from __future__ import annotations

import typing as t
import unicodedata
from dataclasses import dataclass

from target_omnisend.mapping.normalize import segment_property, tag

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_omnisend.config.settings import StreamSettings


class Mark(t.NamedTuple):
    """A tag or a custom property of a contact."""

    kind: t.Literal["tag", "property"]
    name: str

    @property
    def key(self) -> tuple[str, str]:
        """The form in which two marks are equal if Omnisend takes one for the other."""
        return self.kind, unicodedata.normalize("NFC", self.name.casefold())

    def __str__(self) -> str:
        """As a sentence names it."""
        return f"the {self.kind} '{self.name}'"


@dataclass(frozen=True, slots=True)
class Claim:
    """One use of a mark, by a stream for its segment."""

    mark: Mark
    segment: str
    stream: str

    def __str__(self) -> str:
        """The segment as a sentence names it."""
        return f"'{self.segment}'" + (f" (stream '{self.stream}')" if self.stream else "")


def shown_by(membership: str, segment: str) -> Mark | None:
    """The mark that shows membership of a segment, if one does.

    Raises:
        ValueError: for a name that cannot be a tag or a property, as a plain sentence.
    """
    if membership == "tag":
        return Mark("tag", tag(segment))
    if membership == "property":
        return Mark("property", segment_property(segment))
    return None


class Marks:
    """The marks in use, and the segments that they show."""

    def __init__(self) -> None:
        """Start without any."""
        self._shown: dict[tuple[str, str], Claim] = {}
        self._given: dict[tuple[str, str], dict[str, Claim]] = {}
        self._ways: dict[str, tuple[str, str]] = {}

    def add(self, own: StreamSettings, stream: str) -> Iterator[str]:
        """Note the marks of a stream; a sentence for each that belongs to another segment."""
        way, first = self._ways.setdefault(own.segment, (own.membership, stream))
        if way != own.membership:
            yield (
                f"The streams '{first}' and '{stream}' of segment '{own.segment}' differ in "
                "'membership'. Give both the same value."
            )
        if shown := _shown(own, stream):
            yield from self.conflicts(shown)
            self._shown.setdefault(shown.mark.key, shown)
        for given in _given(own, stream):
            owner = self._shown.get(given.mark.key)
            if owner and owner.segment != given.segment:
                yield _given_away(owner, given)
            self._given.setdefault(given.mark.key, {}).setdefault(given.segment, given)

    def conflicts(self, shown: Claim) -> Iterator[str]:
        """A sentence for each other segment that uses the mark of this one."""
        owner = self._shown.get(shown.mark.key)
        if owner and owner.segment != shown.segment:
            yield _shared(owner, shown)
        for given in self._given.get(shown.mark.key, {}).values():
            if given.segment != shown.segment:
                yield _given_away(shown, given)


class Earlier:
    """The marks of segments that the ledger knows from earlier runs."""

    def __init__(
        self, memberships: Iterable[tuple[str, Iterable[str]]], has_members: Callable[[str], bool]
    ) -> None:
        """`memberships` has for each segment the ways in which it may show."""
        self._has_members = has_members
        self._segments: dict[tuple[str, str], set[str]] = {}
        for segment, ways in memberships:
            for key in _keys(segment, ways):
                self._segments.setdefault(key, set()).add(segment)

    def shows(self, mark: Mark, segment: str) -> bool:
        """Whether the segment can have shown by this mark."""
        return segment in self._segments.get(mark.key, ())

    def others(self, mark: Mark, segment: str) -> list[str]:
        """The other segments with members that show by this mark."""
        found = self._segments.get(mark.key, set()) - {segment}
        return sorted(name for name in found if self._has_members(name))

    def conflicts(self, own: StreamSettings, stream: str) -> Iterator[str]:
        """A sentence for each mark of a stream by which another segment with members shows."""
        if shown := _shown(own, stream):
            for other in self.others(shown.mark, own.segment):
                yield (
                    f"Segment {shown} would show as {shown.mark}, which shows segment '{other}' "
                    f"in the ledger. Set 'segment' to '{other}', or to a name that is not alike. "
                    f"To free the {shown.mark.kind}, run --retire '{other}' with settings in "
                    "which no other segment uses it."
                )
        for given in _given(own, stream):
            for other in self.others(given.mark, own.segment):
                yield (
                    f"Segment {given} would give {given.mark}, which shows segment '{other}' in "
                    f"the ledger. Leave it out of {_setting(given.mark)}."
                )


def retiring(own: StreamSettings, others: Mapping[str, StreamSettings]) -> Iterator[str]:
    """A sentence for each of the other streams whose members would lose what shows they are."""
    marks = Marks()
    for stream, settings in others.items():
        if settings.segment != own.segment:
            list(marks.add(settings, stream))
    shown = _shown(own, "")
    for sentence in marks.conflicts(shown) if shown else ():
        yield f"Segment '{own.segment}' cannot be retired. {sentence}"


def _shown(own: StreamSettings, stream: str) -> Claim | None:
    mark = shown_by(own.membership, own.segment) if own.segment else None
    return mark and Claim(mark, own.segment, stream)


def _given(own: StreamSettings, stream: str) -> Iterator[Claim]:
    for name in own.tags:
        yield Claim(Mark("tag", tag(name)), own.segment, stream)
    for name in own.custom_properties:
        yield Claim(Mark("property", name), own.segment, stream)


def _keys(segment: str, ways: Iterable[str]) -> Iterator[tuple[str, str]]:
    for way in ways:
        try:
            mark = shown_by(way, segment)
        except ValueError:  # then it never showed in this way
            continue
        if mark:
            yield mark.key


def _shared(one: Claim, other: Claim) -> str:
    alike = ""
    if one.mark != other.mark:
        alike = f" Omnisend takes {one.mark} for the same."
    return (
        f"The segments {one} and {other} would both show as {other.mark}.{alike} "
        "Give one of them another 'segment'; each stream can have its own under 'streams'."
    )


def _given_away(owner: Claim, given: Claim) -> str:
    return (
        f"The {owner.mark.kind} '{owner.mark.name}' shows segment {owner}, and segment {given} "
        f"would give it too. Leave it out of {_setting(given.mark)}, or give segment "
        f"'{owner.segment}' another name in 'segment'."
    )


def _setting(mark: Mark) -> str:
    return "'tags'" if mark.kind == "tag" else "'custom_properties'"
