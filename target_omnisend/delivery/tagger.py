"""Membership as tags: given once Omnisend has the contact, and taken back."""

from __future__ import annotations

import typing as t

from target_omnisend.delivery.model import LEAVE
from target_omnisend.delivery.tag_calls import ADD, REMOVE, TagCalls

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.model import Entry, Segment
    from target_omnisend.delivery.proof import Proof

VISIBLE_AFTER: t.Final = 1.0
"""Seconds between a batch's end and its contacts' tagging. Omnisend ignores unknown e-mails
in a tag call without a word and does not say how soon a new contact is known there."""


class Tagger:
    """Gives accepted contacts their tags, and takes the tags of members that left back.

    Attributes:
        adding: entries that wait for their tags.
        removing: entries that wait to lose the tag that shows membership.
    """

    def __init__(self, scheduler: Scheduler, proof: Proof) -> None:
        """Hand entries on to `proof`."""
        self._proof = proof
        self.adding = TagCalls(scheduler, ADD, proof)
        self.removing = TagCalls(scheduler, REMOVE, proof)

    @property
    def waiting(self) -> int:
        """Entries that wait for a tag call or its answer."""
        return self.adding.waiting + self.removing.waiting

    def under_way(self) -> Iterator[list[Entry]]:
        """The entries that wait."""
        yield from self.adding.under_way()
        yield from self.removing.under_way()

    def accept(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """Take contacts that are in Omnisend; their tags may be missing."""
        if leaving := [entry for entry in entries if entry.action is LEAVE]:
            self._proof.remove(segment, leaving, now)
            entries = [entry for entry in entries if not entry.leaves]
        if not segment.tags:
            self._proof.accept(segment, entries, now)
            return
        needing = [entry for entry in entries if entry.needs_tags]
        if len(needing) < len(entries):
            tagged = [entry for entry in entries if not entry.needs_tags]
            self._proof.accept(segment, tagged, now)
        self.adding.add(segment, needing, now + VISIBLE_AFTER)

    def tag_again(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """Take contacts whose tags Omnisend took and does not show."""
        if any(entry.contact_id for entry in entries):
            self.adding.stop_ids("Omnisend does not show the tags that it took")
        self.adding.add(segment, entries, now)

    def remove(self, segment: Segment, entries: list[Entry], now: float) -> None:
        """Take people whose tag shows a membership that they lose."""
        self.removing.add(segment, entries, now)

    def tick(self, now: float, *, quiet: bool, soon: bool = False) -> None:
        """Queue the next calls.

        `quiet` says that no more entries will come soon, and `soon` that states wait for each.
        """
        self.adding.tick(now, quiet=quiet, soon=soon)
        self.removing.tick(now, quiet=quiet, soon=soon)
