"""The people of a batch that are looked at before it goes out and after it is done."""

from __future__ import annotations

import math
import typing as t
from collections import Counter
from dataclasses import dataclass, field

from target_omnisend import waits
from target_omnisend.delivery.comparison import (
    SUBSCRIBED,
    Sent,
    Shown,
    altered_values,
    changed_consents,
    lost_tags,
    lost_values,
    shows_membership,
)
from target_omnisend.delivery.lookup import look_up

if t.TYPE_CHECKING:
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.lookup import Finding
    from target_omnisend.delivery.model import Batch, Entry

GAPS: t.Final = (1.0, 2.0, 4.0, 8.0, 16.0, 29.0)
"""Seconds before each look after a batch: a minute in all."""

_LOOKS_AT_VALUES: t.Final = 3
"""Looks that wait for mapped values: later ones differ because Omnisend stores another form."""


@dataclass(slots=True)
class Looks:
    """The looks of a run, in numbers of people; none of them is named.

    Attributes:
        looked_at: people looked at before and after their batch.
        known: those of them that Omnisend had before.
        subscribed: those of them that were subscribed and stayed so.
        shown: people that Omnisend shows as it was asked to.
        altered: names of mapped values that Omnisend shows in another form, with how often.
        calls: look-ups that were made.
        remembered: an earlier run proved it, so no batch waited.
        proven: Omnisend did what was asked for, and nothing else.
        wrong: Omnisend did something else; the run failed for it.
        not_proven: the reason why it is not proven; empty if it is proven, or without a look.
    """

    looked_at: int = 0
    known: int = 0
    subscribed: int = 0
    shown: int = 0
    altered: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    remembered: bool = False
    proven: bool = False
    wrong: bool = False
    not_proven: str = ""


class Person:
    """One person of a batch, as the looks before and after it show them.

    Attributes:
        entry: of the batch.
        sent: what its item says.
        before: the look before the batch; None until it was made.
        after: the newest look after it.
    """

    def __init__(self, entry: Entry, batch: Batch) -> None:
        """Nothing has been seen yet."""
        self.entry = entry
        self.sent = Sent.of(entry.make_item(), batch.segment, leaves=entry.leaves)
        self.before: Finding | None = None
        self.after: Finding | None = None

    @property
    def needs_look(self) -> bool:
        """Whether a look after the batch can show something, and was not made."""
        known = self.before is not None and self.before.is_known
        return known and (self.after is None or self.is_missing)

    def look_before(self) -> Exchange[None]:
        """Look once."""
        self.before = yield from look_up(self.entry.email)

    def look_after(self, looks: Looks, most_calls: float) -> Exchange[None]:
        """Look until all is as it should be, or for a minute.

        Once the run has made so many look-ups, this person is not judged.
        """
        for number, gap in enumerate(GAPS, 1):
            if looks.calls >= most_calls:
                self.after = None
                return
            looks.calls += 1
            self.after = yield from look_up(self.entry.email, wait=waits.seconds(gap))
            if not self.after.is_known or self._needs_no_look(number):
                return

    def _needs_no_look(self, number: int) -> bool:
        if self.is_gone or self.is_missing:
            return False
        return bool(self.harmed or number >= _LOOKS_AT_VALUES or not self.altered)

    @property
    def was(self) -> Shown | None:
        """The contact before the batch; None if Omnisend had none."""
        return _shown(self.before)

    @property
    def is_(self) -> Shown | None:
        """The contact after the batch; None if Omnisend has none."""
        return _shown(self.after)

    @property
    def is_judged(self) -> bool:
        """Whether both looks got their answers."""
        both = (self.before, self.after)
        return all(finding is not None and finding.is_known for finding in both)

    @property
    def is_gone(self) -> bool:
        """Whether the person was there before and is not any more, because they were deleted."""
        return self.is_judged and self.was is not None and self.is_ is None

    @property
    def is_missing(self) -> bool:
        """Whether Omnisend does not show the membership that it took."""
        if self.after is None or not self.after.is_known or self.is_gone:
            return False
        return self.is_ is None or not shows_membership(self.is_, self.sent)

    @property
    def consents(self) -> list[tuple[str, str]]:
        """Statuses before and after that changed without the record's word."""
        if not self.is_judged or self.is_ is None:
            return []
        return changed_consents(self.was, self.is_, self.sent)

    @property
    def lost(self) -> set[str]:
        """Names of values, and `tags`, that the contact had and has not any more."""
        if not self.is_judged or self.is_ is None:
            return set()
        gone = lost_values(self.was, self.is_, self.sent)
        return gone | ({"tags"} if lost_tags(self.was, self.is_) else set())

    @property
    def harmed(self) -> bool:
        """Whether something changed that must stand still."""
        return bool(self.consents or self.lost)

    @property
    def altered(self) -> set[str]:
        """Names of values that Omnisend shows otherwise than they were sent."""
        return altered_values(self.is_, self.sent) - self._left_out if self.is_ else set()

    @property
    def stayed_subscribed(self) -> bool:
        """Whether the person was subscribed, is so still, and their record did not say it."""
        if self.harmed or self.was is None or not self.is_judged:
            return False
        status = self.was.consents.get("email", ("", ""))[0]
        return status == SUBSCRIBED and "email" not in self.sent.consents

    @property
    def _left_out(self) -> set[str]:
        return {name for names in self.entry.left_out for name in names}


def _shown(finding: Finding | None) -> Shown | None:
    return Shown.of(finding.contact) if finding is not None and finding.contact else None


class Watch:
    """A batch whose entries are settled once its people were looked at again.

    Attributes:
        batch: as it went out first; its entries can be in later batches.
        people: those that are looked at.
        open: addresses of entries that have no verdict of Omnisend's.
        accepted: entries that Omnisend has accepted.
        tagged: a call gave those their tags.
        asking: look-ups that have no answer.
        looking_after: it is done, and the looks after it have begun.
        retagged: its tags were given once more.
        failed: its looks ended the run.
        most_calls: look-ups of the run after which its people are not looked at any more.
    """

    def __init__(self, batch: Batch, people: int, most_calls: float = math.inf) -> None:
        """Choose so many people, from all over the batch."""
        step = max(1, len(batch.entries) // people)
        self.batch = batch
        self.people = [Person(entry, batch) for entry in batch.entries[::step][:people]]
        self.open = {entry.email for entry in batch.entries}
        self.accepted: list[Entry] = []
        self.tagged = False
        self.asking = 0
        self.looking_after = False
        self.retagged = False
        self.failed = False
        self.most_calls = most_calls

    @property
    def is_seen(self) -> bool:
        """Whether its looks are done, and have not been judged."""
        return self.looking_after and not self.asking and not self.failed

    def take_untagged(self, missing: list[Person]) -> list[Entry]:
        """The accepted entries whose tags can be missing, which are open again.

        People of the batch who were not looked at are among them.
        """
        if not self.batch.segment.tags:
            return []
        right = {one.entry.email for one in self.people} - {one.entry.email for one in missing}
        taken = [one for one in self.accepted if not one.leaves and one.email not in right]
        self.accepted = [one for one in self.accepted if one.leaves or one.email in right]
        self.open = {entry.email for entry in taken}
        self.retagged, self.looking_after = True, False
        return taken
