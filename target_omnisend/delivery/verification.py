"""A look at a whole segment: the members that the ledger knows against those in Omnisend.

Omnisend's pages come in an order of their own, so that the ledger notes each person that it
meets there, one bit a member. Nothing grows with the number of members but that.

A page shows one moment, and people change while the next one comes. So a member that no page had
is looked up by the address before it counts as missing. If there are too many for that, all pages
come once more, and the look-ups of some show whether the pages can be believed.
"""

from __future__ import annotations

import itertools
import logging
import typing as t
from dataclasses import dataclass

from target_omnisend import waits
from target_omnisend.api.answers import Kind, as_list
from target_omnisend.delivery.lookup import look_up
from target_omnisend.delivery.paging import Pages, email_of
from target_omnisend.delivery.segment_creator import count_of, find
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.marks import Mark

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.paging import Contact

logger = logging.getLogger("target-omnisend.delivery")

LATE_SECONDS: t.Final = 60.0
"""Omnisend can show a tag so long after it took the call. No member is missing before."""

MAX_LOOK_UPS: t.Final = 250
"""Members that are looked up by their addresses, each as often as these seconds admit."""

MAX_WRONG_PERCENT: t.Final = 5.0
"""If more of those looked up are members after all, the pages that lacked them are not believed."""

TELLING_SECONDS: t.Final = 60.0
"""Between two lines in the log while pages come."""


class Ledger(t.Protocol):
    """The memory of earlier runs; `ledger.Ledger` is one."""

    def count(self, segment: str) -> int:
        """How many members this target made."""

    def begin_look(self, segment: str) -> None:
        """No member has been seen yet."""

    def known(self, segment: str, emails: Collection[str]) -> Mapping[str, bytes]:
        """Those that it knows as members."""

    def see(self, segment: str, emails: Collection[str]) -> None:
        """These are in Omnisend."""

    def count_leavers(self, segment: str) -> int:
        """How many members were not seen."""

    def leavers(self, segment: str) -> Iterator[list[str]]:
        """The members that were not seen; they can be forgotten as they come."""

    def forget(self, segment: str, emails: Collection[str]) -> None:
        """These are not members."""


class NotVerified(RunFailed):
    """Why a segment cannot be compared; the ledger forgot no member."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a segment shows in Omnisend.

    Attributes:
        segment: its name.
        mark: the tag or the property that its members have.
        conditions: those of an Omnisend segment over the mark, if one is to be there.
    """

    segment: str
    mark: Mark
    conditions: list[t.Any] | None = None

    def by(self, contact: Contact) -> bool:
        """Whether a contact shows as a member."""
        if self.mark.kind == "property":
            properties = contact.get("customProperties")
            return isinstance(properties, dict) and properties.get(self.mark.name) is True
        tags = as_list(contact.get("tags"))
        # Most tags are the very text: the key of each would cost more than all else here.
        return self.mark.name in tags or any(
            Mark("tag", tag).key == self.mark.key for tag in tags if isinstance(tag, str)
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at a whole segment found.

    Attributes:
        right: members that the ledger knows and Omnisend shows.
        missing: members that the ledger knew and Omnisend does not show; the ledger forgot them.
        extra: people that Omnisend shows as members and the ledger does not know.
        counted: contacts in Omnisend's own segment; None without such a segment or its count.
    """

    right: int
    missing: int
    extra: int
    counted: int | None = None


class Verifier:
    """The look at one segment."""

    def __init__(self, ledger: Ledger, shown: Shown, clock: Callable[[], float]) -> None:
        """Compare with a ledger; `clock` gives seconds."""
        self._ledger = ledger
        self._shown = shown
        self._name = shown.segment
        self._clock = clock
        self._told_at = self._late_until = 0.0

    def verify(self) -> Exchange[Verification | NotVerified]:
        """Compare, and have the ledger forget the members that are missing."""
        try:
            return (yield from self._verify())
        except NotVerified as reason:
            return reason

    def _verify(self) -> Exchange[Verification]:
        self._told_at = self._clock()
        self._late_until = self._told_at + waits.seconds(LATE_SECONDS)
        self._ledger.begin_look(self._name)
        known = self._ledger.count(self._name)
        filters, counted = yield from self._filters()
        extra = yield from self._walk(Pages(filters))
        if self._ledger.count_leavers(self._name) > MAX_LOOK_UPS:
            yield from self._walk_again(filters)
        yield from self._look_up_missing()
        missing = self._forget_missing()
        return Verification(known - missing, missing, extra, counted)

    # -- all of them, a page at a time -------------------------------------------------

    def _filters(self) -> Exchange[tuple[dict[str, str], int | None]]:
        """The narrowest filter that lets all members through, and Omnisend's own count."""
        mark, conditions = self._shown.mark, self._shown.conditions
        segment = (yield from find(self._name, conditions)) if conditions else None
        counted = (yield from count_of(segment)) if segment else None
        if mark.kind == "tag":
            return {"tag": mark.name}, counted
        if segment and counted is not None:  # else Omnisend still builds it
            return {"segmentID": str(segment["segmentID"])}, counted
        logger.info(
            "Segment '%s' shows as %s, which Omnisend cannot filter by. The target reads all "
            "contacts of the store, 250 a call.",
            self._name,
            mark,
            extra=event("reading_all_contacts", segment=self._name),
        )
        return {}, counted

    def _walk(self, pages: Pages) -> Exchange[int]:
        """See the members on all pages; how many of them the ledger does not know."""
        extra = read = 0
        while (page := (yield from pages.next_page())) is not None:
            read += len(page)
            extra += self._see(page)
            self._tell(read)
        if pages.kept_back is not None:
            answer = pages.kept_back
            raise _kept_back(answer.fault, forbidden=answer.kind is Kind.FORBIDDEN)
        return extra

    def _see(self, page: list[Contact]) -> int:
        emails = {email_of(one) for one in page if self._shown.by(one)}
        known = self._ledger.known(self._name, emails)
        self._ledger.see(self._name, known)
        return len(emails) - len(known)

    def _walk_again(self, filters: Mapping[str, str]) -> Exchange[None]:
        logger.info(
            "Segment '%s': %d members are on no page. The target reads all pages once more.",
            self._name,
            self._ledger.count_leavers(self._name),
            extra=event("reading_again", segment=self._name),
        )
        # Omnisend can be late with its own segments by hours.
        again = {} if "segmentID" in filters else filters
        yield from self._walk(Pages(again, wait=self._seconds_left()))

    def _tell(self, read: int) -> None:
        if self._clock() >= self._told_at + TELLING_SECONDS:
            self._told_at = self._clock()
            logger.info(
                "Segment '%s': %d contacts read so far.",
                self._name,
                read,
                extra=event("contacts_read", segment=self._name, contacts=read),
            )

    # -- the ones that no page had -----------------------------------------------------

    def _look_up_missing(self) -> Exchange[None]:
        missing = self._ledger.count_leavers(self._name)
        unseen = itertools.chain.from_iterable(self._ledger.leavers(self._name))
        asked = list(itertools.islice(unseen, MAX_LOOK_UPS))
        left = yield from self._look_up(asked)
        wrong = len(asked) - len(left)
        if missing > len(asked) and wrong * 100 > len(asked) * MAX_WRONG_PERCENT:
            raise NotVerified(
                ExitCode.FAULT,
                f"Segment '{self._name}' is not verified, because Omnisend's pages lack members "
                f"that Omnisend has: {wrong} of {len(asked)} looked up by address. The ledger "
                "forgot no member; verify again later.",
            )

    def _look_up(self, emails: list[str]) -> Exchange[list[str]]:
        """The ones that do not show as members by the time at which none is late any more."""
        wait, pause = 0.0, waits.seconds(1.0)
        while emails:
            is_last = wait >= self._seconds_left()
            emails = yield from self._look_up_once(emails, wait)
            if is_last:
                break
            wait, pause = min(pause, self._seconds_left()), pause * 2
        return emails

    def _look_up_once(self, emails: list[str], wait: float) -> Exchange[list[str]]:
        left = []
        for email in emails:
            found = yield from look_up(email, wait=wait)
            wait = 0.0
            if not found.is_known:
                raise _kept_back(found.fault, forbidden=found.forbidden)
            if found.contact is not None and self._shown.by(found.contact):
                self._ledger.see(self._name, [email])
            else:
                left.append(email)
        return left

    def _seconds_left(self) -> float:
        return max(0.0, self._late_until - self._clock())

    def _forget_missing(self) -> int:
        missing = 0
        for emails in self._ledger.leavers(self._name):
            self._ledger.forget(self._name, emails)
            missing += len(emails)
        return missing


def _kept_back(fault: str, *, forbidden: bool) -> NotVerified:
    if forbidden:
        return NotVerified(
            ExitCode.SETTINGS,
            f"The API key cannot read contacts ({fault}). Give it the scope "
            "contacts.read, then verify again.",
        )
    return NotVerified(
        ExitCode.FAULT,
        f"Omnisend does not list its contacts ({fault}). Verify again later.",
    )
