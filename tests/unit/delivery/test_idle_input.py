"""A silent tap does not hold back what it said before."""

from __future__ import annotations

import pytest
from support.calls import NOON
from support.simulation import Simulation, State, Wait, members


@pytest.mark.parametrize(("count", "latest"), [(1, 15), (99, 15), (100, 15), (150, 30)])
def test_records_are_submitted_within_30_seconds(count: int, latest: float) -> None:
    run = Simulation(seed=count)
    run.run([*members(count), State({"read": count}), Wait(100)])

    submitted = [batch.created - NOON for batch in run.store.batches]
    assert max(submitted) <= latest + 1
    assert sum(batch.total for batch in run.store.batches) == count
    assert run.states[-1].at < latest + 5, "and the state leaves though the tap is silent"


def test_a_trickle_is_submitted_within_30_seconds_each() -> None:
    said = [message for one in members(60) for message in (one, Wait(3))]
    run = Simulation()
    run.run([*said, Wait(100)])

    for batch in run.store.batches:
        for contact, _ in batch.results:  # type: ignore[misc]
            number = int(contact.email.removeprefix("p").partition("@")[0])
            assert batch.created - NOON - 3 * number < 31
