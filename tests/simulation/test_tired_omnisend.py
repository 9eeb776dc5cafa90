"""A status code has two meanings: whole runs against an Omnisend that is late, picky or tired."""

from __future__ import annotations

from typing import Any

import pytest
from support.simulation import (
    Member,
    Message,
    Simulation,
    Wait,
    failure_of,
    members,
    with_states,
)

from omnisend_sandbox.faults import Fault, Faults
from target_omnisend.api.scheduler import OUTAGE_SECONDS
from target_omnisend.errors import ExitCode

POST, TAGS = "POST /batches", "POST /contacts/tags"


def simulation(*faults: Fault, **options: Any) -> Simulation:
    return Simulation(**{"batch_latency": 5.0, "faults": Faults(faults), **options})


def everybody(count: int) -> set[str]:
    return {member.email for member in members(count)}


def crowd(count: int, *odd: int) -> list[Member]:
    """So many people, the odd ones with a name that a firewall forbids."""
    return [
        Member(f"p{n}@example.com", name="<script>" if n in odd else f"N{n}") for n in range(count)
    ]


# -- 404 just after a 201 --------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3.0, 45.0, 240.0])
def test_batches_that_show_up_late_are_waited_for_and_sent_once(seconds: float) -> None:
    run = simulation(Fault("shown_late", seconds=seconds)).run(with_states(members(700), 100))
    assert (run.outcome.exit_code, run.delivered) == (0, everybody(700))
    assert (run.calls[POST], run.states[-1].value) == (7, {"read": 700})
    assert run.calls["GET /batches/{id}"] <= 7 * 15, "nobody is pestered meanwhile"


def test_a_batch_is_not_given_up_for_one_stray_404() -> None:
    stray = Fault("status", endpoint="GET /batches/{id}/items", status=404, times=1)
    refused = Fault("item_refused", email="^p3@")
    run = simulation(stray, refused, batch_latency=400.0).run(members(100))
    assert (run.calls[POST], set(run.refused)) == (1, {"p3@example.com"})


# -- 403 for the content ---------------------------------------------------------------


@pytest.mark.parametrize("odd", [[7], [99], [3, 60], list(range(0, 96, 12))], ids=str)
@pytest.mark.parametrize("count", [100, 1500])
def test_a_call_forbidden_for_its_content_costs_the_record_alone(
    count: int, odd: list[int]
) -> None:
    firewall = Fault("status", endpoint=POST, status=403, content="<script>")
    run = simulation(firewall).run(with_states(crowd(count, *odd), 100))
    bad = {f"p{n}@example.com" for n in odd}
    assert run.refused == dict.fromkeys(bad, "omnisend_refused")
    assert {reject.reason["status"] for reject in run.rejects.all} == {403}
    assert run.delivered == everybody(count) - bad
    assert (run.outcome.exit_code, run.states[-1].value) == (0, {"read": count})


def test_a_tag_call_forbidden_for_an_address_costs_that_record_alone() -> None:
    firewall = Fault("status", endpoint=TAGS, status=403, content='"p41@')
    run = simulation(firewall).run(with_states(members(600), 100))
    assert run.refused == {"p41@example.com": "omnisend_refused"}
    assert run.delivered == everybody(600) - {"p41@example.com"}
    assert run.outcome.exit_code == 0


@pytest.mark.parametrize("count", [1, 2, 100, 9000])
@pytest.mark.parametrize("scopes", [["contacts.read"], ["contacts.read", "brands.read"]])
def test_a_key_that_may_only_read_ends_the_run_within_few_calls(
    count: int, scopes: list[str]
) -> None:
    run = simulation(keys={"sandbox-key": scopes}).run(with_states(members(count), 10))
    assert failure_of(run).exit_code == ExitCode.SETTINGS
    assert "contacts.write" in failure_of(run).sentence
    assert (run.calls[POST] <= 14, run.states, run.rejects.all) == (True, [], [])
    assert run.now < 60.0


@pytest.mark.parametrize("skip", [1, 6])
@pytest.mark.parametrize("count", [700, 9000])
def test_a_store_that_is_blocked_in_the_middle_ends_the_run_and_rejects_nobody(
    count: int, skip: int
) -> None:
    blocked = Fault("status", endpoint=POST, status=403, skip=skip)
    run = simulation(blocked).run(with_states(members(count), 100))
    assert failure_of(run).exit_code == ExitCode.SETTINGS
    assert (run.calls[POST] <= skip + 30, run.rejects.all) == (True, [])


def test_a_call_that_is_forbidden_by_chance_is_tried_again() -> None:
    run = simulation(Fault("status", endpoint=POST, status=403, times=1)).run(members(1))
    assert (run.outcome.exit_code, run.delivered) == (0, everybody(1))


# -- 429 for ever, a stray 404 or 401 --------------------------------------------------


@pytest.mark.parametrize("endpoint", [POST, "GET /batches", TAGS])
@pytest.mark.parametrize("retry_after", [None, 0, 7, 3600])
def test_429_for_ever_ends_the_run_like_an_outage(endpoint: str, retry_after: int | None) -> None:
    run = simulation(Fault("throttle", endpoint=endpoint, retry_after=retry_after, skip=2))
    run.run(with_states(members(900), 100))
    assert failure_of(run).exit_code == ExitCode.FAULT
    assert endpoint in failure_of(run).sentence
    assert OUTAGE_SECONDS < run.now < OUTAGE_SECONDS + 140.0


def test_429_and_503_in_turn_are_an_outage_too() -> None:
    faults = [
        Fault("throttle", endpoint=POST, retry_after=1, skip=2, every=2),
        Fault("status", endpoint=POST, status=503, skip=2),
    ]
    run = simulation(*faults).run(with_states(members(900), 100))
    assert failure_of(run).exit_code == ExitCode.FAULT
    assert OUTAGE_SECONDS < run.now < OUTAGE_SECONDS + 140.0


def test_429_for_less_than_ten_minutes_is_outlasted() -> None:
    run = simulation(Fault("throttle", retry_after=60, skip=4, times=8))
    run.run(with_states(members(300), 100))
    assert (run.outcome.exit_code, run.delivered) == (0, everybody(300))


@pytest.mark.parametrize("status", [401, 404])
@pytest.mark.parametrize(
    "endpoint", [POST, "GET /batches", "GET /batches/{id}", "GET /batches/{id}/items", TAGS]
)
def test_one_stray_answer_after_successes_ends_nothing(endpoint: str, status: int) -> None:
    stray = Fault("status", endpoint=endpoint, status=status, skip=1, times=1)
    asked = [Fault("no_counts", "GET /batches"), Fault("item_refused", email="1@")]
    run = simulation(stray, *asked).run(with_states(members(700), 100))
    assert (run.outcome.exit_code, run.states[-1].value) == (0, {"read": 700})
    assert len(run.delivered) + len(run.refused) == 700
    assert run.store.faults.hits["status"] == 1


@pytest.mark.parametrize(("status", "named"), [(401, "(401)"), (404, "'api_url'")])
def test_an_answer_that_stays_ends_the_run_within_few_calls(status: int, named: str) -> None:
    run = simulation(Fault("status", endpoint=POST, status=status, skip=2))
    run.run(with_states(members(900), 100))
    assert failure_of(run).exit_code == ExitCode.SETTINGS
    assert named in failure_of(run).sentence
    assert (run.calls[POST] <= 25, run.now < 30.0) == (True, True)


# -- batches that were given up --------------------------------------------------------


def test_a_newer_record_is_not_sent_while_a_batch_that_was_given_up_may_still_come() -> None:
    messages: list[Message] = [
        *members(100),
        Wait(90.0),
        *(Member(f"p{n}@example.com", name="later") for n in range(20)),
    ]
    stuck = Fault("stuck", times=1, seconds=300.0)
    run = simulation(stuck, confirm_timeout=60.0).run(with_states(messages, 121))
    run.now += 400.0
    run.store.advance()
    assert (run.calls[POST], run.outcome.exit_code) == (1, ExitCode.UNCONFIRMED)
    assert run.outcome.total().unconfirmed == 120
    assert run.states == []


def test_a_newer_record_does_not_overtake_a_batch_that_vanished() -> None:
    messages: list[Message] = [
        *members(100),
        Wait(600.0),
        *(Member(f"p{n}@example.com", name="later") for n in range(20)),
        *members(50, start=500),
    ]
    vanished = Fault("vanished", times=1, seconds=1.0)
    run = simulation(vanished).run(messages)
    assert {run.store.contacts[f"p{n}@example.com"].first_name for n in range(20)} == {""}
    assert (run.outcome.exit_code, run.outcome.total().unconfirmed) == (ExitCode.UNCONFIRMED, 20)
    assert "p549@example.com" in run.delivered
