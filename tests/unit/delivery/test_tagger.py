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
from target_omnisend.delivery.tagger import FULL_OR_AFTER, VISIBLE_AFTER, Tagger
from target_omnisend.errors import ExitCode, RunFailed

if TYPE_CHECKING:
    from target_omnisend.delivery.proof import Proof

REFUSED = Answer(Kind.INVALID, 400, fault="400", fields=("emails.0",))
DONE = Answer(Kind.DONE, 202)


class TagApi:
    """Takes tag calls and refuses those with a bad e-mail in it."""

    def __init__(self, bad: set[str]) -> None:
        self.bad = bad
        self.calls: list[tuple[list[str], tuple[str, ...]]] = []

    def add_tags(self, emails: list[str], tags: tuple[str, ...]) -> Answer:
        self.calls.append((emails, tags))
        return REFUSED if self.bad & set(emails) else DONE


class Enrolling:
    """A tagger, and what it hands on to the proof, whose place it takes."""

    def __init__(self, *bad: str) -> None:
        self.scheduler = Scheduler(0)
        self.api = TagApi(set(bad))
        self.settled: list[str] = []
        self.refused: list[str] = []
        self.tagging = Tagger(self.scheduler, cast("Proof", self))

    def accept(self, _: Segment, entries: list[Entry], now: float, *, tagged: bool) -> None:
        assert tagged, f"settled at {now} without a tag"
        self.settled.extend(entry.email for entry in entries)

    def reject(self, entry: Entry, *_: object) -> None:
        self.refused.append(entry.email)

    def enrol(self, segment: Segment, count: int, now: float = 0.0, start: int = 0) -> None:
        names = (f"p{n}" for n in range(start, start + count))
        origin = Origin(segment.name, b"", StreamCounts(), item_of, segment)
        entries = [Entry(origin, name, b"", b"", Epoch(), None) for name in names]
        self.tagging.accept(segment, entries, now)

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
