"""Items are read for contact IDs where that saves time, and what they say is not needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from support.simulation import item_of

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.api.scheduler import Scheduler
from target_omnisend.delivery.checkpoint import Epoch
from target_omnisend.delivery.contact_ids import FRUITLESS, LARGEST_SHARE, ContactIds
from target_omnisend.delivery.model import MAX_ITEMS, Batch, Entry, Origin, Segment
from target_omnisend.delivery.outcome import StreamCounts
from target_omnisend.delivery.tagger import Tagger

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.delivery.proof import Proof
    from target_omnisend.delivery.responses import Judgement
    from target_omnisend.delivery.results import Results

SHARE = 0.1
"""Of Omnisend's limits: 6 tag calls and 40 calls for items a minute."""


def id_of(email: str) -> str:
    return f"{int(email.removeprefix('p')):024x}"


def told(emails: list[str], status: str = "finished", **more: Any) -> dict[str, Any]:
    """A batch of which every item succeeded."""
    items = [
        {"responseCode": 201, "response": {"id": id_of(email), "email": email}} for email in emails
    ]
    counts = {"finishedCount": len(emails), "errorsCount": 0}
    return {"status": status, **counts, "errors": [], "responses": items, **more}


class Naming:
    """The stage, and what it hands on to the results, whose place this takes."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(SHARE)
        self.tagger = Tagger(self.scheduler, cast("Proof", self))
        self.stage = ContactIds(self.scheduler, self.tagger, cast("Results", self), str.lower)
        self.handed_on: list[tuple[Batch, Judgement | None]] = []
        self.read: list[str] = []
        self.answer: Callable[[list[str]], Answer] = lambda emails: Answer(
            Kind.DONE, 200, told(emails)
        )
        self.segment = Segment("vip", ("vip",))
        self.origin = Origin("vip", b"", StreamCounts(), item_of, self.segment)
        self.batches: dict[str, Batch] = {}

    def judged(self, batch: Batch, judgement: Judgement | None, now: float) -> None:
        self.handed_on.append((batch, judgement))
        for entry in batch.entries:
            ids = judgement.contact_ids if judgement is not None else {}
            entry.contact_id = ids.get(entry.email)
        self.tagger.accept(batch.segment, batch.entries, now)

    def accept(self, *_: object) -> None:
        """Nothing is left to do."""

    def batch_items(self, name: str) -> Answer:
        self.read.append(name)
        return self.answer([entry.email for entry in self.batches[name].entries])

    def batch(self, number: int) -> Batch:
        names = [f"p{n}" for n in range(number * MAX_ITEMS, (number + 1) * MAX_ITEMS)]
        entries = [Entry(self.origin, name, b"", b"", Epoch(), None) for name in names]
        batch = Batch(self.segment, entries, id=f"b{number}")
        self.batches[batch.id] = batch
        return batch

    def end(self, *numbers: int, coming: int = 0, now: float = 0.0) -> None:
        """Have batches end whose counts say that every item succeeded, and read what is asked."""
        for number in numbers:
            self.stage.judged(self.batch(number), None, now, coming=coming)
            while call := self.scheduler.next(now):
                self.scheduler.answered(call, call.run(self), now)  # type: ignore[arg-type]


def test_items_are_read_only_while_tags_are_the_slower_lane() -> None:
    naming = Naming()
    naming.end(*range(16))  # 1,600 people, of which a minute's tag calls take 1,500
    assert naming.read == []
    naming.end(16)
    assert naming.read == ["b16"]
    assert [entry.contact_id for entry in naming.batches["b16"].entries] == [
        id_of(f"p{n}") for n in range(1600, 1700)
    ]
    assert [batch.id for batch, _ in naming.handed_on] == [f"b{n}" for n in range(17)]


def test_batches_that_come_within_a_minute_count_as_waiting() -> None:
    naming = Naming()
    naming.end(*range(5), coming=2000)
    assert naming.read == ["b3", "b4"]


def test_half_of_the_people_need_no_id() -> None:
    naming = Naming()
    naming.end(*range(40), coming=2000)
    plain, named = naming.tagger.adding.waiting - 100 * len(naming.read), 100 * len(naming.read)
    assert (plain, named) == (2000, 2000)


def test_a_part_of_the_budget_is_left_for_items_that_are_needed() -> None:
    naming = Naming()
    naming.end(*range(200))
    most = naming.scheduler.lanes[Endpoint.GET_ITEMS].budget.per_minute * LARGEST_SHARE
    assert len(naming.read) == most == 30
    naming.end(200, now=61.0)
    assert len(naming.read) == 31


@pytest.mark.parametrize("tags", [(), ("vip",)], ids=["no tags", "tags"])
def test_no_items_are_read_for_people_who_need_no_tag(tags: tuple[str, ...]) -> None:
    naming = Naming()
    naming.end(*range(20))
    batch = naming.batch(20)
    batch.segment = Segment("other") if not tags else batch.segment
    for entry in batch.entries:
        entry.member = bool(tags)
    before = len(naming.read)
    naming.stage.judged(batch, None, 0.0)
    assert (len(naming.read), naming.stage.reading) == (before, set())


ODD = {
    "fault": Answer(Kind.RETRY, 503, fault="503"),
    "forbidden": Answer(Kind.FORBIDDEN, 403, fault="403"),
    "gone": Answer(Kind.GONE, 404, fault="404"),
    "rejected": Answer(Kind.INVALID, 400, fault="400"),
    "unfinished": Answer(Kind.DONE, 200, told([], status="inProgress")),
    "empty": Answer(Kind.DONE, 200, {"status": "finished"}),
    "strangers": Answer(Kind.DONE, 200, told(["p999999"])),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_without_an_id_the_counts_stay_right_and_no_more_is_read(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    naming = Naming()
    naming.answer = lambda _: answer
    naming.end(*range(30))
    assert len(naming.read) == FRUITLESS
    assert len(naming.handed_on) == 30
    for batch, judgement in naming.handed_on:
        everyone = {entry.email for entry in batch.entries}
        assert judgement is None or (set(judgement.accepted), judgement.undone) == (everyone, [])
    assert not naming.tagger.adding.takes_ids
    assert [record.event_name for record in caplog.records] == ["tags_by_email"]  # type: ignore[attr-defined]


def test_one_odd_answer_does_not_end_the_reading() -> None:
    naming = Naming()
    answers = iter([ODD["fault"], ODD["empty"]])
    whole = naming.answer
    naming.answer = lambda emails: next(answers, None) or whole(emails)
    naming.end(*range(25))
    assert len(naming.read) == 9
    assert naming.tagger.adding.takes_ids


def test_an_item_that_failed_after_all_is_believed() -> None:
    naming = Naming()
    failed = {"responseCode": 400, "response": {"email": "p1600"}, "status": "finished"}

    def with_failure(emails: list[str]) -> Answer:
        return Answer(Kind.DONE, 200, told(emails[1:], errors=[failed]))

    naming.answer = with_failure
    naming.end(*range(17))
    judgement = naming.handed_on[-1][1]
    assert judgement is not None
    assert list(judgement.refused) == ["p1600"]
    assert len(judgement.accepted) == 99
