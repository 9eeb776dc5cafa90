"""The delivery under random sequences of everything that happens to it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fakes.simulation import Bad, Member, Simulation, State
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint, allowance
from target_omnisend.delivery.pipeline import GRACE_SECONDS
from target_omnisend.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_omnisend.delivery.schedule import Call
    from target_omnisend.sandbox.batch import Batch

TAGS = {"vip": ["vip"], "gold": ["gold", "all"]}
TIMEOUT = 10.0
SHARE = 0.05
CONFIRM = 120.0
FEW = 4
"""People; so few that they meet themselves in flight."""

ENDPOINTS = [
    "POST /batches",
    "GET /batches",
    "GET /batches/{id}",
    "GET /batches/{id}/items",
    "POST /contacts/tags",
    "*",
]


def _call_faults() -> st.SearchStrategy[Fault]:
    status = st.sampled_from([500, 502, 503, 524])
    kinds: list[st.SearchStrategy[dict[str, Any]]] = [
        st.builds(dict, kind=st.just("status"), status=status, acted=st.booleans()),
        st.builds(dict, kind=st.sampled_from(["reset_before", "reset_after", "cut"])),
        st.builds(dict, kind=st.just("broken_json")),
        st.builds(dict, kind=st.just("slow"), seconds=st.sampled_from([1.0, TIMEOUT + 5])),
        st.builds(
            dict,
            kind=st.just("throttle"),
            retry_after=st.sampled_from([None, 0, 20]),
            header=st.booleans(),
        ),
    ]
    return st.builds(
        lambda base, endpoint, skip, times: Fault(
            endpoint=endpoint, skip=skip, times=times, **base
        ),
        st.one_of(kinds),
        st.sampled_from(ENDPOINTS),
        st.integers(0, 2),
        st.integers(1, 3),
    )


def _batch_faults() -> st.SearchStrategy[Fault]:
    hidden = st.sampled_from(["null", "missing"])
    shapes = st.sampled_from(["null", "fields", "string", "no_request", "contact_id"])
    kinds: list[st.SearchStrategy[dict[str, Any]]] = [
        st.builds(dict, kind=st.just("stopped")),
        st.builds(
            dict,
            kind=st.just("vanished"),
            acted=st.booleans(),
            seconds=st.sampled_from([0.0, 5.0]),
        ),
        st.builds(dict, kind=st.just("stuck"), seconds=st.sampled_from([0.0, 40.0])),
        st.builds(dict, kind=st.sampled_from(["no_counts", "no_arrays"]), shape=hidden),
        st.builds(dict, kind=st.just("shuffled")),
        st.builds(dict, kind=st.just("answers"), shape=shapes),
    ]
    return st.builds(
        lambda base, skip, times: Fault(skip=skip, times=times, **base),
        st.one_of(kinds),
        st.integers(0, 1),
        st.integers(1, 3),
    )


def _item_faults() -> st.SearchStrategy[Fault]:
    return st.builds(
        Fault,
        st.sampled_from(["item_flaky", "item_refused"]),
        code=st.sampled_from([400, 429, 503]),
        failures=st.integers(1, 3),
        email=st.sampled_from(["p0@", "p1@", "p[0-9]"]),
        times=st.integers(1, 4),
    )


class Watched(Simulation):
    """A run, message by message, that knows what each record's verdict has to rest on.

    Attributes:
        records: every contact's record, in the order they were read; names tell them apart.
        taken: batches whose submission was answered, by id, with their entries.
    """

    def __init__(self) -> None:
        super().__init__(
            tags=TAGS,
            quota_share=SHARE,
            confirm_timeout=CONFIRM,
            request_timeout=TIMEOUT,
            batch_latency=3.0,
            progressive=True,
        )
        self.records: list[Member] = []
        self.rejected_on_disk: set[str] = set()
        self.bad = 0
        self.stopped_at: float | None = None
        self.closed = False
        self.said: list[Any] = []
        self.taken: set[str] = set()
        add = self.rejects.add

        def keep(schema: bytes, line: bytes, **reason: Any) -> None:
            self.rejected_on_disk.add(msgspec.json.decode(line)["record"].get("name", ""))
            add(schema, line, **reason)

        self.rejects.add = keep  # type: ignore[method-assign]
        self.delivery.check()

    def say(self, message: Member | State | Bad) -> None:
        """Have a message read, once there is room for it."""
        while not self._take(message):
            if self.ended:
                return
            self.pass_(1)
        if isinstance(message, Member):
            self.records.append(message)
        elif isinstance(message, State):
            self.said.append(message.value)
        self.bad += isinstance(message, Bad)

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            while call := self.delivery.next_call(self.now):
                self._calls.append(call)
            self._start_calls()
            self._jump(until)

    def _jump(self, until: float) -> None:
        """As `_move_on`, with larger steps while nothing is open: silence is long."""
        delivery = self.delivery
        if self._events or delivery._confirmer.open or delivery._enroller.untagged:
            self._move_on(until)
        else:
            self.now = min(until, self.now + 2, max(self.now, delivery.scheduler.wake_at(self.now)))
            self.store.advance()

    def see_it_through(self, seconds: float) -> None:
        """Let time pass until nothing is left to do."""
        until = self.now + seconds
        while not self.delivery.is_over(self.now):
            assert self.now < until, "it does not end"
            self.pass_(0.5)

    # -- what it checks ----------------------------------------------------------------

    def _answer(self, call: Call, answer: Answer) -> None:
        if call.endpoint is Endpoint.POST_BATCH and answer.kind is Kind.DONE:
            self.taken.add(answer.body["batchID"])
        super()._answer(call, answer)

    def _emitted(self, value: Any) -> None:
        marks = dict.fromkeys(id(v) for v, _ in self._marks)
        assert id(value) in marks, "a state that was read, as it was, and in order"
        super()._emitted(value)
        covered = value["read"]
        applied = self._applied()
        for index, member in enumerate(self.records[:covered]):
            self._assert_covered(index, member, covered, applied)

    def _assert_covered(self, index: int, member: Member, covered: int, applied: set[str]) -> None:
        successors = self.records[index + 1 :]
        if member.name in self.rejected_on_disk or any(
            one.email == member.email and one.stream == member.stream for one in successors
        ):
            return  # on the disk; or merged, or overwritten by one that is looked at itself
        assert member.name in applied, f"a state covers {member}, which Omnisend has not done"
        contact = self.store.contacts[member.email]
        assert set(TAGS[member.stream]) <= set(contact.tags)
        others = [
            one
            for one in successors
            if one.email == member.email and one.name not in self.rejected_on_disk
        ]
        if not others and not self._strays(member.email):
            assert contact.first_name == member.name, "the last record wins"

    def _applied(self) -> set[str]:
        """Names of the records that Omnisend has done."""
        return {
            item["firstName"]
            for batch in self.store.batches
            for item, result in zip(_items(batch), batch.results, strict=False)
            if isinstance(result, tuple)
        }

    def _strays(self, email: str) -> bool:
        """Whether a batch with this person is out of sight: its answer was lost, or it is."""
        return any(
            batch.id not in self.taken
            or batch.vanishes is not None
            or batch.id in self.outcome.lost_batches
            for batch in self.store.batches
            if email in _emails(batch)
        )

    def open_batches(self) -> Iterable[Batch]:
        """Those that Omnisend has to work off and the delivery follows."""
        return (
            batch
            for batch in self.store.batches
            if batch.status in ("pending", "inProgress")
            and batch.vanishes is None
            and batch.id in self.taken
            and batch.id not in self.outcome.lost_batches
        )

    def lost_contacts(self) -> int:
        """Entries of batches that were given up."""
        ids = set(self.outcome.lost_batches)
        return sum(batch.total for batch in self.store.batches if batch.id in ids)


def _items(batch: Batch) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = msgspec.json.decode(batch.body)["items"]
    return items


def _emails(batch: Batch) -> list[str]:
    return [str(item["identifiers"][0]["id"]) for item in _items(batch)]


class DeliveryMachine(RuleBasedStateMachine):
    """Random sequences, and what must hold after each step."""

    @initialize()
    def begin(self) -> None:
        self.run = Watched()
        self.run.pass_(1)
        self.numbers = itertools.count()
        self.planted = 0
        self.posted_at_stop = 0

    def _reads(self) -> bool:
        return not self.run.ended and not self.run.closed

    @precondition(_reads)
    @rule(
        people=st.lists(st.integers(0, FEW - 1), min_size=1, max_size=6),
        stream=st.sampled_from(sorted(TAGS)),
        end=st.sampled_from(["", "state", "drain", "state and drain"]),
    )
    def records(self, people: list[int], stream: str, end: str) -> None:
        for person in people:
            name = f"N{next(self.numbers)}"
            self.run.say(Member(f"p{person}@example.com", stream, name))
        if "state" in end:
            self.run.say(State({"read": len(self.run.records)}))
        if "drain" in end:
            self.run.delivery.flush(partial=True)

    @precondition(_reads)
    @rule(count=st.integers(90, 230), stream=st.sampled_from(sorted(TAGS)))
    def crowd(self, count: int, stream: str) -> None:
        for _ in range(count):
            number = next(self.numbers)
            self.run.say(Member(f"c{number}@example.com", stream, f"N{number}"))
        self.run.delivery.flush()
        self.run.say(State({"read": len(self.run.records)}))

    @precondition(_reads)
    @rule(stream=st.sampled_from(sorted(TAGS)))
    def bad_record(self, stream: str) -> None:
        self.run.say(Bad(stream))
        self.run.say(State({"read": len(self.run.records)}))

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 5.0, 20.0, 70.0]))
    def time(self, seconds: float) -> None:
        self.run.pass_(seconds)

    @rule()
    def long_silence(self) -> None:
        self.run.pass_(700)

    @precondition(lambda self: self.planted < 5)
    @rule(fault=st.one_of(_call_faults(), _batch_faults(), _item_faults()))
    def fault(self, fault: Fault) -> None:
        self.planted += 1
        self.run.store.faults.add(fault)

    @precondition(_reads)
    @rule()
    def end_of_input(self) -> None:
        self.run.closed = True
        self.run.delivery.close()

    @precondition(lambda self: not self.run.ended)
    @rule(chance=st.integers(0, 3))
    def stop(self, chance: int) -> None:
        if chance:  # seldom: what comes after is short
            return
        run = self.run
        run.outcome.stopped_by = 15
        run.stopped_at = run.now
        run.delivery.stop(run.now)
        run.delivery.next_call(run.now)
        self.posted_at_stop = run.calls["POST /batches"] + run.in_flight + len(run._calls)

    # -- what holds at any moment ------------------------------------------------------

    @invariant()
    def every_record_has_one_verdict_at_the_most(self) -> None:
        total = self.run.outcome.total()
        assert total.received == len(self.run.records) + self.run.bad
        assert min(total.numbers().values()) >= 0
        held = self.run.delivery._intake.held
        assert total.unconfirmed == held + self.run.lost_contacts()

    @invariant()
    def no_budget_is_exceeded(self) -> None:
        busiest = self.run.store.requests.busiest
        for endpoint in Endpoint:
            assert busiest.get(endpoint.label, 0) <= allowance(endpoint, SHARE), endpoint

    @invariant()
    def nobody_is_in_two_open_batches(self) -> None:
        emails = [email for batch in self.run.open_batches() for email in _emails(batch)]
        assert len(emails) == len(set(emails))

    @invariant()
    def states_leave_once_and_in_order(self) -> None:
        left = [emitted.value for emitted in self.run.states]
        said = iter(self.run.said)
        assert all(any(one is value for one in said) for value in left)

    @invariant()
    def nothing_fails(self) -> None:
        assert self.run.outcome.failure is None

    @invariant()
    def a_stopped_run_ends_in_its_grace_and_submits_nothing(self) -> None:
        run = self.run
        if run.stopped_at is None:
            return
        assert run.calls["POST /batches"] <= self.posted_at_stop
        if run.now >= run.stopped_at + GRACE_SECONDS:
            assert run.delivery.is_over(run.now)

    # -- and at the end ----------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "run"):
            return
        run = self.run
        if run.stopped_at is not None:
            run.see_it_through(GRACE_SECONDS + 1)
        else:
            if not run.closed:
                run.say(State({"read": len(run.records)}))
                run.delivery.close()
            run.see_it_through(86_400)
            self._everything_is_settled_or_named()
        self.every_record_has_one_verdict_at_the_most()
        self.no_budget_is_exceeded()
        self.states_leave_once_and_in_order()

    def _everything_is_settled_or_named(self) -> None:
        run = self.run
        assert run.outcome.failure is None
        assert run.delivery._intake.held == 0
        assert run.outcome.total().unconfirmed == run.lost_contacts()
        if run.said and not run.outcome.lost_batches:
            assert run.states[-1].value is run.said[-1], "the last state leaves"
        applied = run._applied()
        lost = {
            item["firstName"]
            for batch in run.store.batches
            if batch.id in run.outcome.lost_batches
            for item in _items(batch)
        }
        for index, member in enumerate(run.records):
            if member.name not in lost:
                run._assert_covered(index, member, len(run.records), applied | lost)


@pytest.mark.timeout(100)
def test_whatever_happens() -> None:
    run_state_machine_as_test(
        DeliveryMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
