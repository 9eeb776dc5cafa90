"""The way in: merging, waiting, cutting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from target_omnisend.delivery.batcher import Batcher
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.model import (
    MAX_BYTES,
    MAX_ITEMS,
    Batch,
    Entry,
    Origin,
    Segment,
    fingerprint,
)
from target_omnisend.delivery.outcome import StreamCounts
from target_omnisend.mapping.contact import UNDATED
from target_omnisend.mapping.merging import consent_of

if TYPE_CHECKING:
    from collections.abc import Iterable


MARK = b"mark"
OUT_IN_JUNE = "2025-06-01T00:00:00Z unsubscribed"
IN_JANUARY = "2025-01-01T00:00:00Z subscribed"


def stream(name: str = "vip", *, of: Segment | None = None) -> Origin:
    return Origin(name, b"", StreamCounts(), lambda line, _: line, of or Segment(name))


def contact(consent: str = UNDATED, **fields: str) -> bytes:
    at, _, status = consent.partition(" ")
    block = {"status": status, "statusChangedAt": at}
    identifier = {"type": "email", "id": "a", "channels": {"email": block}}
    return json.dumps(
        {"identifiers": [identifier], **fields}, separators=(",", ":"), ensure_ascii=False
    ).encode()


def name_of(item: bytes | None) -> str:
    name: str = json.loads(item or b"")["firstName"]
    return name


class Way:
    """An batcher, and shorthand for it."""

    def __init__(self) -> None:
        self.checkpoint = Checkpoint(lambda _: None)
        self.batcher = Batcher(self.checkpoint)

    def admit(self, into: Origin, *emails: str, item: bytes = b"{}", at: float = 0.0) -> None:
        for email in emails:
            self.batcher.admit(into, email, item, b"", at)

    def admit_given(self, into: Origin, consent: str, line: bytes = b"", **fields: str) -> None:
        """A record of person a with a consent and some fields, under a ledger."""
        item = contact(consent, **fields)
        self.batcher.admit(into, "a", item, line, 0.0, fingerprint(MARK, item), consent)

    def next_sent(self, of: Origin) -> Entry:
        """Person a's entry, as its batch takes it."""
        self.batcher.agree(of.segment)
        (batch,) = self.batcher.cut(of.segment, partial=True)
        return batch.entries[0]

    def cut(self, of: Origin, *, partial: bool = True) -> list[list[str]]:
        return emails(self.batcher.cut(of.segment, partial=partial))


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
    assert len(vip.segment.pending) == way.batcher.pending == left
    assert way.batcher.held == count


def test_batches_are_cut_by_bytes(way: Way) -> None:
    vip = stream()
    way.admit(vip, *(f"p{n}" for n in range(7)), item=b"x" * (MAX_BYTES // 3))
    sizes = [sum(len(e.item or b"") + 1 for e in b.entries)
             for b in way.batcher.cut(vip.segment, partial=True)]  # fmt: skip
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


def test_a_later_record_of_a_person_is_merged_into_the_pending_one(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a", item=contact(firstName="1"))
    way.admit(vip, "a", item=contact(firstName="2"))
    (batch,) = way.batcher.cut(vip.segment, partial=True)
    assert [entry.item for entry in batch.entries] == [contact(firstName="2")]
    assert (vip.counts.duplicates, way.batcher.held) == (1, 1)


def test_a_merged_record_keeps_the_older_one_from_being_passed_by_a_state(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a")
    first = way.checkpoint.epoch
    way.checkpoint.state({})
    way.admit(vip, "a")
    assert (first.open, way.checkpoint.epoch.open) == (1, 0)
    (batch,) = way.batcher.cut(vip.segment, partial=True)
    assert batch.entries[0].epoch is first


def test_a_person_in_a_batch_makes_the_next_record_wait(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a", "b")
    way.cut(vip)
    way.admit(vip, "a", item=b"2")
    assert (way.cut(vip), vip.segment.waiting, way.batcher.held) == ([], 1, 3)
    way.batcher.release("a", 5.0)
    assert (way.cut(vip), vip.segment.waiting, way.batcher.held) == ([["a"]], 0, 2)


def test_of_several_waiting_records_of_a_segment_the_last_stays(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a")
    way.cut(vip)
    for name in "234":
        way.admit(vip, "a", item=contact(firstName=name))
    way.batcher.release("a", 0.0)
    (batch,) = way.batcher.cut(vip.segment, partial=True)
    assert (name_of(batch.entries[0].item), vip.counts.duplicates) == ("4", 2)


def sent_in_turn(way: Way, segments: Iterable[Origin]) -> list[str]:
    """What is sent of a person whose every batch is settled before the next is cut."""
    sent: list[str] = []
    for _ in range(10):
        for one in segments:
            for batch in way.batcher.cut(one.segment, partial=True):
                sent += [name_of(entry.item) for entry in batch.entries]
                way.batcher.release("a", 0.0)
    return sent


@pytest.mark.parametrize(
    ("records", "sent"),
    [
        ("xyz", ["0x", "1y", "2z"]),
        ("xyzy", ["0x", "2z", "3y"]),
        ("xyx", ["0x", "1y", "2x"]),
        ("xxy", ["1x", "2y"]),
        ("xyxyx", ["0x", "3y", "4x"]),
    ],
    ids=repr,
)
def test_across_segments_a_person_is_sent_in_the_order_of_the_records(
    way: Way, records: str, sent: list[str]
) -> None:
    segments = {name: stream(name) for name in "xyz"}
    for number, name in enumerate(records):
        way.admit(segments[name], "a", item=contact(firstName=f"{number}{name}"))
    assert sent_in_turn(way, segments.values()) == sent
    assert (way.batcher.held, way.batcher.pending) == (0, 0)


def test_a_released_person_is_unknown_again(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a")
    way.cut(vip)
    way.batcher.release("a", 0.0)
    assert (way.batcher.held, way.batcher._open, way.batcher._later) == (0, {}, {})


def test_pending_since_tells_when_the_oldest_pending_entry_came(way: Way) -> None:
    vip = stream()
    way.admit(vip, "a", at=3.0)
    way.admit(vip, "b", at=9.0)
    assert vip.segment.pending_since == 3.0


# -- consent ---------------------------------------------------------------------------


@pytest.mark.parametrize("consents", [(OUT_IN_JUNE, IN_JANUARY), (IN_JANUARY, OUT_IN_JUNE)])
def test_of_merged_records_the_newest_status_goes_out(way: Way, consents: tuple[str, str]) -> None:
    vip = stream()
    for consent in consents:
        way.admit_given(vip, consent)
    assert consent_of(way.next_sent(vip).item or b"") == OUT_IN_JUNE


@pytest.mark.parametrize("same", [True, False], ids=["one segment", "two segments"])
def test_a_record_that_waits_goes_out_with_the_newest_status_of_the_person(
    way: Way, *, same: bool
) -> None:
    vip = stream()
    other = vip if same else stream("gold")
    way.admit_given(vip, OUT_IN_JUNE)
    way.next_sent(vip)
    way.admit_given(other, IN_JANUARY, firstName="Zoe")
    way.batcher.release("a", 1.0)
    waited = way.next_sent(other)
    assert waited.item == contact(OUT_IN_JUNE, firstName="Zoe")
    assert waited.fingerprint == fingerprint(MARK, waited.item)


def test_a_pending_record_goes_out_with_a_newer_status_that_waits_behind_it(way: Way) -> None:
    vip, gold = stream(), stream("gold")
    way.admit_given(vip, IN_JANUARY)
    way.admit_given(gold, OUT_IN_JUNE)
    assert consent_of(way.next_sent(vip).item or b"") == OUT_IN_JUNE


def test_a_deletion_between_two_records_does_not_lose_the_newer_status(way: Way) -> None:
    vip = stream()
    way.admit_given(vip, OUT_IN_JUNE)
    way.batcher.admit_leaver(vip, "a", contact(), 0.0)
    way.admit_given(vip, IN_JANUARY)
    assert consent_of(way.next_sent(vip).item or b"") == OUT_IN_JUNE


def test_a_status_goes_out_before_the_deletion_of_its_person(way: Way) -> None:
    vip = stream()
    way.admit_given(vip, OUT_IN_JUNE)
    deletion = way.batcher.set_aside(vip, "a", contact(), b"gone", 0.0, alone=True)
    way.batcher.admit_again(deletion, 0.0)
    assert consent_of(way.next_sent(vip).item or b"") == OUT_IN_JUNE
    assert deletion.epoch.open == 2
    way.batcher.release("a", 0.0)
    assert way.next_sent(vip) is deletion


def test_a_deletion_carries_no_status_of_a_record(way: Way) -> None:
    vip = stream()
    way.admit_given(vip, IN_JANUARY)
    way.admit_given(vip, OUT_IN_JUNE)
    way.batcher.admit_leaver(vip, "a", contact(), 0.0)
    way.next_sent(vip)
    way.batcher.release("a", 0.0)
    assert way.next_sent(vip).item == contact()


def test_a_person_without_open_records_has_no_status_to_remember(way: Way) -> None:
    vip = stream()
    way.admit_given(vip, OUT_IN_JUNE)
    way.admit_given(vip, IN_JANUARY)
    way.next_sent(vip)
    way.batcher.release("a", 0.0)
    way.admit_given(vip, IN_JANUARY)
    assert consent_of(way.next_sent(vip).item or b"") == IN_JANUARY


# -- what merged entries keep ----------------------------------------------------------


@pytest.mark.parametrize("step", ["held", "under way", "over"])
def test_a_deletion_between_two_records_does_not_lose_the_older_ones_values(
    way: Way, step: str
) -> None:
    vip = stream()
    way.admit_given(vip, UNDATED, firstName="Zoe", city="Linz")
    deletion = way.batcher.set_aside(vip, "a", contact(), b"gone", 0.0, alone=True)
    if step != "held":
        way.batcher.admit_again(deletion, 0.0)
        assert way.next_sent(vip) is deletion
    if step == "over":
        way.batcher.release("a", 0.0)
    way.admit_given(vip, UNDATED, city="Graz")
    if step == "under way":
        way.batcher.release("a", 0.0)
    assert way.next_sent(vip).item == contact(city="Graz", firstName="Zoe")


def test_a_merged_entry_is_known_by_what_is_sent(way: Way) -> None:
    vip = stream()
    way.admit_given(vip, UNDATED, firstName="Zoe")
    way.admit_given(vip, UNDATED, city="Graz")
    sent = way.next_sent(vip)
    assert sent.item == contact(city="Graz", firstName="Zoe")
    assert (sent.merged, sent.fingerprint) == (True, fingerprint(MARK, sent.item))


def test_an_entry_to_which_merging_adds_nothing_can_be_made_again_from_its_line(way: Way) -> None:
    vip = stream()
    way.admit_given(vip, IN_JANUARY, firstName="Zoe")
    way.admit_given(vip, OUT_IN_JUNE, firstName="Zoë")
    sent = way.next_sent(vip)
    assert (sent.merged, sent.consented) == (False, None)


def test_the_line_with_the_newest_status_is_kept_and_no_other(way: Way) -> None:
    vip = stream()
    for number, consent in enumerate([IN_JANUARY, OUT_IN_JUNE, IN_JANUARY, UNDATED]):
        way.admit_given(vip, consent, line=b"%d" % number)
    sent = way.next_sent(vip)
    assert sent.consented is not None
    assert (sent.line, sent.consented.line) == (b"3", b"1")
    assert (sent.consented.item, sent.consented.consented) == (None, None)


def test_what_would_be_too_large_together_goes_out_as_the_later_record(way: Way) -> None:
    vip = stream()
    way.admit_given(vip, OUT_IN_JUNE, firstName="x" * 500_000)
    way.admit_given(vip, IN_JANUARY, city="y" * 500_000)
    assert way.next_sent(vip).item == contact(OUT_IN_JUNE, city="y" * 500_000)
