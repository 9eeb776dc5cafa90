"""Which segments with pending entries need what next."""

from __future__ import annotations

from target_omnisend.delivery.batcher import Batcher
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.model import MAX_ITEMS, Origin, Segment
from target_omnisend.delivery.outcome import StreamCounts


def origin(stream: str, segment: Segment | None = None) -> Origin:
    return Origin(stream, b"", StreamCounts(), lambda line, _: line, segment or Segment(stream))


def admit(batcher: Batcher, into: Origin, *names: str, at: float = 0.0) -> None:
    for name in names:
        batcher.admit(into, f"{name}@example.com", b"{}", b"", at)


def test_a_segment_is_there_while_it_has_pending_entries() -> None:
    batcher, gold = Batcher(Checkpoint(lambda _: None)), origin("gold")
    assert not batcher.segments.all
    admit(batcher, gold, "ada")
    assert list(batcher.segments.all) == list(batcher.segments.complete) == [gold.segment]
    list(batcher.cut(gold.segment, partial=True))
    assert not batcher.segments.all


def test_a_segment_is_full_with_a_batch_of_entries_whatever_streams_they_are_of() -> None:
    batcher, gold = Batcher(Checkpoint(lambda _: None)), Segment("gold")
    for n in range(MAX_ITEMS - 1):
        admit(batcher, origin(f"stream{n}", gold), f"p{n}")
    assert not batcher.segments.full
    admit(batcher, origin("last", gold), "last")
    assert list(batcher.segments.full) == [gold]
    (batch,) = batcher.cut(gold, partial=False)
    assert len(batch.entries) == MAX_ITEMS
    assert batch.stream is None
    assert not batcher.segments.full


def test_a_segment_is_not_complete_while_one_of_its_entries_waits() -> None:
    batcher, gold = Batcher(Checkpoint(lambda _: None)), origin("gold")
    admit(batcher, gold, "ada")
    list(batcher.cut(gold.segment, partial=True))
    admit(batcher, gold, "ada", "bo")
    assert list(batcher.segments.all) == [gold.segment]
    assert not batcher.segments.complete
    batcher.release("ada@example.com", 1.0)
    assert list(batcher.segments.complete) == [gold.segment]


def test_the_oldest_segments_are_given_and_no_others_are_looked_at() -> None:
    batcher = Batcher(Checkpoint(lambda _: None))
    for n in range(5):
        admit(batcher, origin(f"s{n}"), f"p{n}", at=float(n))
    given = []
    for segment in batcher.segments.older_than(2.0):
        given.append(segment.name)
        list(batcher.cut(segment, partial=True))
    assert given == ["s0", "s1", "s2"]


def test_a_segment_that_is_put_off_comes_last() -> None:
    batcher = Batcher(Checkpoint(lambda _: None))
    first = origin("first")
    admit(batcher, first, "ada", at=1.0)
    admit(batcher, origin("second"), "bo", at=2.0)
    batcher.segments.put_off(first.segment, 3.0)
    assert [segment.name for segment in batcher.segments.all] == ["second", "first"]
    assert first.segment.pending_since == 3.0
