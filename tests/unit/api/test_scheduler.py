"""When calls go out: retries, pauses, and what ends a run."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_omnisend.api.answers import Answer, Kind, read_problem
from target_omnisend.api.budget import WINDOW_SECONDS, Endpoint
from target_omnisend.api.call import Call, waits
from target_omnisend.api.lane import FIRST_CALLS, MAX_FAULTS
from target_omnisend.api.scheduler import (
    FIRST_CONTACT_SECONDS,
    MAX_FORBIDDEN,
    MAX_FORBIDDEN_PARTS,
    MAX_STRAYS,
    OUTAGE_SECONDS,
    Scheduler,
)
from target_omnisend.errors import ExitCode, RunFailed

POST, TAGS, LIST = Endpoint.POST_BATCH, Endpoint.ADD_TAGS, Endpoint.LIST_BATCHES
DONE = Answer(Kind.DONE, 200)
FAULT = Answer(Kind.RETRY, 503, fault="503")
FORBIDDEN = Answer(Kind.FORBIDDEN, 403, fault="403 forbidden")


class Scheduled:
    """A scheduler, and what its calls were told."""

    def __init__(self, share: float = 1.0) -> None:
        self.scheduler = Scheduler(share)
        self.told: list[Answer] = []

    def add(self, endpoint: Endpoint = POST, **options: Any) -> Call:
        call = Call(endpoint, lambda _: DONE, lambda answer, _: self.told.append(answer), **options)
        self.scheduler.add(call)
        return call

    def start(self, now: float) -> list[Call]:
        return list(iter(lambda: self.scheduler.next(now), None))

    def answer(self, answer: Answer, now: float) -> float:
        """Answer the call that is due; when the next one is."""
        (call,) = self.start(now)
        self.scheduler.answered(call, answer, now)
        return self.scheduler.wake_at(now)

    def prove(self, endpoint: Endpoint = POST, now: float = 0.0) -> None:
        call = self.add(endpoint)
        assert self.scheduler.next(now) is call
        self.scheduler.answered(call, DONE, now)
        self.told.clear()


@pytest.fixture
def scheduled() -> Scheduled:
    return Scheduled()


@pytest.mark.parametrize("kind", [Kind.DONE, Kind.INVALID, Kind.TOO_LARGE, Kind.GONE])
def test_an_answer_that_says_something_goes_to_its_call(scheduled: Scheduled, kind: Kind) -> None:
    scheduled.add()
    scheduled.answer(Answer(kind), 0.0)
    assert ([answer.kind for answer in scheduled.told], scheduled.scheduler.busy) == (
        [kind],
        False,
    )


def test_the_longest_waits_double_up_to_a_minute() -> None:
    assert list(itertools.islice(waits(), 9)) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(seed=st.integers(0, 10_000))
def test_a_faulty_call_goes_again_after_a_wait_that_is_bounded(seed: int) -> None:
    scheduled, now = Scheduled(), 0.0
    random.seed(seed)
    scheduled.add()
    for longest in (1, 2, 4, 8, 16):
        again = scheduled.answer(FAULT, now)
        assert now <= again <= now + longest
        now = again
    assert scheduled.told == []


@pytest.mark.parametrize(
    ("divisible", "others", "given_up"),
    [(True, LIST, True), (False, LIST, False), (True, POST, True), (False, POST, True)],
)
def test_a_call_is_given_up_when_it_fails_while_others_succeed(
    scheduled: Scheduled, others: Endpoint, *, divisible: bool, given_up: bool
) -> None:
    call = scheduled.add(divisible=divisible)
    now = scheduled.answer(FAULT, 0.0)
    other = Call(others, lambda _: DONE, lambda _, __: None)
    scheduled.scheduler.lanes[others].budget.start()
    scheduled.scheduler.answered(other, DONE, now)
    for _ in range(MAX_FAULTS):
        assert scheduled.told == []
        assert scheduled.start(now) == [call]
        scheduled.scheduler.answered(call, FAULT, now)
        now = max(now + 1.0, scheduled.scheduler.wake_at(now)) if not scheduled.told else now
    assert scheduled.told == ([FAULT] if given_up else [])


READ = Endpoint.READ_CONTACTS


@pytest.mark.parametrize("status", [401, 402, 410])
def test_a_call_that_may_be_refused_gets_the_refusal(scheduled: Scheduled, status: int) -> None:
    scheduled.add(READ, may_be_refused=True)
    scheduled.answer(read_problem(status, None, {}), 0.0)
    assert [answer.status for answer in scheduled.told] == [status]
    # A refused key has proven nothing, so the next 401 is believed at once.
    scheduled.add(READ)
    with pytest.raises(RunFailed):
        scheduled.answer(read_problem(401, None, {}), 0.0)


@pytest.mark.parametrize("answer", [read_problem(429, None, {}), read_problem(409, None, {})])
def test_a_4xx_that_does_not_pass_is_a_refusal(scheduled: Scheduled, answer: Answer) -> None:
    scheduled.add(READ, may_be_refused=True)
    now = 0.0
    while not scheduled.told:
        now = scheduled.answer(answer, now)
    assert scheduled.told == [answer]


def test_an_outage_ends_the_run_of_a_call_that_may_be_refused(scheduled: Scheduled) -> None:
    scheduled.add(READ, may_be_refused=True)
    now = 0.0
    with pytest.raises(RunFailed, match="has not answered"):  # noqa: PT012
        while not scheduled.told:
            now = scheduled.answer(FAULT, now)


def test_an_optional_call_is_given_up_after_a_few_faults(scheduled: Scheduled) -> None:
    scheduled.prove()
    now = 0.0
    scheduled.add(READ, optional=True)
    for _ in range(MAX_FAULTS):
        assert scheduled.told == []
        now = scheduled.answer(FAULT, now)
    assert scheduled.told == [FAULT]
    # The endpoint is not in order, so the next such call is not tried for long.
    scheduled.add(READ, optional=True)
    scheduled.answer(FAULT, 60.0)
    assert scheduled.told == [FAULT, FAULT]


def test_in_an_outage_no_call_is_given_up(scheduled: Scheduled) -> None:
    scheduled.prove()
    scheduled.add()
    now = 1.0
    for _ in range(MAX_FAULTS + 4):
        now = scheduled.answer(FAULT, now)
    assert scheduled.told == []


@pytest.mark.parametrize(
    ("proven", "patience"), [(False, FIRST_CONTACT_SECONDS), (True, OUTAGE_SECONDS)]
)
@pytest.mark.parametrize("silence", [0.0, 5000.0])
def test_an_outage_ends_the_run_after_its_time_and_not_before(
    scheduled: Scheduled, patience: float, silence: float, *, proven: bool
) -> None:
    if proven:
        scheduled.prove()
    scheduled.add()
    now = start = silence
    with pytest.raises(RunFailed, match="has not answered") as failure:  # noqa: PT012
        while True:
            again = scheduled.answer(FAULT, now)
            assert now - start <= patience
            now = again
    assert failure.value.exit_code == ExitCode.FAULT
    assert patience < now - start < patience + 61.0


@pytest.mark.parametrize("wait", [1.0, 60.0, 250.0, 600.0])
@pytest.mark.parametrize("silence", [0.0, 5000.0])
def test_429_ends_the_run_after_as_long_as_an_outage(
    scheduled: Scheduled, wait: float, silence: float
) -> None:
    scheduled.add()
    now = silence
    with pytest.raises(RunFailed, match="429") as failure:  # noqa: PT012
        while now < silence + 2 * OUTAGE_SECONDS:
            last = now
            now = scheduled.answer(Answer(Kind.THROTTLED, 429, retry_after=wait), now)
    assert failure.value.exit_code == ExitCode.FAULT
    assert OUTAGE_SECONDS < last - silence <= OUTAGE_SECONDS + max(wait + 1.0, WINDOW_SECONDS)


def test_a_success_between_two_429_begins_the_ten_minutes_anew(scheduled: Scheduled) -> None:
    for minutes in range(0, 60, 2):
        scheduled.add()
        again = scheduled.answer(Answer(Kind.THROTTLED, 429, retry_after=1.0), minutes * 60.0)
        scheduled.answer(DONE, again)
    assert scheduled.told == [DONE] * 30


def test_a_429_pauses_its_endpoint_for_what_it_says_and_a_second(scheduled: Scheduled) -> None:
    scheduled.add()
    assert scheduled.answer(Answer(Kind.THROTTLED, 429, retry_after=7.0), 10.0) == 18.0


def test_a_429_leaves_other_endpoints_alone(scheduled: Scheduled) -> None:
    scheduled.add()
    scheduled.answer(Answer(Kind.THROTTLED, 429, retry_after=60.0), 0.0)
    scheduled.add()
    tags = scheduled.add(TAGS)
    assert scheduled.start(0.0) == [tags]


def test_a_429_narrows_that_budget_once_however_many_calls_it_meets(scheduled: Scheduled) -> None:
    scheduled.prove(TAGS)
    for _ in range(10):
        scheduled.add(TAGS)
    for call in scheduled.start(0.0):
        scheduled.scheduler.answered(call, Answer(Kind.THROTTLED, 429, retry_after=5.0), 1.0)
    for _ in range(60):
        scheduled.add(TAGS)
    # 30 of 60 a minute; the one that succeeded and the ten that were refused count.
    assert len(scheduled.start(7.0)) == 30 - 11


@pytest.mark.parametrize("kind", [Kind.UNAUTHORIZED, Kind.GONE])
def test_a_stray_answer_after_successes_is_tried_again_a_few_times(
    scheduled: Scheduled, kind: Kind
) -> None:
    scheduled.prove(TAGS)
    scheduled.add()
    now = 1.0
    for _ in range(MAX_STRAYS):
        now = scheduled.answer(Answer(kind, fault="4xx"), now)
    scheduled.answer(DONE, now)
    assert scheduled.told == [DONE]


def test_404_about_a_name_is_told_at_once(scheduled: Scheduled) -> None:
    scheduled.prove()
    scheduled.add(Endpoint.GET_BATCH)
    scheduled.answer(Answer(Kind.GONE, 404), 1.0)
    assert [answer.kind for answer in scheduled.told] == [Kind.GONE]


def test_403_three_times_in_a_row_ends_the_run(scheduled: Scheduled) -> None:
    scheduled.add()
    now = 0.0
    for _ in range(MAX_FORBIDDEN - 1):
        now = scheduled.answer(FORBIDDEN, now)
    with pytest.raises(RunFailed, match="scopes") as failure:
        scheduled.answer(FORBIDDEN, now)
    assert failure.value.exit_code == ExitCode.SETTINGS


def test_only_a_success_of_the_same_endpoint_forgives_a_403(scheduled: Scheduled) -> None:
    scheduled.add()
    now = 0.0
    for _ in range(3 * MAX_FORBIDDEN):
        now = scheduled.answer(FORBIDDEN, now)
        scheduled.prove(POST, now - 1e-9)
    for _ in range(MAX_FORBIDDEN - 1):
        now = scheduled.answer(FORBIDDEN, now)
        scheduled.prove(LIST, now - 1e-9)
    with pytest.raises(RunFailed, match="scopes"):
        scheduled.answer(FORBIDDEN, now)


def test_a_call_that_carries_records_is_told_that_it_is_forbidden_to_be_taken_apart(
    scheduled: Scheduled,
) -> None:
    scheduled.add(payload=True, divisible=True)
    scheduled.answer(FORBIDDEN, 0.0)
    assert scheduled.told == [FORBIDDEN]


def test_one_record_is_told_that_it_is_forbidden_once_another_call_got_through(
    scheduled: Scheduled,
) -> None:
    call = scheduled.add(payload=True)
    now = scheduled.answer(FORBIDDEN, 0.0)
    assert scheduled.told == []
    scheduled.prove(POST, now - 1e-9)
    assert scheduled.start(now) == [call]
    scheduled.scheduler.answered(call, FORBIDDEN, now)
    assert scheduled.told == [FORBIDDEN]


def test_one_record_forbidden_three_times_while_nothing_gets_through_ends_the_run(
    scheduled: Scheduled,
) -> None:
    scheduled.add(payload=True)
    now = 0.0
    for _ in range(MAX_FORBIDDEN - 1):
        now = scheduled.answer(FORBIDDEN, now)
    with pytest.raises(RunFailed, match=r"contacts\.write"):
        scheduled.answer(FORBIDDEN, now)


def test_calls_forbidden_one_after_the_other_end_the_run(scheduled: Scheduled) -> None:
    for _ in range(MAX_FORBIDDEN_PARTS):
        scheduled.add(payload=True, divisible=True)
    with pytest.raises(RunFailed, match=r"contacts\.write"):  # noqa: PT012
        for now in range(MAX_FORBIDDEN_PARTS):
            call = scheduled.scheduler.next(float(now))
            assert call is not None
            scheduled.scheduler.answered(call, FORBIDDEN, now + 0.5)
    assert len(scheduled.told) == MAX_FORBIDDEN_PARTS - 1


def test_calls_forbidden_side_by_side_count_as_one(scheduled: Scheduled) -> None:
    scheduled.prove()
    for _ in range(3 * MAX_FORBIDDEN_PARTS):
        scheduled.add(payload=True, divisible=True)
    for call in scheduled.start(1.0):
        scheduled.scheduler.answered(call, FORBIDDEN, 2.0)
    assert len(scheduled.told) == 3 * MAX_FORBIDDEN_PARTS


def test_parts_go_before_whole_calls_and_the_newest_first(scheduled: Scheduled) -> None:
    scheduled.prove()
    whole = scheduled.add()
    parts = [Call(POST, lambda _: DONE, lambda _, __: None) for _ in range(2)]
    for part in parts:
        scheduled.scheduler.add_in_front(part)
    assert scheduled.start(1.0) == [*reversed(parts), whole]


def test_a_call_that_may_be_forbidden_is_told_so(scheduled: Scheduled) -> None:
    scheduled.add(may_be_forbidden=True)
    scheduled.answer(FORBIDDEN, 0.0)
    assert scheduled.told == [FORBIDDEN]


@pytest.mark.parametrize(
    ("kind", "named"),
    [(Kind.UNAUTHORIZED, "api_key"), (Kind.PLAN_FULL, "plan"), (Kind.RETIRED, "api_version")],
)
def test_a_fatal_answer_ends_the_run_at_once(scheduled: Scheduled, kind: Kind, named: str) -> None:
    scheduled.add()
    with pytest.raises(RunFailed, match=named) as failure:
        scheduled.answer(Answer(kind, fault="4xx"), 0.0)
    assert failure.value.exit_code == ExitCode.SETTINGS


def test_before_the_first_success_only_a_few_calls_are_under_way(scheduled: Scheduled) -> None:
    for _ in range(50):
        scheduled.add()
    started = scheduled.start(0.0)
    assert len(started) == FIRST_CALLS
    scheduled.scheduler.answered(started[0], DONE, 0.1)
    assert len(scheduled.start(0.1)) == 50 - FIRST_CALLS


def test_a_lane_that_keeps_failing_is_tried_one_call_at_a_time(scheduled: Scheduled) -> None:
    scheduled.prove()
    for _ in range(MAX_FAULTS):
        scheduled.add()
    for call in scheduled.start(1.0):
        scheduled.scheduler.answered(call, FAULT, 1.0)
    assert len(scheduled.start(100.0)) == 1


def test_a_call_waits_for_its_budget_and_the_wait_is_counted() -> None:
    scheduled = Scheduled(share=1 / 60)
    scheduled.prove(TAGS)
    scheduled.add(TAGS)
    assert (scheduled.start(1.0), scheduled.scheduler.wake_at(1.0)) == ([], 60.0)
    assert len(scheduled.start(60.0)) == 1
    tally = scheduled.scheduler.lanes[TAGS].tally
    assert (tally.sent, tally.seconds_waited) == (2, 59.0)


def test_what_is_sent_throttled_and_retried_is_counted(scheduled: Scheduled) -> None:
    scheduled.add()
    now = scheduled.answer(FAULT, 0.0)
    now = scheduled.answer(Answer(Kind.THROTTLED, 429, retry_after=0.0), now)
    scheduled.answer(DONE, now)
    tally = scheduled.scheduler.lanes[POST].tally
    assert (tally.sent, tally.retried, tally.throttled) == (3, 1, 1)


def test_calls_and_waits_are_counted_by_the_stream_they_are_about() -> None:
    scheduled = Scheduled(share=1 / 60)
    scheduled.prove(TAGS)
    scheduled.add(TAGS, stream="vip")
    scheduled.start(1.0)
    scheduled.start(60.0)
    lane = scheduled.scheduler.lanes[TAGS]
    about = {name: (tally.sent, tally.seconds_waited) for name, tally in lane.tallies.items()}
    assert about == {None: (1, 0.0), "vip": (1, 59.0)}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_what_is_in_use_of_a_limit_is_known_with_and_without_pacing(share: float) -> None:
    scheduled = Scheduled(share)
    scheduled.prove(TAGS)
    scheduled.add(TAGS)
    scheduled.start(1.0)
    lane = scheduled.scheduler.lanes[TAGS]
    assert [lane.share_in_use(now) for now in (1.0, 61.0)] == [2 / 60, 1 / 60]


def test_confirming_and_tagging_go_before_submitting(scheduled: Scheduled) -> None:
    calls = [scheduled.add(endpoint) for endpoint in (POST, TAGS, LIST)]
    assert scheduled.start(0.0)[-1] is calls[0]


def test_cancelled_calls_are_forgotten(scheduled: Scheduled) -> None:
    scheduled.add()
    scheduled.add(TAGS)
    scheduled.scheduler.cancel(POST)
    assert [call.endpoint for call in scheduled.start(0.0)] == [TAGS]
