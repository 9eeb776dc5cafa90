"""People that Omnisend does not have are skipped, or counted before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.calls import NOON
from support.simulation import (
    Member,
    Simulation,
    StoreClient,
    Wait,
    failure_of,
    members,
    with_states,
)

from omnisend_sandbox.faults import Fault
from target_omnisend.delivery.newcomers import Growth
from target_omnisend.delivery.presence import Addresses
from target_omnisend.errors import ExitCode

if TYPE_CHECKING:
    from target_omnisend.api.answers import Answer

READ = "GET /contacts"
MANY = 50
"""More people than these are looked up by reading the store."""

KNOWN_ONLY = Growth(create=False, looking=True, max_look_ups=MANY)
WRITES = ("POST /batches", "POST /contacts/tags", "DELETE /contacts/tags")


def limit_of(limit: int) -> Growth:
    return Growth(limit=limit, looking=True, max_look_ups=MANY)


def shop(
    growth: Growth, known: int, kind: type[Simulation] = Simulation, **options: Any
) -> Simulation:
    """A run to come, and a store that has the first ones of its people."""
    run = kind(growth=growth, **{"batch_latency": 2.0, **options})
    for number in range(known):
        run.store.people.seed({"email": f"p{number}@example.com"}, NOON - 1000)
    return run


def writes(run: Simulation) -> int:
    return sum(run.calls[call] for call in WRITES)


# -- create_contacts: false ------------------------------------------------------------


@pytest.mark.parametrize(("count", "reads"), [(50, 50), (400, 3)], ids=["few", "many"])
def test_only_people_that_omnisend_has_are_sent(count: int, reads: int) -> None:
    run = shop(KNOWN_ONLY, 20).run(with_states(members(count), every=10))
    total = run.outcome.total()
    assert (total.accepted, total.skipped) == (20, count - 20)
    assert (total.updated, total.created) == (20, 0)
    assert (run.outcome.exit_code, run.outcome.new_people) == (0, count - 20)
    assert len(run.store.contacts) == len(run.delivered) == 20
    assert run.states[-1].value == {"read": count}
    assert run.calls[READ] <= reads + 1
    assert run.calls["POST /batches"] == 1


def test_without_the_settings_no_person_is_looked_up() -> None:
    run = Simulation().run(members(300))
    assert (run.calls[READ], run.outcome.new_people) == (0, None)
    assert run.outcome.total().reported()["created"] is None


def test_a_slow_tap_gets_its_states_all_the_same() -> None:
    run = shop(KNOWN_ONLY, 10)
    emitted: list[Any] = []
    run.loop.at(100.0, lambda: emitted.extend(run.states))
    messages = list(with_states(members(40), every=10))
    run.run([*messages, Wait(200.0), Member("p0@example.com")])
    assert emitted[-1].value == {"read": 40}


def test_people_of_two_segments_are_decided_once() -> None:
    tags = {"vip": ["vip"], "gold": ["gold"]}
    run = shop(KNOWN_ONLY, 20, tags=tags)
    run.run([*members(40), *members(40, "gold")])
    assert (run.outcome.exit_code, run.calls[READ]) == (0, 40)
    assert [one.skipped for one in run.outcome.streams.values()] == [20, 20]


# -- max_new_contacts ------------------------------------------------------------------


@pytest.mark.parametrize("count", [50, 400], ids=["few", "many"])
def test_as_many_as_allowed_are_made(count: int) -> None:
    run = shop(limit_of(count - 20), 20).run(with_states(members(count), every=10))
    total = run.outcome.total()
    assert (total.accepted, total.created, total.updated) == (count, count - 20, 20)
    assert (run.outcome.exit_code, run.outcome.new_people) == (0, count - 20)
    assert len(run.delivered) == count
    assert run.states[-1].value == {"read": count}
    assert run.calls["POST /batches"] == -(-count // 100)


@pytest.mark.parametrize(
    "count",
    [50, 400, pytest.param(60_000, marks=pytest.mark.slow)],
    ids=["few", "many", "very many"],
)
def test_one_more_than_allowed_and_nothing_is_sent(count: int) -> None:
    run = shop(limit_of(count - 21), 20).run(with_states(members(count), every=10))
    failure = failure_of(run)
    assert (failure.exit_code, run.outcome.exit_code) == (ExitCode.GUARD, 6)
    assert f"{count - 20} people" in failure.sentence
    assert f"max_new_contacts allows {count - 21}" in failure.sentence
    assert "the run sent nothing" in failure.sentence
    assert (writes(run), len(run.store.contacts), run.states) == (0, 20, [])
    run.delivery.count_not_sent()
    total = run.outcome.total()
    assert (total.not_sent, total.unconfirmed) == (count, 0)


def test_a_person_in_two_segments_counts_once() -> None:
    tags = {"vip": ["vip"], "gold": ["gold"]}
    run = shop(limit_of(100), 0, tags=tags)
    run.run([*members(100), *members(100, "gold"), *members(100)])
    assert run.outcome.exit_code == 0, run.outcome.failure
    total = run.outcome.total()
    assert (run.outcome.new_people, total.created) == (100, 100)
    assert total.updated == total.accepted - 100
    assert all({"vip", "gold"} <= set(one.tags) for one in run.store.contacts.values())


def test_many_small_segments_are_counted_before_any_of_them_is_sent() -> None:
    tags = {f"s{n}": [f"t{n}"] for n in range(10)}
    people = [Member(f"p{n}@example.com", f"s{n % 10}") for n in range(100)]
    more = [Member(f"p{n}@example.com", f"s{(n + 1) % 10}") for n in range(100)]
    run = shop(limit_of(99), 0, tags=tags).run([*people, *more])
    assert (run.outcome.exit_code, writes(run)) == (6, 0)
    run = shop(limit_of(100), 0, tags=tags).run([*people, *more])
    assert (run.outcome.exit_code, run.outcome.total().accepted) == (0, 200)


def test_more_people_than_can_be_held_never_make_more_contacts_than_allowed() -> None:
    run = shop(limit_of(300), 100, max_unconfirmed=200)
    run.run(with_states(members(800), every=100))
    assert run.outcome.exit_code == 6
    assert "made no more than that" in failure_of(run).sentence
    assert 100 < len(run.store.contacts) <= 400
    assert run.outcome.total().accepted > 0


def test_more_people_than_can_be_held_are_all_sent_if_few_are_new() -> None:
    run = shop(limit_of(300), 500, max_unconfirmed=200)
    run.run(with_states(members(800), every=100))
    assert (run.outcome.exit_code, len(run.delivered)) == (0, 800), run.outcome.failure
    assert run.outcome.total().created == 300
    assert run.states[-1].value == {"read": 800}


def test_both_settings_together_make_no_contact() -> None:
    run = shop(Growth(create=False, limit=0, looking=True, max_look_ups=MANY), 20).run(members(40))
    assert (run.outcome.exit_code, run.outcome.total().skipped) == (0, 20)


def test_an_empty_input_ends() -> None:
    assert shop(limit_of(0), 0).run([]).outcome.exit_code == 0


# -- trouble ---------------------------------------------------------------------------


@pytest.mark.parametrize("growth", [KNOWN_ONLY, limit_of(5_000)], ids=["skip", "limit"])
@pytest.mark.parametrize("count", [50, 400], ids=["few", "many"])
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(403, 3, "scope contacts.read"), (404, 1, "Omnisend"), (500, 1, "Omnisend")],
)
def test_without_an_answer_nothing_is_written(
    growth: Growth, count: int, status: int, code: int, words: str
) -> None:
    run = shop(growth, 20)
    run.store.faults.add(Fault("status", READ, status=status))
    run.run(with_states(members(count), every=10))
    assert (run.outcome.exit_code, writes(run), run.states) == (code, 0, [])
    assert words in failure_of(run).sentence


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", READ, status=403, times=2),
        Fault("status", READ, status=500, probability=0.5),
        Fault("throttle", READ, retry_after=3, probability=0.3),
        Fault("reset_after", READ, probability=0.5),
        Fault("broken_json", READ, probability=0.5),
        Fault("slow", READ, seconds=70, probability=0.1),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
@pytest.mark.parametrize("count", [50, 400], ids=["few", "many"])
def test_a_fault_that_passes_changes_no_verdict(fault: Fault, count: int) -> None:
    run = shop(KNOWN_ONLY, 20)
    run.store.faults.add(fault)
    run.run(with_states(members(count), every=10))
    total = run.outcome.total()
    assert (run.outcome.exit_code, total.accepted, total.skipped) == (0, 20, count - 20)


@pytest.mark.parametrize("count", [50, 400], ids=["few", "many"])
def test_stopped_while_people_are_counted_nothing_was_sent(count: int) -> None:
    run = shop(limit_of(5_000), 20)
    run.store.faults.add(Fault("slow", READ, seconds=5))
    run.run(with_states(members(count), every=10), stop_at=3.0)
    assert (run.outcome.exit_code, writes(run), run.states) == (143, 0, [])
    assert run.now < 30
    run.delivery.count_not_sent()
    total = run.outcome.total()
    assert (total.not_sent, total.unconfirmed) == (total.received, 0)


class OneAnswer(StoreClient):
    """Each look-up gets the contact of the same person."""

    def find_contact(self, email: str) -> Answer:  # noqa: ARG002
        return super().find_contact("p19@example.com")


class Senseless(Simulation):
    client = OneAnswer


def test_a_look_up_without_sense_has_the_store_read() -> None:
    run = shop(KNOWN_ONLY, 20, kind=Senseless).run(members(40))
    assert (run.outcome.exit_code, run.outcome.total().accepted) == (0, 20)


def test_addresses_are_found_in_each_part() -> None:
    addresses = Addresses(size=3)
    for part in (["a", "b"], ["c", "d"], ["e"]):
        addresses.add(part)
    addresses.close()
    assert addresses.count == 5
    assert [addresses.has(one) for one in "abcdef"] == [True] * 5 + [False]
