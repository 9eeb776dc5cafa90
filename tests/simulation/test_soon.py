"""With a slow tap that never pauses, records go out soon and their states follow."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
from support.calls import NOON
from support.simulation import Member, Simulation, State, Wait, members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.simulation import Message

STEP = 0.1
"""Seconds between two states of the tap."""


def tap(seconds: int, a_second: int = 100, segments: int = 1) -> Iterator[Message]:
    """So many records a second, and a state after each part of them."""
    part = int(a_second * STEP)
    for step in range(int(seconds / STEP)):
        for number in range(step * part, (step + 1) * part):
            yield Member(f"p{number}@example.com", f"s{number % segments}")
        yield State(step)
        yield Wait(STEP)


def run_of(segments: int = 1, **options: Any) -> Simulation:
    return Simulation(
        tags={f"s{n}": [f"t{n}"] for n in range(segments)}, batch_latency=0.5, **options
    )


def delays(run: Simulation) -> list[float]:
    """Seconds from each state to the first emitted one that is as new, as long as input comes."""
    found: list[float] = []
    for state in run.states[:-5]:
        found += [state.at - step * STEP for step in range(len(found), state.value + 1)]
    return found


def test_a_record_goes_out_within_2_seconds_and_its_state_within_5() -> None:
    run = run_of().run(tap(120))

    for batch in run.store.batches:
        for contact, _ in batch.results:  # type: ignore[misc]
            read_at = int(contact.email[1:].partition("@")[0]) // 10 * STEP
            assert batch.created - NOON - read_at <= 2.0
    assert len(delays(run)) >= 1_000
    assert max(delays(run)) <= 5.0
    assert run.calls["POST /batches"] == 120, "full batches"


def test_it_keeps_to_the_budget_of_tag_calls() -> None:
    run = run_of().run(tap(300))
    assert run.outcome.total().accepted == 30_000
    assert not run.store.requests.throttled.total()
    assert run.store.requests.busiest["POST /contacts/tags"] <= 54
    assert max(delays(run)) <= 5.0


def test_several_segments_share_the_budget() -> None:
    run = run_of(4).run(tap(300, segments=4))
    assert run.outcome.total().accepted == 30_000
    assert median(delays(run)) <= 10.0


def test_a_tap_at_the_limit_is_not_slowed_down() -> None:
    """250 records a second are more than tag calls by e-mail take in full."""
    run = run_of().run(tap(120, a_second=250))
    assert run.now < 120 + 30
    assert run.calls["POST /contacts/tags"] <= 120 * 250 / 200


def test_records_of_a_fast_tap_are_merged() -> None:
    run = run_of().run([*members(5_000, "s0"), *members(5_000, "s0")])
    total = run.outcome.total()
    assert (total.accepted, total.duplicates) == (5_000, 5_000)
    assert run.calls["POST /batches"] == 50


@pytest.mark.parametrize("seed", range(3))
def test_the_newest_record_of_a_person_is_the_last_one_sent(seed: int) -> None:
    said: list[Message] = []
    for second in range(40):
        said += (Member(f"p{n}@example.com", "s0", str(second)) for n in range(120))
        said.append(Wait(1.0))
    run = run_of(seed=seed).run(said)
    assert {one.first_name for one in run.store.contacts.values()} == {"39"}
