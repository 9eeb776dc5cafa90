"""People that Omnisend does not have are skipped, or counted before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from support.calls import NOON
from support.simulation import Member, Simulation, Wait, failure_of, members, with_states

from omnisend_sandbox.faults import Fault
from target_omnisend.delivery import presence
from target_omnisend.delivery.newcomers import Growth
from target_omnisend.errors import ExitCode

READ = "GET /contacts"
KNOWN_ONLY = Growth.of(create=False, limit=None)
WRITES = ("POST /batches", "POST /contacts/tags", "DELETE /contacts/tags")


def limit_of(limit: int) -> Growth:
    return Growth.of(create=True, limit=limit)


def shop(growth: Growth, known: int, **options: Any) -> Simulation:
    """A run to come, and a store that has so many of its people, the last of the first 100,000."""
    run = Simulation(growth=growth, **{"batch_latency": 2.0, **options})
    for number in range(known):
        run.store.people.seed({"email": f"p{number}@example.com"}, NOON - 1000)
    return run


def writes(run: Simulation) -> int:
    return sum(run.calls[call] for call in WRITES)


# -- create_contacts: false ------------------------------------------------------------


@pytest.mark.parametrize(("count", "reads"), [(300, 300), (2_000, 3)], ids=["few", "many"])
def test_only_people_that_omnisend_has_are_sent(count: int, reads: int) -> None:
    run = shop(KNOWN_ONLY, 120).run(with_states(members(count), every=100))
    total = run.outcome.total()
    assert (total.accepted, total.skipped, total.updated, total.created) == (
        *(120, count - 120),
        *(120, 0),
    )
    assert (run.outcome.exit_code, run.outcome.new_people) == (0, count - 120)
    assert len(run.store.contacts) == len(run.delivered) == 120
    assert run.states[-1].value == {"read": count}
    assert run.calls[READ] <= reads + 1
    assert run.calls["POST /batches"] <= 4


def test_without_the_settings_no_person_is_looked_up() -> None:
    run = Simulation().run(members(300))
    assert (run.calls[READ], run.outcome.new_people) == (0, None)
    assert run.outcome.total().reported()["created"] is None


def test_a_slow_tap_gets_its_states_all_the_same() -> None:
    run = shop(KNOWN_ONLY, 50)
    emitted: list[Any] = []
    run.loop.at(3_000.0, lambda: emitted.extend(run.states))
    messages = list(with_states(members(200), every=50))
    run.run([*messages, Wait(4_000.0), Member("p0@example.com")])
    assert emitted[-1].value == {"read": 200}


def test_people_of_two_segments_are_decided_once() -> None:
    tags = {"vip": ["vip"], "gold": ["gold"]}
    run = shop(KNOWN_ONLY, 50, tags=tags)
    run.run([*members(100), *members(100, "gold")])
    assert (run.outcome.exit_code, run.calls[READ]) == (0, 100)
    assert [one.skipped for one in run.outcome.streams.values()] == [50, 50]


# -- max_new_contacts ------------------------------------------------------------------


@pytest.mark.parametrize("count", [300, 2_000], ids=["few", "many"])
def test_as_many_as_allowed_are_made(count: int) -> None:
    run = shop(limit_of(count - 120), 120).run(with_states(members(count), every=100))
    total = run.outcome.total()
    assert (total.accepted, total.created, total.updated) == (count, count - 120, 120)
    assert (run.outcome.exit_code, run.outcome.new_people) == (0, count - 120)
    assert len(run.delivered) == count
    assert run.states[-1].value == {"read": count}
    assert run.calls["POST /batches"] == count // 100


@pytest.mark.parametrize(
    "count",
    [300, 2_000, pytest.param(60_000, marks=pytest.mark.slow)],
    ids=["few", "many", "very many"],
)
def test_one_more_than_allowed_and_nothing_is_sent(count: int) -> None:
    run = shop(limit_of(count - 121), 120).run(with_states(members(count), every=100))
    failure = failure_of(run)
    assert (failure.exit_code, run.outcome.exit_code) == (ExitCode.GUARD, 6)
    assert f"{count - 120} of the people" in failure.sentence
    assert f"max_new_contacts ({count - 121})" in failure.sentence
    assert "the run sent nothing" in failure.sentence
    assert (writes(run), len(run.store.contacts), run.states) == (0, 120, [])
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
    tags = {f"s{n}": [f"t{n}"] for n in range(50)}
    people = [Member(f"p{n}@example.com", f"s{n % 50}") for n in range(500)]
    more = [Member(f"p{n}@example.com", f"s{(n + 1) % 50}") for n in range(500)]
    run = shop(limit_of(499), 0, tags=tags).run([*people, *more])
    assert (run.outcome.exit_code, writes(run)) == (6, 0)
    run = shop(limit_of(500), 0, tags=tags).run([*people, *more])
    assert (run.outcome.exit_code, run.outcome.total().accepted) == (0, 1_000)


def test_more_people_than_can_be_held_never_make_more_contacts_than_allowed() -> None:
    run = shop(limit_of(1_500), 500, max_unconfirmed=1_000)
    run.run(with_states(members(4_000), every=100))
    assert run.outcome.exit_code == 6
    assert "made no more than that" in failure_of(run).sentence
    assert 500 < len(run.store.contacts) <= 2_000
    assert run.outcome.total().accepted > 0


def test_more_people_than_can_be_held_are_all_sent_if_few_are_new() -> None:
    run = shop(limit_of(1_500), 2_500, max_unconfirmed=1_000)
    run.run(with_states(members(4_000), every=100))
    assert (run.outcome.exit_code, len(run.delivered)) == (0, 4_000), run.outcome.failure
    assert run.outcome.total().created == 1_500
    assert run.states[-1].value == {"read": 4_000}


def test_both_settings_together_make_no_contact() -> None:
    run = shop(Growth.of(create=False, limit=0), 120).run(members(300))
    assert (run.outcome.exit_code, run.outcome.total().skipped) == (0, 180)


def test_an_empty_input_ends() -> None:
    assert shop(limit_of(0), 0).run([]).outcome.exit_code == 0


# -- trouble ---------------------------------------------------------------------------


@pytest.mark.parametrize("growth", [KNOWN_ONLY, limit_of(5_000)], ids=["skip", "limit"])
@pytest.mark.parametrize("count", [200, 2_000], ids=["few", "many"])
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(403, 3, "scope contacts.read"), (404, 1, "Omnisend"), (500, 1, "Omnisend")],
)
def test_without_an_answer_nothing_is_written(
    growth: Growth, count: int, status: int, code: int, words: str
) -> None:
    run = shop(growth, 120)
    run.store.faults.add(Fault("status", READ, status=status))
    run.run(with_states(members(count), every=100))
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
@pytest.mark.parametrize("count", [200, 2_000], ids=["few", "many"])
def test_a_fault_that_passes_changes_no_verdict(fault: Fault, count: int) -> None:
    run = shop(KNOWN_ONLY, 120)
    run.store.faults.add(fault)
    run.run(with_states(members(count), every=100))
    total = run.outcome.total()
    assert (run.outcome.exit_code, total.accepted, total.skipped) == (0, 120, count - 120)


@pytest.mark.parametrize("count", [300, 2_000], ids=["few", "many"])
def test_stopped_while_people_are_counted_nothing_was_sent(count: int) -> None:
    run = shop(limit_of(5_000), 120)
    run.store.faults.add(Fault("slow", READ, seconds=5))
    run.run(with_states(members(count), every=100), stop_at=3.0)
    assert (run.outcome.exit_code, writes(run), run.states) == (143, 0, [])
    assert run.now < 30
    run.delivery.count_not_sent()
    total = run.outcome.total()
    assert (total.not_sent, total.unconfirmed) == (total.received, 0)


def test_a_look_up_without_sense_has_the_store_read(monkeypatch: pytest.MonkeyPatch) -> None:
    run = shop(KNOWN_ONLY, 120)
    find = run.api.find_contact
    monkeypatch.setattr(run.api, "find_contact", lambda _: find("p119@example.com"))
    run.run(members(300))
    assert (run.outcome.exit_code, run.outcome.total().accepted) == (0, 120)


def test_addresses_are_found_in_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PART", 3)
    addresses = presence.Addresses()
    for part in (["a", "b"], ["c", "d"], ["e"]):
        addresses.add(part)
    addresses.close()
    assert addresses.count == 5
    assert [addresses.has(one) for one in "abcdef"] == [True] * 5 + [False]
