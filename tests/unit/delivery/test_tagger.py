"""Tag calls: as few as can be, and no segment in which one bad e-mail costs the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from support.simulation import item_of

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.checkpoint import Epoch
from target_omnisend.delivery.model import MAX_TAG_EMAILS, Entry, Origin, Segment
from target_omnisend.delivery.outcome import StreamCounts
from target_omnisend.delivery.tag_calls import FULL_OR_AFTER
from target_omnisend.delivery.tagger import VISIBLE_AFTER, Tagger
from target_omnisend.errors import ExitCode, RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.delivery.proof import Proof

REFUSED = Answer(Kind.INVALID, 400, fault="400", fields=("emails.0",))
DONE = Answer(Kind.DONE, 202)


class TagApi:
    """Takes tag calls and refuses those with a bad e-mail in it."""

    def __init__(self, bad: set[str]) -> None:
        self.bad = bad
        self.calls: list[tuple[list[str], tuple[str, ...]]] = []
        self.by_id: list[list[str]] = []
        self.to_ids = DONE

    def add_tags(self, emails: list[str], tags: tuple[str, ...], contact_ids: list[str]) -> Answer:
        self.calls.append((emails, tags))
        self.by_id.append(contact_ids)
        if contact_ids and self.to_ids.kind is not Kind.DONE:
            return self.to_ids
        return REFUSED if self.bad & set(emails) else DONE


class Enrolling:
    """A tagger, and what it hands on to the proof, whose place it takes."""

    def __init__(self, *bad: str, share: float = 0) -> None:
        self.scheduler = Scheduler(share)
        self.api = TagApi(set(bad))
        self.settled: list[str] = []
        self.refused: list[str] = []
        self.tagging = Tagger(self.scheduler, cast("Proof", self))

    def accept(self, _: Segment, entries: list[Entry], now: float, *, tagged: bool) -> None:
        assert tagged, f"settled at {now} without a tag"
        self.settled.extend(entry.email for entry in entries)

    def reject(self, entry: Entry, *_: object) -> None:
        self.refused.append(entry.email)

    def enrol(
        self,
        segment: Segment,
        count: int,
        now: float = 0.0,
        start: int = 0,
        ids: Callable[[str], str] | None = None,
    ) -> list[Entry]:
        names = (f"p{n}" for n in range(start, start + count))
        origin = Origin(segment.name, b"", StreamCounts(), item_of, segment)
        entries = [Entry(origin, name, b"", b"", Epoch(), None) for name in names]
        for entry in entries:
            entry.contact_id = ids(entry.email) if ids else None
        self.tagging.accept(segment, entries, now)
        return entries

    def tick(self, now: float, *, quiet: bool = False) -> list[int]:
        """Let time pass and make the calls that are due; how many e-mails each had."""
        made = len(self.api.calls)
        for _ in range(2000):
            self.tagging.tick(now, quiet=quiet)
            call = self.scheduler.next(now)
            if call is None:
                break
            self.scheduler.answered(call, call.run(self.api), now)  # type: ignore[arg-type]
        return [len(emails) for emails, _ in self.api.calls[made:]]


def segment(*tags: str, stream: str = "vip") -> Segment:
    return Segment(stream, tags)


SOON, LATER = VISIBLE_AFTER, VISIBLE_AFTER + FULL_OR_AFTER


@pytest.mark.parametrize(
    ("count", "now", "quiet", "calls"),
    [
        (250, SOON, False, [250]),
        (600, SOON, False, [250, 250]),
        (249, SOON, False, []),
        (249, SOON, True, [249]),
        (249, LATER - 0.1, False, []),
        (249, LATER, False, [249]),
        (600, LATER, False, [250, 250, 100]),
        (600, SOON, True, [250, 250, 100]),
        (600, SOON - 0.1, True, []),
        (0, LATER, True, []),
    ],
    ids=repr,
)
def test_a_call_holds_250_and_fewer_only_when_none_will_come_or_they_waited_enough(
    count: int, now: float, calls: list[int], *, quiet: bool
) -> None:
    enrolling, vip = Enrolling(), segment("vip")
    enrolling.enrol(vip, count)
    assert enrolling.tick(now, quiet=quiet) == calls
    assert len(enrolling.settled) == sum(calls)
    assert enrolling.tagging.waiting == count - sum(calls)


def test_the_members_of_several_batches_share_a_call() -> None:
    enrolling, vip = Enrolling(), segment("vip")
    for n in range(3):
        enrolling.enrol(vip, 100, start=100 * n)
    assert enrolling.tick(SOON) == [MAX_TAG_EMAILS]
    assert enrolling.settled == [f"p{n}" for n in range(MAX_TAG_EMAILS)]


def test_when_quiet_those_not_visible_yet_are_waited_for() -> None:
    enrolling, vip = Enrolling(), segment("vip")
    enrolling.enrol(vip, 10, now=0.0)
    enrolling.enrol(vip, 10, now=0.5, start=10)
    assert enrolling.tick(SOON, quiet=True) == []
    assert enrolling.tick(SOON + 0.5, quiet=True) == [20]


def test_all_tags_of_a_segment_go_in_one_call() -> None:
    enrolling, vip = Enrolling(), segment("vip", "summer")
    enrolling.enrol(vip, 2)
    enrolling.tick(SOON, quiet=True)
    assert enrolling.api.calls == [(["p0", "p1"], ("vip", "summer"))]


def test_segments_do_not_share_a_call() -> None:
    enrolling, one, two = Enrolling(), segment("one"), segment("two")
    enrolling.enrol(one, 5)
    enrolling.enrol(two, 6)
    assert enrolling.tick(SOON, quiet=True) == [5, 6]


@pytest.mark.parametrize("bad", [["p249"], ["p200", "p201"], ["p130", "p249"]], ids=",".join)
def test_a_refused_call_is_halved_until_only_the_bad_ones_are_refused(bad: list[str]) -> None:
    enrolling, vip = Enrolling(*bad), segment("vip")
    enrolling.enrol(vip, 250)
    enrolling.tick(SOON)
    assert sorted(enrolling.refused) == sorted(bad)
    assert sorted([*enrolling.settled, *bad]) == sorted(f"p{n}" for n in range(250))
    assert enrolling.tagging.waiting == 0


def test_tags_that_are_never_taken_end_the_run() -> None:
    enrolling, vip = Enrolling(*(f"p{n}" for n in range(250))), segment("vip")
    enrolling.enrol(vip, 250)
    with pytest.raises(RunFailed, match="'segment' or 'tags'") as failure:
        enrolling.tick(SOON)
    assert failure.value.exit_code == ExitCode.SETTINGS
    assert (enrolling.refused, len(enrolling.api.calls)) == ([], 8)


def test_only_one_tag_call_waits_so_that_the_next_can_fill() -> None:
    enrolling, vip = Enrolling(), segment("vip")
    enrolling.enrol(vip, 1000)
    for _ in range(5):
        enrolling.tagging.tick(SOON, quiet=False)
    assert len(enrolling.scheduler.lanes[Endpoint.ADD_TAGS].queue) == 1


# -- contact IDs -----------------------------------------------------------------------


def id_of(email: str) -> str:
    return f"id of {email}"


def sizes(enrolling: Enrolling) -> list[tuple[int, int]]:
    """E-mails and contact IDs of each call."""
    return [
        (len(emails), len(ids))
        for (emails, _), ids in zip(enrolling.api.calls, enrolling.api.by_id, strict=True)
    ]


def reached(enrolling: Enrolling) -> list[str]:
    """Each person that a call named, by e-mail or by ID."""
    by_id = [name.removeprefix("id of ") for ids in enrolling.api.by_id for name in ids]
    return sorted([*(email for emails, _ in enrolling.api.calls for email in emails), *by_id])


@pytest.mark.parametrize(
    ("plain", "named", "calls"),
    [
        (250, 250, [(250, 250)]),
        (500, 250, [(250, 250), (250, 0)]),
        (0, 250, [(250, 0)]),
        (0, 700, [(250, 250), (200, 0)]),
        (100, 500, [(250, 250), (100, 0)]),
        (10, 20, [(30, 0)]),
    ],
    ids=repr,
)
def test_a_call_takes_250_by_email_and_250_others_by_id(
    plain: int, named: int, calls: list[tuple[int, int]]
) -> None:
    enrolling, vip = Enrolling(), segment("vip")
    enrolling.enrol(vip, plain)
    enrolling.enrol(vip, named, start=plain, ids=id_of)
    enrolling.tick(SOON, quiet=True)
    assert sizes(enrolling) == calls
    assert reached(enrolling) == sorted(enrolling.settled)
    assert len(enrolling.settled) == plain + named
    assert enrolling.tagging.waiting == 0


def test_an_id_that_two_people_have_is_not_used() -> None:
    enrolling, vip = Enrolling(), segment("vip")
    enrolling.enrol(vip, 250)
    enrolling.enrol(vip, 100, start=250, ids=id_of)
    enrolling.enrol(vip, 2, start=350, ids=lambda _: "shared")
    enrolling.tick(SOON, quiet=True)
    assert sizes(enrolling) == [(250, 100), (2, 0)]
    assert reached(enrolling) == sorted(enrolling.settled)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Kind.INVALID, 400, fault="400"),
        Answer(Kind.TOO_LARGE, 413, fault="413"),
        Answer(Kind.FORBIDDEN, 403, fault="403"),
        Answer(Kind.GONE, 404, fault="404"),
    ],
    ids=lambda answer: answer.fault,
)
def test_after_a_rejected_call_with_ids_all_goes_by_email(answer: Answer) -> None:
    enrolling, vip = Enrolling(), segment("vip")
    enrolling.api.to_ids = answer
    for start in (0, 1000):
        enrolling.enrol(vip, 500, start=start)
        enrolling.enrol(vip, 500, start=start + 500, ids=id_of)
    enrolling.tick(SOON, quiet=True)
    enrolling.enrol(vip, 600, now=SOON, start=2000, ids=id_of)
    enrolling.tick(2 * SOON, quiet=True)
    assert max(emails for emails, _ in sizes(enrolling)) == MAX_TAG_EMAILS
    mixed = [n for n, (_, ids) in enumerate(sizes(enrolling)) if ids]
    assert mixed == [0]
    assert sorted(enrolling.settled) == sorted(f"p{n}" for n in range(2600))
    assert enrolling.refused == []
    assert enrolling.tagging.waiting == 0


def test_people_whose_tags_do_not_show_get_them_by_email() -> None:
    enrolling, vip = Enrolling(), segment("vip")
    entries = enrolling.enrol(vip, 600, ids=id_of)
    enrolling.tick(SOON, quiet=True)
    enrolling.tagging.tag_again(vip, entries, SOON)
    enrolling.tick(SOON, quiet=True)
    assert sizes(enrolling) == [(250, 250), (100, 0), (250, 0), (250, 0), (100, 0)]


def limited(*bad: str) -> Enrolling:
    """With a tenth of Omnisend's limits: 6 tag calls a minute, so 1,500 people by e-mail."""
    return Enrolling(*bad, share=0.1)


@pytest.mark.parametrize(
    ("waiting", "coming", "wanted"),
    [(1500, 0, False), (1501, 0, True), (250, 1300, True), (249, 9000, False)],
    ids=repr,
)
def test_ids_are_wanted_while_more_wait_than_a_minute_takes(
    waiting: int, coming: int, *, wanted: bool
) -> None:
    enrolling, vip = limited(), segment("vip")
    enrolling.enrol(vip, waiting)
    assert enrolling.tagging.adding.wants_ids(vip, coming) is wanted


def test_ids_are_wanted_for_as_many_as_have_none() -> None:
    enrolling, vip = limited(), segment("vip")
    adding = enrolling.tagging.adding
    enrolling.enrol(vip, 2000)
    enrolling.enrol(vip, 1900, start=2000, ids=id_of)
    assert adding.wants_ids(vip, 0)
    adding.expect(vip, 100)
    assert not adding.wants_ids(vip, 0)
    adding.expect(vip, -100)
    assert adding.wants_ids(vip, 0)
    assert not adding.wants_ids(segment("other", stream="other"), 0)


def test_a_call_waits_for_ids_that_come_soon_and_not_for_long() -> None:
    enrolling, vip = limited(), segment("vip")
    enrolling.enrol(vip, 2000)
    enrolling.tagging.adding.expect(vip, 100)
    assert enrolling.tick(SOON) == []
    assert enrolling.tick(LATER) == [250] * 6


def test_members_that_leave_lose_the_tag_by_email() -> None:
    enrolling, vip = Enrolling(), segment("vip")
    assert not enrolling.tagging.removing.takes_ids
    assert not enrolling.tagging.removing.wants_ids(vip, 10**6)
