"""The way in: merging, waiting, cutting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_omnisend.delivery.batcher import Intake
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.model import MAX_BYTES, MAX_ITEMS, Batch, Origin, Segment
from target_omnisend.delivery.outcome import StreamCounts

if TYPE_CHECKING:
    from collections.abc import Iterable


def stream(name: str = "vip", *, of: Segment | None = None) -> Origin:
    return Origin(name, b"", StreamCounts(), lambda line, _: line, of or Segment(name))


class Way:
    """An intake, and shorthand for it."""

    def __init__(self) -> None:
        self.checkpoint = Checkpoint(lambda _: None)
        self.intake = Intake(self.checkpoint)

    def admit(self, into: Origin, *emails: str, item: bytes = b"{}", at: float = 0.0) -> None:
        for email in emails:
            self.intake.admit(into, email, item, b"", at)

    def cut(self, of: Origin, *, partial: bool = True) -> list[list[str]]:
        return emails(self.intake.cut(of.segment, partial=partial))


def emails(batches: Iterable[Batch]) -> list[list[str]]:
    return [[entry.email for entry in batch.entries] for batch in batches]


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.mark.parametrize(
    ("count", "partial", "sizes", "left"),
    [
        (0, True, [], 0),
        (1, False, [], 1),
        (1, True, [1], 0),
        (99, False, [], 99),
        (100, False, [100], 0),
        (101, False, [100], 1),
        (250, True, [100, 100, 50], 0),
        (250, False, [100, 100], 50),
    ],
    ids=repr,
)
def test_batches_are_cut_by_a_hundred(
    way: Way, count: int, sizes: list[int], left: int, *, partial: bool
) -> None:
    vip = stream()
    way.admit(vip, *(f"p{n}" for n in range(count)))
    assert [len(batch) for batch in way.cut(vip, partial=partial)] == sizes
    assert len(vip.segment.pending) == way.intake.pending == left
    assert way.intake.held == count


def test_batches_are_cut_by_bytes(way: Way) -> None:
    vip = stream()
    way.admit(vip, *(f"p{n}" for n in range(7)), item=b"x" * (MAX_BYTES // 3))
    sizes = [sum(len(e.item or b"") + 1 for e in b.entries)
             for b in way.intake.cut(vip.segment, partial=True)]  # fmt: skip
    assert len(sizes) == 4
    assert max(sizes) <= MAX_BYTES


def test_an_item_that_is_a_batch_of_its_own_is_cut_alone(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a", "b", item=b"x" * MAX_BYTES)
    assert way.cut(vip) == [["a"], ["b"]]


def test_batches_keep_the_order_of_admission(way: Way) -> None:
    vip, names = stream(), [f"p{n}" for n in range(MAX_ITEMS + 5)]
    way.admit(vip, *names)
    assert way.cut(vip) == [names[:MAX_ITEMS], names[MAX_ITEMS:]]


def test_a_later_record_of_a_person_replaces_the_pending_one(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a", item=b"1")
    way.admit(vip, "a", item=b"2")
    (batch,) = way.intake.cut(vip.segment, partial=True)
    assert [entry.item for entry in batch.entries] == [b"2"]
    assert (vip.counts.duplicates, way.intake.held) == (1, 1)


def test_a_merged_record_opens_no_epoch(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a")
    first = way.checkpoint.epoch
    way.checkpoint.state({})
    way.admit(vip, "a")
    assert (first.open, way.checkpoint.epoch.open) == (0, 1)


def test_a_person_in_a_batch_makes_the_next_record_wait(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a", "b")
    way.cut(vip)
    way.admit(vip, "a", item=b"2")
    assert (way.cut(vip), vip.segment.waiting, way.intake.held) == ([], 1, 3)
    way.intake.release("a", 5.0)
    assert (way.cut(vip), vip.segment.waiting, way.intake.held) == ([["a"]], 0, 2)


def test_of_several_waiting_records_of_a_segment_the_last_stays(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a")
    way.cut(vip)
    for item in (b"2", b"3", b"4"):
        way.admit(vip, "a", item=item)
    way.intake.release("a", 0.0)
    (batch,) = way.intake.cut(vip.segment, partial=True)
    assert (batch.entries[0].item, vip.counts.duplicates) == (b"4", 2)


def sent_in_turn(way: Way, segments: Iterable[Origin]) -> list[bytes]:
    """What is sent of a person whose every batch is settled before the next is cut."""
    sent: list[bytes] = []
    for _ in range(10):
        for one in segments:
            for batch in way.intake.cut(one.segment, partial=True):
                sent += [entry.item or b"" for entry in batch.entries]
                way.intake.release("a", 0.0)
    return sent


@pytest.mark.parametrize(
    ("records", "sent"),
    [
        ("xyz", [b"0x", b"1y", b"2z"]),
        ("xyzy", [b"0x", b"2z", b"3y"]),
        ("xyx", [b"0x", b"1y", b"2x"]),
        ("xxy", [b"1x", b"2y"]),
        ("xyxyx", [b"0x", b"3y", b"4x"]),
    ],
    ids=repr,
)
def test_across_segments_a_person_is_sent_in_the_order_of_the_records(
    way: Way, records: str, sent: list[bytes]
) -> None:
    segments = {name: stream(name) for name in "xyz"}
    for number, name in enumerate(records):
        way.admit(segments[name], "a", item=f"{number}{name}".encode())
    assert sent_in_turn(way, segments.values()) == sent
    assert (way.intake.held, way.intake.pending) == (0, 0)


def test_a_released_person_is_unknown_again(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a")
    way.cut(vip)
    way.intake.release("a", 0.0)
    assert (way.intake.held, way.intake._open, way.intake._later) == (0, set(), {})


def test_pending_since_tells_when_the_oldest_pending_entry_came(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a", at=3.0)
    way.admit(vip, "b", at=9.0)
    assert vip.segment.pending_since == 3.0
