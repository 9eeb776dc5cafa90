"""Whole runs of the engine against the sandbox's model, on a simulated clock."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.simulation import (
    Bad,
    Member,
    Message,
    Simulation,
    State,
    Wait,
    failure_of,
    members,
    with_states,
)

from omnisend_sandbox.faults import Fault, Faults
from target_omnisend import waits
from target_omnisend.delivery.results import MAX_ATTEMPTS
from target_omnisend.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_omnisend.api.answers import Answer


def simulation(*faults: Fault, **options: Any) -> Simulation:
    return Simulation(**{"batch_latency": 5.0, "faults": Faults(faults), **options})


def emails(run: Simulation) -> set[str]:
    return set(run.store.contacts)


def everybody(count: int) -> set[str]:
    return {member.email for member in members(count)}


def post_calls(run: Simulation) -> int:
    return run.calls["POST /batches"]


# -- the ordinary run ------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 1234])
def test_everybody_arrives_tagged_in_as_few_calls_as_can_be(count: int) -> None:
    run = simulation().run(with_states(members(count), 100))
    assert run.delivered == everybody(count)
    assert post_calls(run) == math.ceil(count / 100)
    assert (run.outcome.exit_code, run.outcome.total().accepted) == (0, count)


def test_the_last_state_leaves_and_states_keep_their_order() -> None:
    run = simulation(progressive=True).run(with_states(members(2345), 10))
    reads = [emitted.value["read"] for emitted in run.states]
    assert (reads, reads[-1]) == (sorted(set(reads)), 2345)


def test_no_state_leaves_before_the_first_batch_is_over() -> None:
    run = simulation(batch_latency=30.0).run(with_states(members(500), 10))
    assert run.states[0].at > 30.0


def test_batches_are_open_side_by_side() -> None:
    run = simulation(batch_latency=600.0).run(members(5000))
    assert run.now < 680.0


def test_budgets_are_kept_and_nothing_is_throttled() -> None:
    run = simulation(latency=0.8, quota_share=1, verify=False).run(members(42_000))
    assert +run.store.requests.throttled == Counter()
    assert run.store.requests.busiest["POST /batches"] == 400
    assert run.store.requests.busiest["POST /contacts/tags"] <= 60


def test_only_so_many_are_open_at_once() -> None:
    run = simulation(max_unconfirmed=300).run(members(1000))
    assert run.delivered == everybody(1000)
    assert post_calls(run) == 10
    assert run.now > 3 * 5.0


def test_two_streams_that_take_turns_fill_their_batches_all_the_same() -> None:
    tags = {"a": ["a"], "b": ["b"]}
    mixed = (Member(f"p{n}@example.com", "aabbb"[n % 5]) for n in range(25_000))
    run = simulation(tags=tags).run(mixed)
    assert run.outcome.total().accepted == 25_000
    assert post_calls(run) == 250


def test_what_others_tagged_stays() -> None:
    run = simulation()
    run.store.seed([{"email": "p1@example.com", "tags": ["own"], "status": "subscribed"}])
    run.run(members(3))
    contact = run.store.contacts["p1@example.com"]
    assert (contact.tags, contact.status) == (("own", "vip"), "subscribed")


def test_without_tags_nothing_is_tagged() -> None:
    run = simulation(tags={"vip": []}).run(members(3))
    assert run.calls["POST /contacts/tags"] == 0
    assert (run.outcome.total().accepted, run.outcome.total().tagged) == (3, 0)


# -- the same person more than once ----------------------------------------------------


def test_the_last_record_of_a_person_wins() -> None:
    run = simulation().run([Member("ada@example.com", name=f"Ada{n}") for n in range(5)])
    assert run.store.contacts["ada@example.com"].first_name == "Ada4"
    assert (post_calls(run), run.outcome.total().duplicates) == (1, 4)


def test_a_person_is_never_in_two_open_batches() -> None:
    again = [Member(f"p{n}@example.com", name="later") for n in range(100)]
    run = simulation(batch_latency=30.0).run([*members(100), Wait(60.0), *again])
    assert {contact.first_name for contact in run.store.contacts.values()} == {"later"}
    first, second = run.store.batches
    assert first.ended is not None
    assert second.created > first.ended


def test_a_later_record_waits_for_the_earlier_batch_and_wins() -> None:
    again = [Member(f"p{n}@example.com", name="later") for n in range(100)]
    messages: list[Message] = [*members(100), Wait(31.0), *again]
    run = simulation(batch_latency=60.0).run(with_states(messages, 201))
    assert {contact.first_name for contact in run.store.contacts.values()} == {"later"}
    assert [batch.total for batch in run.store.batches] == [100, 100]


ORDERS = [
    ["a", "b", "c"],
    ["c", "b", "a"],
    ["a", "b", "a"],
    ["a", "b", "c", "b"],
    ["b", "a", "c", "a", "b"],
]


@pytest.mark.parametrize("wait", [0.0, 20.0])
@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_of_a_person_in_several_segments_the_last_record_wins(
    order: list[str], wait: float
) -> None:
    messages: list[Message] = []
    for n, stream in enumerate(order):
        messages += [Member("ada@example.com", stream, f"Ada{n}"), Wait(wait)]
    tags = {stream: [f"is {stream}"] for stream in "abc"}
    run = simulation(batch_latency=120.0, tags=tags).run(messages)
    contact = run.store.contacts["ada@example.com"]
    assert contact.first_name == f"Ada{len(order) - 1}"
    assert set(contact.tags) == {f"is {stream}" for stream in order}
    total = run.outcome.total()
    assert (total.accepted + total.duplicates, total.unconfirmed) == (len(order), 0)


def test_people_in_two_segments_get_the_tags_of_both() -> None:
    both = [*members(150, "a"), *members(150, "b")]
    run = simulation(tags={"a": ["a"], "b": ["b"]}).run(with_states(both, 50))
    assert {contact.tags for contact in run.store.contacts.values()} == {("a", "b")}
    assert run.outcome.total().accepted == 300


# -- items that fail -------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["", "fields", "string", "null", "contact_id"])
def test_a_refused_item_is_kept_and_the_others_arrive(shape: Any) -> None:
    faults = [Fault("item_refused", email=r"^p\d*7@")]
    if shape:
        faults.append(Fault("answers", shape=shape))
    run = simulation(*faults).run(with_states(members(500), 100))
    bad = {email for email in everybody(500) if "7@" in email}
    assert run.delivered == everybody(500) - bad
    assert run.refused == dict.fromkeys(bad, "omnisend_refused")
    assert (post_calls(run), run.states[-1].value) == (5, {"read": 500})


def test_a_small_budget_shows_a_batch_that_is_done_before_it_is_given_up() -> None:
    run = simulation(quota_share=0.01, confirm_timeout=60.0, batch_latency=5.0)
    run.run(with_states(members(50), 50))
    assert (run.outcome.exit_code, run.outcome.total().accepted) == (0, 50)


def test_a_refusal_keeps_what_omnisend_said() -> None:
    run = simulation(Fault("item_refused", email="^p3@")).run(members(10))
    (reject,) = run.rejects.all
    assert reject.reason == {
        "field": None,
        "message": "planted: Planted 400",
        "stage": "omnisend",
        "batch_id": run.store.batches[0].id,
        "item_id": run.store.batches[0].with_items()["errors"][0]["itemID"],
        "status": 400,
    }


@pytest.mark.parametrize("code", [403, 408, 425, 429, 500, 502, 503, 504])
def test_an_item_that_fails_for_a_while_is_sent_again(code: int) -> None:
    flaky = Fault("item_flaky", email=r"^p\d*1@", code=code, failures=2)
    run = simulation(flaky).run(with_states(members(300), 100))
    assert run.delivered == everybody(300)
    assert post_calls(run) == 3 + 2, "the items of three batches share one for each try"
    assert run.states[-1].value == {"read": 300}


def test_an_item_that_never_succeeds_is_refused_in_the_end() -> None:
    run = simulation(Fault("item_refused", email="^p7@", code=503)).run(
        with_states(members(100), 100)
    )
    assert run.refused == {"p7@example.com": "omnisend_unavailable"}
    assert post_calls(run) == MAX_ATTEMPTS
    assert (run.outcome.exit_code, run.states[-1].value) == (0, {"read": 100})


@pytest.mark.parametrize("shape", ["null", "missing"])
def test_lists_without_counts_and_items_without_lists_cost_calls_but_nobody(shape: Any) -> None:
    faults = [Fault("no_counts", endpoint="GET /batches", shape=shape), Fault("shuffled")]
    run = simulation(*faults, Fault("item_refused", email="^p5@")).run(members(300))
    assert run.delivered == everybody(300) - {"p5@example.com"}
    assert run.calls["GET /batches/{id}"] == 3
    assert run.calls["GET /batches/{id}/items"] == 1


def test_a_batch_of_which_nothing_is_told_is_taken_apart_until_the_bad_one_is_found() -> None:
    run = simulation(Fault("no_arrays"), Fault("item_refused", email="^p5@")).run(members(100))
    assert run.delivered == everybody(100) - {"p5@example.com"}
    assert run.refused.keys() == {"p5@example.com"}


def test_without_any_item_named_only_the_bad_one_is_lost() -> None:
    run = simulation(Fault("answers", shape="no_request"), Fault("item_refused", email="^p5@")).run(
        members(100)
    )
    assert run.delivered == everybody(100) - {"p5@example.com"}
    assert run.refused.keys() == {"p5@example.com"}


def test_counts_are_only_created_and_updated_where_omnisend_tells() -> None:
    run = simulation(Fault("item_refused", email="^p5@"))
    run.store.seed([{"email": "p1@example.com"}])
    total = run.run(members(10)).outcome.total()
    assert (total.accepted, total.created, total.updated) == (9, 8, 1)


# -- batches that fail -----------------------------------------------------------------


def test_what_a_stopped_batch_left_undone_is_sent_again() -> None:
    run = simulation(Fault("stopped", every=3)).run(with_states(members(900), 100))
    assert run.delivered == everybody(900)
    assert sum(batch.total for batch in run.store.batches) < 900 + 4 * 50
    assert run.states[-1].value == {"read": 900}


def test_batches_that_stop_again_and_again_are_worked_off_in_the_end() -> None:
    run = simulation(Fault("stopped", times=6)).run(members(64))
    assert run.delivered == everybody(64)


@pytest.mark.parametrize("acted", [True, False])
def test_the_members_of_a_vanished_batch_are_sent_again(*, acted: bool) -> None:
    vanished = Fault("vanished", times=2, acted=acted, seconds=1.0)
    run = simulation(vanished).run(with_states(members(500), 100))
    assert run.delivered == everybody(500)
    assert (post_calls(run), run.states[-1].value) == (7, {"read": 500})


def test_a_batch_that_vanishes_again_is_unconfirmed_and_named() -> None:
    run = simulation(Fault("vanished")).run(with_states(members(100), 100))
    assert run.outcome.lost_batches == [run.store.batches[1].id]
    assert (run.outcome.exit_code, run.states) == (ExitCode.UNCONFIRMED, [])


@pytest.mark.parametrize("latency", [1.0, 60.0, 1800.0])
def test_a_slow_batch_is_waited_for_at_little_cost(latency: float) -> None:
    run = simulation(batch_latency=latency).run(members(1000))
    assert run.delivered == everybody(1000)
    assert run.now < latency * 1.05 + 5
    assert run.calls["GET /batches"] < 250


def test_a_batch_that_is_never_finished_is_unconfirmed_named_and_holds_the_states_back() -> None:
    run = simulation(Fault("stuck", skip=1, times=1), confirm_timeout=120.0, spread=0.0)
    run.run(with_states(members(400), 100))
    assert run.outcome.lost_batches == [run.store.batches[1].id]
    assert run.outcome.exit_code == ExitCode.UNCONFIRMED
    assert run.outcome.total().unconfirmed == 100
    assert [emitted.value for emitted in run.states] == [{"read": 100}]
    assert run.now == pytest.approx(120.0, abs=5.0)


def test_an_unconfirmed_batch_frees_its_people_for_their_later_records() -> None:
    again = [Member(f"p{n}@example.com", name="later") for n in range(100)]
    run = simulation(Fault("stuck", times=1), confirm_timeout=60.0).run([*members(100), *again])
    total = run.outcome.total()
    assert total.duplicates == 100 or total.accepted == 100


# -- calls that fail -------------------------------------------------------------------

ANY_CALL = [
    Fault("status", status=500),
    Fault("status", status=502, acted=True),
    Fault("status", status=503, html=False),
    Fault("status", status=524, acted=True),
    Fault("reset_before"),
    Fault("reset_after"),
    Fault("cut"),
    Fault("broken_json"),
    Fault("slow", seconds=90.0),
    Fault("throttle"),
    Fault("throttle", retry_after=3),
    Fault("status", status=200),
    Fault("status", status=409),
]


@pytest.mark.parametrize("fault", ANY_CALL, ids=lambda f: f"{f.kind}{f.status}{f.retry_after}")
def test_nobody_is_lost_when_every_fifth_call_fails(fault: Fault) -> None:
    every_fifth = Fault(**{name: getattr(fault, name) for name in fault.__struct_fields__})
    run = simulation(_with(every_fifth, every=5)).run(with_states(members(1500), 100))
    assert run.delivered == everybody(1500)
    assert (run.outcome.exit_code, run.states[-1].value) == (0, {"read": 1500})


def _with(fault: Fault, **more: Any) -> Fault:
    return Fault(**{**{n: getattr(fault, n) for n in fault.__struct_fields__}, **more})


@pytest.mark.parametrize(
    "endpoint",
    ["POST /batches", "GET /batches", "GET /batches/{id}/items", "POST /contacts/tags"],
)
@pytest.mark.parametrize("fault", ANY_CALL[:3], ids=lambda f: str(f.status))
def test_nobody_is_lost_when_half_the_calls_of_one_kind_fail(fault: Fault, endpoint: str) -> None:
    struck = _with(fault, endpoint=endpoint, probability=0.5, seed=3)
    run = simulation(struck, Fault("item_refused", email="^p7@")).run(members(800))
    assert run.delivered == everybody(800) - {"p7@example.com"}


def test_a_429_pauses_that_endpoint_alone() -> None:
    throttle = Fault("throttle", endpoint="POST /contacts/tags", retry_after=300, times=1)
    run = simulation(throttle).run(members(3000))
    start = run.store.batches[0].created
    assert run.store.batches[-1].created < start + 10.0
    assert (run.store.requests.throttled["POST /contacts/tags"], run.now > 300.0) == (1, True)


def test_a_passing_outage_is_outlasted() -> None:
    run = simulation()
    run.store.faults.add(Fault("status", status=503, skip=5, times=40))
    run.run(with_states(members(2000), 100))
    assert run.delivered == everybody(2000)


def test_an_outage_of_more_than_ten_minutes_ends_the_run() -> None:
    run = simulation(Fault("status", status=503, skip=8)).run(with_states(members(3000), 100))
    assert failure_of(run).exit_code == ExitCode.FAULT
    assert "has not answered POST /batches for" in failure_of(run).sentence
    assert 600.0 < run.now < 700.0
    assert run.calls.total() < 1000


def test_nobody_at_the_address_is_told_within_about_a_minute() -> None:
    run = simulation(Fault("reset_before")).run(members(100))
    assert failure_of(run).exit_code == ExitCode.FAULT
    assert 60.0 < run.now < 130.0


@pytest.mark.parametrize("silence", [700.0, 7200.0])
def test_one_fault_after_a_long_silence_of_the_tap_is_only_one_fault(silence: float) -> None:
    once = Fault("status", status=503, endpoint="POST /batches", times=1)
    run = simulation(once).run([Wait(silence), *members(10)])
    assert (run.outcome.failure, run.delivered) == (None, everybody(10))


def test_a_poisonous_person_costs_nobody_else() -> None:
    run = simulation(batch_latency=1800.0)  # meanwhile other calls succeed
    post = run.api.post_batch

    def poisoned(items: Sequence[bytes]) -> Answer:
        if any(b'"p42@' in item for item in items):
            run.store.faults.add(Fault("status", endpoint="POST /batches", times=1))
        return post(items)

    run.api.post_batch = poisoned  # type: ignore[method-assign]
    run.run(with_states(members(1000), 100))
    assert run.refused == {"p42@example.com": "omnisend_unavailable"}
    assert run.delivered == everybody(1000) - {"p42@example.com"}


# -- what ends a run -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("status", status=401), "(401)"),
        (Fault("status", status=402), "plan"),
        (Fault("status", status=403), "scopes"),
        (Fault("status", status=404), "'api_url'"),
        (Fault("status", status=410), "'api_version'"),
    ],
)
@pytest.mark.parametrize("skip", [0, 4])
def test_a_fatal_answer_ends_the_run_after_a_few_calls(fault: Fault, words: str, skip: int) -> None:
    endpoint = "POST /batches" if skip else "*"
    run = simulation(_with(fault, endpoint=endpoint, skip=skip))
    run.run(with_states(members(5000), 100))
    assert failure_of(run).exit_code == ExitCode.SETTINGS
    assert words in failure_of(run).sentence
    assert post_calls(run) <= 20
    assert {emitted.value["read"] for emitted in run.states} <= {100, 200, 300, 400}


def test_batches_all_refused_whole_end_the_run_after_a_few_calls() -> None:
    run = simulation(Fault("status", status=400, endpoint="POST /batches"))
    run.run(with_states(members(5000), 100))
    assert "'api_url'" in failure_of(run).sentence
    assert (post_calls(run) <= 20, run.states) == (True, [])


def test_a_full_plan_ends_the_run_and_what_was_taken_is_settled() -> None:
    run = simulation(max_contacts=450, batch_latency=0.0).run(with_states(members(3000), 100))
    assert (run.outcome.exit_code, "plan" in failure_of(run).sentence) == (3, True)
    taken = len(run.store.contacts)
    assert (run.outcome.total().accepted, len(run.delivered)) == (taken, taken)
    assert run.states[-1].value["read"] <= taken


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([Fault("item_refused", code=402, email="^p7@")], "plan"),
        ([Fault("item_refused", email="^p.?.?@")], "same reason"),
    ],
    ids=["plan full", "refused alike"],
)
def test_a_failure_that_a_batch_tells_leaves_the_open_batches_their_grace(
    faults: list[Fault], words: str
) -> None:
    slow = Fault("stuck", skip=1, times=1, seconds=12.0)
    run = simulation(slow, *faults, batch_latency=1.0, spread=0.0).run(
        with_states(members(200), 100)
    )
    assert words in failure_of(run).sentence
    assert {f"p{n}@example.com" for n in range(100, 200)} <= run.delivered
    assert 10.0 < run.now < waits.GRACE


def test_a_failure_that_a_batch_tells_waits_no_longer_than_the_grace() -> None:
    full = Fault("item_refused", code=402, email="^p7@")
    run = simulation(Fault("stuck", skip=1, times=1), full, batch_latency=1.0, spread=0.0)
    run.run(with_states(members(200), 100))
    assert "plan" in failure_of(run).sentence
    assert waits.GRACE < run.now < waits.GRACE + 5.0


@pytest.mark.parametrize("endpoint", ["GET /batches", "POST /contacts/tags"])
def test_a_failure_of_the_calls_that_settle_batches_ends_the_run_at_once(endpoint: str) -> None:
    run = simulation(
        Fault("status", endpoint=endpoint, status=401),
        Fault("stuck", skip=1, times=1),
        batch_latency=1.0,
        spread=0.0,
    ).run(with_states(members(200), 100))
    assert "(401)" in failure_of(run).sentence
    assert run.now < waits.GRACE


def test_a_plan_that_is_full_item_by_item_ends_the_run_soon() -> None:
    run = simulation(max_contacts=0, when_full="403-items", batch_latency=1.0)
    run.run(with_states(members(9000), 100))
    assert run.outcome.exit_code == ExitCode.SETTINGS
    assert "same reason (403" in failure_of(run).sentence
    assert (post_calls(run) <= 20, run.states, run.rejects.all) == (True, [], [])


def test_402_on_the_items_is_a_full_plan_and_refuses_nobody() -> None:
    run = simulation(Fault("item_refused", code=402)).run(with_states(members(9000), 100))
    assert (run.outcome.exit_code, "plan" in failure_of(run).sentence) == (3, True)
    assert (run.states, run.rejects.all) == ([], [])


def test_everybody_refused_alike_ends_the_run_soon() -> None:
    run = simulation(Fault("item_refused"), batch_latency=1.0)
    run.run(with_states(members(9000), 100))
    assert run.outcome.exit_code == ExitCode.SETTINGS
    assert "same reason (400 planted)" in failure_of(run).sentence
    assert post_calls(run) <= 20


def test_a_fault_of_every_single_item_at_the_start_is_outlasted() -> None:
    run = simulation(Fault("item_flaky", code=503, failures=1), batch_latency=1.0)
    run.run(with_states(members(1500), 100))
    assert (run.outcome.exit_code, run.outcome.total().accepted) == (0, 1500)


def test_too_many_refused_end_the_run_early() -> None:
    refused = Fault("item_refused", email="[0-6]@")
    run = simulation(refused, max_rejected_percent=10.0, batch_latency=1.0, quota_share=0.1)
    run.run(members(9000))
    assert run.outcome.exit_code == ExitCode.REJECTED
    assert len(run.store.contacts) < 5000


def test_records_that_are_no_contacts_end_the_run_too() -> None:
    run = simulation(max_rejected_percent=10.0).run(Bad() for _ in range(5000))
    assert run.outcome.exit_code == ExitCode.REJECTED
    assert run.outcome.total().received == 1000
    assert run.states == []


def test_a_brand_that_may_not_be_read_is_no_reason_to_stop() -> None:
    scopes = {"sandbox-key": ["contacts.read", "contacts.write"]}
    run = simulation(keys=scopes).run(members(10))
    assert run.delivered == everybody(10)
    assert (run.calls["GET /brands/current"], run.calls["GET /contacts"]) == (1, 1)


def test_a_key_that_may_do_nothing_is_found_out_before_anything_is_written() -> None:
    run = simulation(keys={"sandbox-key": []}).run(members(10))
    assert (run.outcome.exit_code, post_calls(run)) == (ExitCode.SETTINGS, 0)


def test_a_key_that_may_only_read_is_found_out_in_a_few_calls() -> None:
    run = simulation(keys={"sandbox-key": ["contacts.read"]}).run(with_states(members(9000), 10))
    assert (run.outcome.exit_code, run.states) == (ExitCode.SETTINGS, [])
    assert post_calls(run) <= 20


# -- idle input and the end ------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 99, 100, 150])
def test_a_silent_tap_delays_nobody_for_more_than_half_a_minute(count: int) -> None:
    run = simulation(batch_latency=0.0).run([*members(count), Wait(3600.0)])
    assert len(run.store.batches) == math.ceil(count / 100)
    taken = [batch.created - run.store.batches[0].created for batch in run.store.batches]
    start = run.store.batches[0].created - run.store.requests.recent[0].at
    assert start + max(taken) <= 30.5


def test_a_trickle_is_sent_every_half_minute_and_not_more_often() -> None:
    trickle = [message for one in members(120) for message in (one, Wait(1.0))]
    run = simulation(batch_latency=0.0).run(with_states(trickle, 2))
    assert run.delivered == everybody(120)
    assert 4 <= post_calls(run) <= 9


def test_states_leave_while_the_tap_is_silent() -> None:
    run = simulation(batch_latency=1.0).run([*with_states(members(10), 10), Wait(3600.0)])
    assert [emitted.at < 45.0 for emitted in run.states] == [True]


def test_a_state_before_any_record_leaves_at_once() -> None:
    run = simulation(batch_latency=60.0).run([State({"a": 1}), *members(10), State({"a": 2})])
    assert [emitted.value for emitted in run.states] == [{"a": 1}, {"a": 2}]
    assert run.states[0].at < 1.0


def test_a_stopped_run_settles_what_is_open_and_submits_nothing_more() -> None:
    run = simulation(batch_latency=10.0).run(with_states(members(9000), 100), stop_at=1.0)
    assert (run.outcome.exit_code, len(run.delivered)) == (143, 1000)
    assert run.states[-1].value == {"read": 1000}


def test_a_stopped_run_waits_no_longer_than_its_grace() -> None:
    run = simulation(batch_latency=300.0).run(with_states(members(900), 100), stop_at=5.0)
    assert run.now == pytest.approx(5.0 + waits.GRACE, abs=0.5)
    assert (run.states, run.outcome.exit_code) == ([], 143)


def test_a_run_stopped_while_omnisend_is_away_ends_with_its_grace() -> None:
    run = simulation(Fault("status", skip=3)).run(members(900), stop_at=30.0)
    assert run.now <= 30.0 + waits.GRACE + 0.5


def test_a_run_stopped_before_it_began_writes_nothing() -> None:
    run = simulation(Fault("slow", seconds=30.0)).run(members(900), stop_at=1.0)
    assert (run.store.batches, run.outcome.exit_code) == ([], 143)


# -- whatever happens ------------------------------------------------------------------

kinds = st.sampled_from(
    [
        *({"kind": "status", "status": s, "acted": a} for s in (500, 503, 524) for a in (0, 1)),
        *({"kind": k} for k in ("reset_before", "reset_after", "cut", "broken_json")),
        {"kind": "throttle", "retry_after": 2},
        {"kind": "throttle"},
        {"kind": "slow", "seconds": 70.0},
        {"kind": "stopped"},
        {"kind": "vanished", "seconds": 2.0},
        {"kind": "vanished", "acted": True},
        {"kind": "stuck", "seconds": 40.0},
        {"kind": "no_counts"},
        {"kind": "no_counts", "shape": "missing"},
        {"kind": "shuffled"},
        {"kind": "no_arrays"},
        *({"kind": "answers", "shape": s} for s in ("fields", "string", "null", "no_request")),
        {"kind": "item_flaky", "code": 503, "email": "[27]@"},
        {"kind": "item_refused", "email": "^p3.?@"},
    ]
)
faults_of_a_run = st.lists(
    st.builds(
        lambda kind, chance, seed: Fault(
            **{**kind, "acted": bool(kind.get("acted"))}, probability=chance, seed=seed
        ),
        kinds,
        st.floats(0.05, 0.4),
        st.integers(0, 1000),
    ),
    max_size=4,
)
people: st.SearchStrategy[list[Message]] = st.lists(
    st.one_of(
        st.builds(
            Member,
            st.integers(0, 60).map("p{}@example.com".format),
            st.sampled_from("ab"),
            st.sampled_from(["", "Zoë"]),
        ),
        st.builds(Wait, st.sampled_from([0.5, 10.0, 40.0])),
        st.just(Bad("a")),
    ),
    max_size=250,
)


@settings(deadline=None, max_examples=40)
@given(
    messages=people,
    faults=faults_of_a_run,
    every=st.integers(1, 40),
    stop_at=st.one_of(st.just(math.inf), st.floats(0.0, 120.0)),
    batch_latency=st.sampled_from([0.0, 3.0, 90.0]),
)
def test_whatever_happens_no_state_passes_an_unsettled_record_and_all_are_accounted_for(
    messages: list[Message],
    faults: list[Fault],
    every: int,
    stop_at: float,
    batch_latency: float,
) -> None:
    run = Simulation(
        tags={"a": ["a"], "b": ["b"]}, faults=Faults(faults), batch_latency=batch_latency,
        progressive=True, confirm_timeout=600.0,
    )  # fmt: skip
    run.run(with_states(messages, every), stop_at=stop_at)
    if run.outcome.exit_code == ExitCode.REJECTED:
        assert run.outcome.nothing_arrived
    elif run.outcome.exit_code != ExitCode.DONE:
        assert run.outcome.total().unconfirmed or run.outcome.stopped_by or run.outcome.failure
    else:
        sent = {message for message in messages if isinstance(message, Member)}
        for member in sent:
            contact = run.store.contacts.get(member.email)
            tagged = contact is not None and member.stream in contact.tags
            assert tagged or member.email in run.refused
