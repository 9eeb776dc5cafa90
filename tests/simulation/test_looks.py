"""With `verify: sample` a run sees what Omnisend did before more than one batch is written."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.calls import NOON
from support.simulation import Member, Simulation, failure_of, members, with_states

from omnisend_sandbox.faults import Fault
from target_omnisend.errors import ExitCode

LOOK = "GET /contacts"


def run_of(
    count: int = 450,
    *faults: Fault,
    known: int = 60,
    stop_at: float = math.inf,
    **options: Any,
) -> Simulation:
    """So many people, of whom Omnisend knows the first ones; each third of those is subscribed."""
    run = Simulation(looking=True, **{"batch_latency": 2.0, **options})
    for number in range(known):
        run.store.people.seed(
            {
                "email": f"p{number}@example.com",
                "status": "nonSubscribed" if number % 3 else "subscribed",
                "tags": ["loyal"],
                "city": "Leeds",
                "customProperties": {"tier": "gold"},
            },
            NOON - 1000,
        )
    run.store.faults.add(*faults)
    return run.run(with_states(members(count), every=100), stop_at=stop_at)


def test_an_omnisend_that_does_as_it_says_costs_few_looks_and_seconds() -> None:
    plain = Simulation(batch_latency=2.0).run(members(100))
    run = run_of(100)
    assert run.outcome.exit_code == 0, run.outcome.failure
    looks = run.outcome.looks
    assert run.calls[LOOK] <= 45
    assert run.now - plain.now <= 3
    assert (looks.looked_at, looks.known, looks.subscribed, looks.shown) == (20, 12, 4, 20)
    assert (looks.proven, looks.wrong, looks.not_proven, dict(looks.altered)) == (
        *(True, False, ""),
        {},
    )
    assert run.outcome.total().verified == 20


def test_the_rest_goes_out_once_the_first_batch_has_shown_it() -> None:
    run = run_of(450)
    assert (run.outcome.exit_code, len(run.delivered)) == (0, 450)
    assert run.calls["POST /batches"] == 5
    assert run.outcome.looks.looked_at == 20
    assert run.states[-1].value == {"read": 450}


WRONG = {
    "consent is downgraded": Fault("downgrades_consent"),
    "new people are subscribed": Fault("subscribes_new"),
    "fields are wiped": Fault("wipes_fields"),
    "properties are wiped": Fault("wipes_properties"),
    "tags are wiped": Fault("wipes_tags"),
    "tags are ignored": Fault("ignores_tags"),
}


@pytest.mark.parametrize("fault", WRONG.values(), ids=list(WRONG))
def test_an_omnisend_that_does_otherwise_gets_one_batch(fault: Fault) -> None:
    run = run_of(450, fault)
    failure = failure_of(run)
    assert (failure.exit_code, run.outcome.exit_code) == (ExitCode.READ_BACK, 7)
    assert "'verify: off'" in failure.sentence
    assert run.calls["POST /batches"] == 1
    run.delivery.count_not_sent()
    total = run.outcome.total()
    assert (total.accepted, total.unconfirmed, total.not_sent) == (0, 100, total.received - 100)
    assert run.states == []
    assert "example.com" not in failure.sentence


@pytest.mark.parametrize("seconds", [1.0, 3.0, 4.0])
def test_a_stop_while_people_are_looked_at_lets_their_batch_be_judged(seconds: float) -> None:
    run = run_of(100, stop_at=seconds)
    assert (run.outcome.total().accepted, run.outcome.total().verified) == (100, 20)
    assert [state.value for state in run.states] == [{"read": 100}]
    assert run.outcome.exit_code == 143


def test_harm_that_the_looks_show_after_a_stop_is_said() -> None:
    run = run_of(100, WRONG["consent is downgraded"], stop_at=3.0)
    assert (failure_of(run).exit_code, run.outcome.total().accepted) == (ExitCode.READ_BACK, 0)
    assert run.states == []


def test_the_number_of_people_and_the_change_are_said() -> None:
    run = run_of(450, WRONG["consent is downgraded"])
    assert "(subscribed became nonSubscribed) of 12 of the 20 people" in failure_of(run).sentence


def test_tags_that_come_late_are_waited_for() -> None:
    run = run_of(100, Fault("tags_late", seconds=25))
    assert (run.outcome.exit_code, len(run.delivered)) == (0, 100)
    assert 25 < run.now < 70


def test_tags_that_got_lost_once_are_given_again() -> None:
    run = run_of(450, Fault("ignores_tags", times=1))
    assert (run.outcome.exit_code, len(run.delivered)) == (0, 450)
    assert run.outcome.total().tagged == 450


def test_a_key_that_cannot_read_contacts_lets_the_run_go_on() -> None:
    run = run_of(450, Fault("status", LOOK, status=403))
    assert (run.outcome.exit_code, len(run.delivered)) == (0, 450)
    assert run.outcome.looks.not_proven == "the API key cannot read contacts"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", LOOK, status=500, probability=0.5),
        Fault("status", LOOK, status=500),
        Fault("throttle", LOOK, retry_after=3, probability=0.3),
        Fault("reset_after", LOOK, probability=0.5),
        Fault("broken_json", LOOK, probability=0.5),
        Fault("status", LOOK, status=404),
        Fault("status", LOOK, status=400),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status} {fault.probability}",
)
def test_a_fault_of_a_look_is_never_a_reason_to_fail(fault: Fault) -> None:
    run = run_of(450, fault)
    assert (run.outcome.exit_code, len(run.delivered)) == (0, 450), run.outcome.failure


def test_a_person_deleted_between_the_looks_is_no_change_of_consent() -> None:
    run = Simulation(looking=True, batch_latency=2.0)
    for number in range(20):
        run.store.people.seed({"email": f"p{number}@example.com", "status": "subscribed"}, NOON)
    gone = run.store.people.by_email["p10@example.com"]

    def forget(*_: object) -> None:
        if run.store.batches:
            run.store.people.by_email.pop(gone.email, None)
            gone.email = "other@example.com"

    run.store.faults.add(Fault("slow", LOOK, seconds=0.2, skip=20))
    run.loop.at(2.5, forget)
    run.run(members(20))
    assert run.outcome.exit_code in {0, 5}, run.outcome.failure


def test_a_first_batch_whose_people_are_rejected_proves_nothing() -> None:
    bad = [Member(f"{'bad' if n != 1 else 'good'}{n}@example.com") for n in range(100)]
    run = Simulation(looking=True, batch_latency=2.0)
    run.store.faults.add(
        Fault("item_refused", email="bad"), Fault("ignores_tags", skip=0, times=None)
    )
    run.run([*bad, *members(300)])
    assert run.outcome.exit_code == 7
    assert (len(run.refused), run.calls["POST /batches"]) == (99, 2)


def test_without_a_subscribed_person_later_batches_are_looked_at() -> None:
    run = run_of(4_000, known=0)
    assert run.outcome.exit_code == 0
    assert 40 + 2 * 5 < run.calls[LOOK] <= 200
    slow = run_of(40_000, known=0, batch_latency=60.0)  # all of them are under way at once
    assert 150 < slow.calls[LOOK] <= 200
    late_tags = Fault("tags_late", seconds=40.0, skip=1)  # a state can leave before they show
    late = run_of(20_000, late_tags, known=0, batch_latency=0.5, verify=False)
    assert late.outcome.exit_code == 0
    assert late.outcome.total().accepted == 20_000
    assert 150 < late.calls[LOOK] <= 200
    later = run_of(4_000, known=4_000)
    assert later.calls[LOOK] <= 45


def test_harm_that_only_later_batches_show_ends_the_run() -> None:
    run = Simulation(looking=True, batch_latency=2.0, max_unconfirmed=1_000)
    for number in range(1_000, 1_500):
        run.store.people.seed({"email": f"p{number}@example.com", "status": "subscribed"}, NOON)
    run.store.faults.add(Fault("downgrades_consent"))
    run.run(members(20_000))
    assert run.outcome.exit_code == 7
    assert len(run.store.batches) < 100


def test_a_remembered_proof_lets_nothing_wait() -> None:
    run = Simulation(looking=True, batch_latency=300.0)
    run.delivery.gate.trust()
    run.run(members(1_000))
    assert run.outcome.exit_code == 0
    assert run.now < 2 * 300 + 70
    assert run.outcome.looks.looked_at == 20


def test_stopped_while_the_first_batch_is_looked_at_no_state_lies() -> None:
    for stop_at in (0.2, 1.0, 2.5, 3.5, 4.5, 6.0):
        run = Simulation(looking=True, batch_latency=2.0)
        run.run(with_states(members(450), every=100), stop_at=stop_at)
        assert run.outcome.exit_code == 143
        total = run.outcome.total()
        assert total.accepted <= len(run.delivered)
