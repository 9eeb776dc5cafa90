"""Which states leave, and when."""

from __future__ import annotations

from typing import Any

import pytest

from target_omnisend.delivery.checkpoint import Checkpoint, Epoch


class Kept:
    """A checkpoint, what it emitted, and its epochs in order."""

    def __init__(self) -> None:
        self.emitted: list[Any] = []
        self.checkpoint = Checkpoint(self.emitted.append)

    def epoch(self, records: int, state: Any) -> Epoch:
        epoch = self.checkpoint.epoch
        epoch.open += records
        self.checkpoint.state(state)
        return epoch


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_state_waits_for_every_record_before_it(kept: Kept) -> None:
    epoch = kept.epoch(2, {"at": 1})
    for still_open in (2, 1):
        epoch.open = still_open
        kept.checkpoint.emit_safe()
    assert kept.emitted == []
    epoch.open = 0
    kept.checkpoint.emit_safe()
    assert kept.emitted == [{"at": 1}]


def test_a_state_waits_for_earlier_epochs_too(kept: Kept) -> None:
    first = kept.epoch(1, {"at": 1})
    kept.epoch(0, {"at": 2})
    kept.checkpoint.emit_safe()
    assert kept.emitted == []
    first.open = 0
    kept.checkpoint.emit_safe()
    assert kept.emitted == [{"at": 2}]


def test_states_that_tell_of_no_open_record_take_no_room(kept: Kept) -> None:
    first = kept.epoch(1, {"at": 1})
    for at in range(2, 1000):
        kept.epoch(0, {"at": at})
    kept.epoch(0, {})
    assert len(kept.checkpoint._ended) == 1
    last = kept.epoch(1, {"at": 1000})
    first.open = 0
    kept.checkpoint.emit_safe()
    last.open = 0
    kept.checkpoint.emit_safe()
    assert kept.emitted == [{"at": 999}, {"at": 1000}]


def test_a_state_does_not_wait_for_later_records(kept: Kept) -> None:
    kept.epoch(0, {"at": 1})
    kept.checkpoint.epoch.open += 1
    kept.checkpoint.emit_safe()
    assert kept.emitted == [{"at": 1}]


def test_only_as_many_states_leave_as_are_safe(kept: Kept) -> None:
    kept.epoch(0, {"at": 1})
    second = kept.epoch(1, {"at": 2})
    kept.checkpoint.emit_safe()
    assert kept.emitted == [{"at": 1}]
    second.open = 0
    kept.checkpoint.emit_safe()
    assert kept.emitted == [{"at": 1}, {"at": 2}]


def test_a_state_leaves_once_and_unchanged(kept: Kept) -> None:
    state = {"bookmarks": {"b": None, "a": [1]}}
    kept.epoch(0, state)
    kept.checkpoint.emit_safe()
    kept.checkpoint.emit_safe()
    assert len(kept.emitted) == 1
    assert kept.emitted[0] is state


@pytest.mark.parametrize("empty", [{}, None])
def test_an_empty_state_is_never_emitted_and_hides_none_before_it(kept: Kept, empty: Any) -> None:
    kept.epoch(0, {"at": 1})
    kept.epoch(0, empty)
    kept.checkpoint.emit_safe()
    assert kept.emitted == [{"at": 1}]
