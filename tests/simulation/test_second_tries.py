"""Items that fail once share batches when they go out again."""

from __future__ import annotations

import pytest
from support.simulation import Simulation, members, with_states

from omnisend_sandbox.faults import Fault
from target_omnisend.delivery.second_tries import PATIENCE


@pytest.mark.parametrize(
    ("share", "most"), [pytest.param(0.01, 1.03, marks=pytest.mark.slow), (0.05, 1.07)]
)
def test_few_items_that_fail_once_cost_few_calls(share: float, most: float) -> None:
    run = Simulation(batch_latency=20.0, max_unconfirmed=20_000)
    run.store.faults.add(Fault("item_flaky", code=503, probability=share, seed=7))
    run.run(with_states(members(20_000), every=1_000))
    assert run.outcome.exit_code == 0
    assert len(run.delivered) == 20_000
    assert run.store.faults.hits["item_flaky"] > 0.7 * share * 20_000
    assert run.calls["POST /batches"] <= 200 * most
    assert run.states[-1].value == {"read": 20_000}


def test_a_single_item_does_not_wait_for_others_that_cannot_come() -> None:
    def seconds(*faults: Fault) -> float:
        run = Simulation(batch_latency=2.0)
        run.store.faults.add(*faults)
        return run.run(members(50)).now

    flaky = Fault("item_flaky", code=503, email="^p7@")
    assert seconds(flaky) - seconds() < 2.0 + PATIENCE


def test_items_that_fail_for_good_end_as_unavailable_and_cost_no_other_its_verdict() -> None:
    run = Simulation(batch_latency=2.0)
    run.store.faults.add(Fault("item_refused", code=503, email="^p[0-9]*7@"))
    run.run(members(600))
    bad = {f"p{number}@example.com" for number in range(600) if number % 10 == 7}
    assert run.refused == dict.fromkeys(bad, "omnisend_unavailable")
    assert len(run.delivered) == 540


def test_stopped_while_they_wait_they_are_unconfirmed() -> None:
    run = Simulation(batch_latency=2.0)
    run.store.faults.add(Fault("item_flaky", code=503, email="^p[0-9]*7@"))
    run.run(with_states(members(2_000), every=100), stop_at=4.5)
    run.delivery.count_not_sent()
    total = run.outcome.total()
    assert total.accepted + total.unconfirmed + total.not_sent == total.received
    assert run.outcome.exit_code == 143
