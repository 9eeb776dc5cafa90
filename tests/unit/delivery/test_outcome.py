"""What became of a run: the accounting law and the exit code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_omnisend.delivery.outcome import Outcome, StreamCounts
from target_omnisend.errors import ExitCode, RunFailed

VERDICTS = ("accepted", "rejected", "duplicates", "unchanged")


def outcome_of(max_rejected_percent: float = 10.0, **streams: dict[str, int]) -> Outcome:
    outcome = Outcome(max_rejected_percent)
    for name, counts in streams.items():
        for count, value in counts.items():
            setattr(outcome.stream(name), count, value)
    return outcome


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([*VERDICTS, None])), max_size=300)
)
def test_received_is_the_sum_of_all_verdicts_per_stream_and_in_total(
    records: list[tuple[str, str | None]],
) -> None:
    outcome = Outcome()
    for stream, verdict in records:
        counts = outcome.stream(stream)
        counts.received += 1
        if verdict == "rejected":
            counts.reject("email_missing")
        elif verdict is not None:
            setattr(counts, verdict, getattr(counts, verdict) + 1)
    for counts in (*outcome.streams.values(), outcome.total()):
        numbers = counts.numbers()
        told = sum(numbers[name] for name in (*VERDICTS, "unconfirmed"))
        assert numbers["received"] == told
        assert numbers["rejected"] == counts.rejections.total()
    assert outcome.total().unconfirmed == sum(verdict is None for _, verdict in records)
    assert outcome.total().received == len(records)


def test_a_total_counts_warnings_and_rejections_by_code() -> None:
    outcome = Outcome()
    for name in ("a", "b"):
        outcome.stream(name).warnings["phone_invalid"] += 2
        outcome.stream(name).reject("email_missing")
    total = outcome.total()
    assert (total.warnings, total.rejections) == ({"phone_invalid": 4}, {"email_missing": 2})
    assert total.numbers()["warnings"] == 4


@pytest.mark.parametrize(
    ("received", "rejected", "percent", "many"),
    [
        (0, 0, 10, False),
        (99, 99, 0, False),
        (100, 10, 10, False),
        (100, 11, 10, True),
        (100, 1, 0, True),
        (100, 100, 100, False),
        (1000, 5, 0.5, False),
        (1000, 6, 0.5, True),
    ],
    ids=repr,
)
def test_too_many_are_more_than_the_share_once_a_hundred_were_read(
    received: int, rejected: int, percent: float, *, many: bool
) -> None:
    outcome = outcome_of(percent, a={"received": received, "rejected": rejected})
    assert outcome.too_many_rejected() is many


@pytest.mark.parametrize(
    ("received", "rejected", "percent", "hopeless"),
    [
        (120, 120, 10, False),
        (999, 999, 0, False),
        (1000, 500, 10, False),
        (1000, 501, 10, True),
        (1000, 501, 60, False),
        (1000, 601, 60, True),
        (100_000, 50_001, 0, True),
    ],
    ids=repr,
)
def test_a_run_ends_early_only_when_most_of_a_thousand_are_rejected(
    received: int, rejected: int, percent: float, *, hopeless: bool
) -> None:
    outcome = outcome_of(percent, a={"received": received, "rejected": rejected})
    assert outcome.hopelessly_rejected() is hopeless


FULL = {"received": 200, "accepted": 200}
BAD = {"received": 200, "accepted": 100, "rejected": 100}
LATE = {"received": 200, "accepted": 199}


@pytest.mark.parametrize(
    ("counts", "failure", "signal", "code"),
    [
        ({}, None, None, 0),
        (FULL, None, None, 0),
        (BAD, None, None, 4),
        (LATE, None, None, 5),
        ({**BAD, "accepted": 99}, None, None, 4),
        ({"received": 1, "rejected": 1}, None, None, 4),
        ({"received": 3, "rejected": 1, "skipped": 2}, None, None, 4),
        ({"received": 3, "rejected": 2, "unchanged": 1}, None, None, 0),
        ({"received": 3, "rejected": 2, "accepted": 1}, None, None, 0),
        ({"received": 3, "rejected": 1}, None, None, 5),
        ({"received": 3, "skipped": 3}, None, None, 0),
        ({"not_removed": 1}, None, None, 5),
        ({"received": 9, "accepted": 5, "not_sent": 4}, None, None, 0),
        (LATE, ExitCode.SETTINGS, None, 3),
        (BAD, ExitCode.FAULT, None, 1),
        (FULL, None, 15, 143),
        (LATE, ExitCode.SETTINGS, 2, 130),
    ],
    ids=repr,
)
def test_the_exit_code_is_that_of_the_gravest_thing(
    counts: dict[str, int], failure: ExitCode | None, signal: int | None, code: int
) -> None:
    outcome = outcome_of(vip=counts)
    outcome.failure = RunFailed(failure, "Because.") if failure is not None else None
    outcome.stopped_by = signal
    assert outcome.exit_code == code


def test_values_that_are_left_out_are_counted_by_code_and_column() -> None:
    counts = StreamCounts()
    for n in range(10):
        counts.received += 1
        if n in {6, 8}:
            counts.leave_out([("phone_invalid", "tel"), ("value_unfit", "town")][: n - 5])
        if counts.given:
            counts.give({"tel": None if n == 7 else "12", "town": "Paris"})
    assert counts.warnings == {"phone_invalid": 2, "value_unfit": 1}
    assert counts.left_out == {("phone_invalid", "tel"): 2, ("value_unfit", "town"): 1}
    assert counts.given == {"tel": 9, "town": 10}
