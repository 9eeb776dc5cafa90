"""Budgets: what Omnisend counts in any 60 seconds never exceeds what it allows."""

from __future__ import annotations

import heapq
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_omnisend.api.budget import WINDOW_SECONDS, Budget, Endpoint, allowance


@pytest.mark.parametrize(
    ("endpoint", "share", "calls"),
    [
        (Endpoint.POST_BATCH, 1, 400),
        (Endpoint.POST_BATCH, 0.9, 360),
        (Endpoint.LIST_BATCHES, 0.5, 200),
        (Endpoint.ADD_TAGS, 1, 60),
        (Endpoint.ADD_TAGS, 0.9, 54),
        (Endpoint.ADD_TAGS, 0.001, 1),
        (Endpoint.POST_BATCH, 0, math.inf),
    ],
    ids=repr,
)
def test_the_allowance_is_the_share_of_the_limit_and_one_at_least(
    endpoint: Endpoint, share: float, calls: float
) -> None:
    assert allowance(endpoint, share) == calls


def used(budget: Budget, calls: int, ended: float) -> Budget:
    for _ in range(calls):
        budget.start()
    for _ in range(calls):
        budget.end(ended)
    return budget


def test_the_whole_allowance_may_be_used_at_once() -> None:
    budget = Budget(3)
    used(budget, 2, 0.0)
    assert budget.ready_at(0.0) == 0.0


def test_a_call_counts_until_a_minute_after_its_end() -> None:
    budget = used(Budget(2), 2, 5.0)
    assert (budget.ready_at(6.0), budget.ready_at(65.0)) == (65.0, 65.0)


def test_calls_come_free_one_by_one() -> None:
    budget = Budget(2)
    used(budget, 1, 0.0)
    used(budget, 1, 10.0)
    budget.ready_at(60.0)
    used(budget, 1, 60.0)
    assert budget.ready_at(60.0) == 70.0


def test_with_all_in_flight_one_must_end_first() -> None:
    budget = Budget(2)
    budget.start()
    budget.start()
    assert budget.ready_at(1000.0) == math.inf


def test_without_a_limit_every_call_is_ready_and_those_of_a_minute_are_counted() -> None:
    budget = used(Budget(math.inf), 10_000, 0.0)
    budget.narrow(0.0, 100.0)
    assert budget.ready_at(0.0) == 0.0
    assert [budget.in_use(now) for now in (59.9, 60.0)] == [10_000, 0]


def test_a_429_halves_the_allowance_until_the_window_has_passed() -> None:
    budget = Budget(4)
    budget.narrow(0.0, 100.0)
    used(budget, 2, 10.0)
    assert budget.ready_at(10.0) == 70.0
    used(budget, 2, 90.0)
    assert budget.ready_at(90.0) == 100.0
    assert budget.ready_at(100.0) == 100.0


def test_a_narrowed_budget_gives_way_when_its_time_is_over() -> None:
    budget = Budget(4)
    budget.start()
    budget.start()
    budget.narrow(0.0, 30.0)
    assert budget.ready_at(0.0) == 30.0


def test_a_second_429_halves_again_but_one_call_is_always_left() -> None:
    budget = Budget(3)
    for _ in range(5):
        budget.narrow(0.0, 100.0)
    assert budget.ready_at(0.0) == 0.0
    used(budget, 1, 0.0)
    assert budget.ready_at(0.0) == 60.0


def most_in_a_window(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(
        sum(1 for later in moments[i:] if later < first + WINDOW_SECONDS)
        for i, first in enumerate(moments)
    )


durations = st.floats(0.0, 200.0, allow_nan=False)
whenever = st.floats(0.0, 1.0)


@settings(deadline=None)
@given(
    allowed=st.integers(1, 7),
    calls=st.lists(st.tuples(durations, whenever, st.booleans()), min_size=1, max_size=60),
)
def test_no_minute_at_the_server_holds_more_calls_than_allowed(
    allowed: int, calls: list[tuple[float, float, bool]]
) -> None:
    """The server sees each call at any moment between its start and its end."""
    budget, now, seen = Budget(allowed), 0.0, []
    ends: list[float] = []
    for duration, share, throttled in calls:
        while (ready := budget.ready_at(now)) > now:
            now = min([ready, *ends[:1]])
            while ends and ends[0] <= now:
                budget.end(heapq.heappop(ends))
        budget.start()
        seen.append(now + duration * share)
        heapq.heappush(ends, now + duration)
        if throttled:
            budget.narrow(now, now + 61.0 + WINDOW_SECONDS)
    # Sums of floats: a hair's breadth at the window's edge is not a breach.
    assert most_in_a_window([moment * (1 + 1e-9) for moment in seen]) <= allowed


@given(allowed=st.integers(1, 5), calls=st.integers(1, 40), duration=durations)
def test_time_alone_always_lets_the_next_call_in(allowed: int, calls: int, duration: float) -> None:
    budget, now = Budget(allowed), 0.0
    for _ in range(calls):
        now = budget.ready_at(now)
        assert math.isfinite(now)
        budget.start()
        budget.end(now + duration)
        now += duration
