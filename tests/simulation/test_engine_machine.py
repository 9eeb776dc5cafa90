"""The delivery under random sequences of everything that happens to it."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from support.sequences import try_sequences
from support.simulation import Bad, Member, Simulation, State, StoreClient

from omnisend_sandbox.faults import Fault
from target_omnisend import waits
from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint, allowance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from omnisend_sandbox.batch import Batch
    from target_omnisend.api.answers import Answer

TAGS = {"vip": ["vip"], "gold": ["gold", "all"]}
TIMEOUT = 10.0
SHARE = 0.05
CONFIRM = 120.0
FEW = 4
"""People; so few that they meet themselves in flight."""

CROWD = 900
"""People; more than a minute's tag calls take by e-mail."""

ENDPOINTS = [
    "POST /batches",
    "GET /batches",
    "GET /batches/{id}",
    "GET /batches/{id}/items",
    "POST /contacts/tags",
    "GET /contacts",
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
    shapes = st.sampled_from(
        [
            *("null", "fields", "string", "no_request", "contact_id"),
            *("no_id", "odd_id", "same_id", "swapped"),
        ]
    )
    kinds: list[st.SearchStrategy[dict[str, Any]]] = [
        st.builds(dict, kind=st.just("stopped")),
        st.builds(
            dict,
            kind=st.just("vanished"),
            acted=st.booleans(),
            seconds=st.sampled_from([0.0, 5.0]),
        ),
        st.builds(dict, kind=st.just("stuck"), seconds=st.sampled_from([0.0, 40.0])),
        st.builds(dict, kind=st.just("shown_late"), seconds=st.sampled_from([3.0, 100.0])),
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


STRAYS = st.builds(
    Fault,
    st.just("status"),
    endpoint=st.sampled_from(ENDPOINTS[:-1]),
    status=st.sampled_from([401, 403, 404]),
    skip=st.integers(0, 3),
    times=st.just(1),
)
"""Answers that end a run when they stay; one of them comes in each run."""

FAULTS = st.one_of(_call_faults(), _batch_faults(), _batch_faults(), _item_faults())


class _Noting(StoreClient):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.taken: set[str] = set()
        self.ids_used = 0

    def post_batch(self, items: Sequence[bytes]) -> Answer:
        answer = super().post_batch(items)
        if answer.kind is Kind.DONE:
            self.taken.add(answer.body["batchID"])
        return answer

    def add_tags(
        self, emails: Sequence[str], tags: Sequence[str], contact_ids: Sequence[str] = ()
    ) -> Answer:
        self.ids_used += len(contact_ids)
        return super().add_tags(emails, tags, contact_ids)


class Watched(Simulation):
    """A run, message by message, that knows what each record's verdict has to rest on.

    Attributes:
        records: every contact's record, in the order they were read; names tell them apart.
    """

    client = _Noting

    def __init__(self, *, looking: bool = False) -> None:
        super().__init__(
            looking=looking,
            tags=TAGS,
            quota_share=SHARE,
            confirm_timeout=CONFIRM,
            request_timeout=TIMEOUT,
            batch_latency=3.0,
            progressive=True,
        )
        self.records: list[Member] = []
        self.on_disk: set[str] = set()
        self.bad = 0
        self.said: list[Any] = []
        self._decoded: dict[str, list[dict[str, Any]]] = {}
        add = self.rejects.add

        def keep(schema: bytes, line: bytes, **reason: Any) -> None:
            self.on_disk.add(msgspec.json.decode(line)["record"].get("name", ""))
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
            self.loop.start_calls()
            self._jump(until)

    def _jump(self, until: float) -> None:
        """As `move_on`, with larger steps while nothing is open: silence is long."""
        delivery = self.delivery
        if self.loop.in_flight or delivery.chain.confirmer.open or delivery.chain.tagger.waiting:
            self.loop.move_on(until)
        else:
            self.now = min(until, self.now + 2, max(self.now, delivery.scheduler.wake_at(self.now)))
            self.store.advance()

    def drain(self) -> None:
        """Cut everything pending, also into batches that are not full."""
        for origin in self.origins.values():
            self.delivery.chain.cutter.cut(origin.segment, self.now, partial=True)

    def see_it_through(self, seconds: float) -> None:
        """Let time pass until nothing is left to do."""
        until = self.now + seconds
        while not self.delivery.is_over(self.now):
            assert self.now < until, "it does not end"
            self.pass_(0.5)

    # -- what it checks ----------------------------------------------------------------

    @property
    def taken(self) -> set[str]:
        """Batches whose submission was answered, by id."""
        return cast("_Noting", self.api).taken

    def _emitted(self, value: Any) -> None:
        marks = dict.fromkeys(id(v) for v, _ in self._marks)
        assert id(value) in marks, "a state that was read, as it was, and in order"
        super()._emitted(value)
        self.assert_settled(value["read"], self._applied())

    def assert_settled(self, covered: int, applied: set[str]) -> None:
        """Of the first `covered` records each has its verdict, in Omnisend or on the disk."""
        strays = self._strays()
        latest = {(one.email, one.stream): one for one in self.records}
        kept = [one for one in self.records if one.name not in self.on_disk]
        winners = {one.email: one for one in kept}
        for member in self.records[:covered]:
            if member.name in self.on_disk or latest[member.email, member.stream] is not member:
                continue  # on the disk; merged, or overwritten by one that is looked at itself
            assert member.name in applied, f"a state covers {member}, which Omnisend has not done"
            contact = self.store.contacts[member.email]
            assert set(TAGS[member.stream]) <= set(contact.tags)
            if winners[member.email] is member and member.email not in strays:
                assert contact.first_name == member.name, "the last record wins"

    def _applied(self) -> set[str]:
        """Names of the records that Omnisend has done."""
        return {
            item["firstName"]
            for batch in self.store.batches
            for item, result in zip(self.items(batch), batch.results, strict=False)
            if isinstance(result, tuple)
        }

    def _strays(self) -> set[str]:
        """People of batches that are out of sight: an answer was lost, or the batch is."""
        return {
            email
            for batch in self.store.batches
            if batch.id not in self.taken
            or batch.vanishes is not None
            or batch.id in self.outcome.lost_batches
            for email in self.emails(batch)
        }

    def items(self, batch: Batch) -> list[dict[str, Any]]:
        """The contacts of a batch."""
        if batch.id not in self._decoded:
            self._decoded[batch.id] = msgspec.json.decode(batch.body)["items"]
        return self._decoded[batch.id]

    def emails(self, batch: Batch) -> list[str]:
        """The people of a batch."""
        return [item["identifiers"][0]["id"] for item in self.items(batch)]

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

    def assert_no_others_tagged(self) -> None:
        """Each tag is on people alone that had a record in a stream that gives it."""
        wanted: dict[str, set[str]] = {}
        for member in self.records:
            wanted.setdefault(member.email, set()).update(TAGS[member.stream])
        for contact in self.store.contacts.values():
            assert set(contact.tags) <= wanted[contact.email], f"{contact.email} has {contact.tags}"

    def lost_contacts(self) -> int:
        """Entries of batches that were given up."""
        ids = set(self.outcome.lost_batches)
        return sum(batch.total for batch in self.store.batches if batch.id in ids)


STREAMS = sorted(TAGS)
SOME = st.lists(
    st.tuples(st.integers(-1, FEW - 1), st.sampled_from(STREAMS)), min_size=1, max_size=8
)
"""People by number, -1 for a record that is no contact."""


RARE = (
    *("a batch was given up", "a record was a duplicate", "Omnisend rejected a record"),
    *("a run was stopped with a batch open", "a call was throttled", "a call was sent again"),
    "people were looked at",
    *("a tag call had contact IDs", "contact IDs were given up"),
)
"""States that the sequences of one test must have reached, or it has tried too little."""


class DeliveryMachine(RuleBasedStateMachine):
    """Random sequences, and what must hold after each step.

    Attributes:
        reached: how often each of `RARE` happened, in all sequences.
    """

    reached: ClassVar[Counter[str]] = Counter()

    @initialize(
        faults=st.lists(FAULTS, min_size=1, max_size=4),
        stray=STRAYS,
        ending=st.sampled_from(["end of input", "end of input", "stop"]),
        looking=st.booleans(),
    )
    def begin(self, faults: list[Fault], stray: Fault, ending: str, *, looking: bool) -> None:
        self.run = Watched(looking=looking)
        self.run.store.faults.add(stray, *faults)
        self.ending = ending
        self.numbers = itertools.count()
        self.planted = len(faults)

    @rule(
        crowd=st.sampled_from([0, 0, 30, 100, 130, CROWD]),
        some=SOME,
        end=st.sampled_from(["", "state", "drain", "state and drain", "state and drain"]),
    )
    def records(self, crowd: int, some: list[tuple[int, str]], end: str) -> None:
        run = self.run
        for _ in range(crowd):
            number = next(self.numbers)
            run.say(Member(f"c{number}@example.com", some[0][1], f"N{number}"))
        for person, stream in some:
            name = f"N{next(self.numbers)}"
            run.say(Bad(stream) if person < 0 else Member(f"p{person}@example.com", stream, name))
        if "state" in end:
            run.say(State({"read": len(run.records)}))
        if "drain" in end:
            run.drain()

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 3.0, 5.0, 20.0, 70.0, 700.0]))
    def time(self, seconds: float) -> None:
        self.run.pass_(seconds)

    @precondition(lambda self: self.planted < 6)
    @rule(fault=FAULTS)
    def fault(self, fault: Fault) -> None:
        self.planted += 1
        self.run.store.faults.add(fault)

    # -- what holds at any moment ------------------------------------------------------

    @invariant()
    def every_record_has_one_verdict_at_the_most(self) -> None:
        total = self.run.outcome.total()
        assert total.received == len(self.run.records) + self.run.bad
        assert min(total.numbers().values()) >= 0
        held = self.run.delivery.chain.batcher.held
        held_back = self.run.delivery.chain.batcher.held_back
        assert total.unconfirmed == held + held_back + self.run.lost_contacts()

    @invariant()
    def no_budget_is_exceeded(self) -> None:
        busiest = self.run.store.requests.busiest
        for endpoint in Endpoint:
            assert busiest.get(endpoint.label, 0) <= allowance(endpoint, SHARE), endpoint

    @invariant()
    def nobody_is_in_two_open_batches(self) -> None:
        emails = [email for batch in self.run.open_batches() for email in self.run.emails(batch)]
        assert len(emails) == len(set(emails))

    @invariant()
    def states_leave_once_and_in_order(self) -> None:
        left = [emitted.value for emitted in self.run.states]
        said = iter(self.run.said)
        assert all(any(one is value for one in said) for value in left)

    @invariant()
    def nothing_fails(self) -> None:
        assert self.run.outcome.failure is None

    # -- and at the end ----------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "run"):
            return
        if self.ending == "stop":
            self._stop()
        else:
            self.run.say(State({"read": len(self.run.records)}))
            self.run.delivery.close(self.run.now)
            self.run.see_it_through(86_400)
            self._everything_is_settled_or_named()
        self.every_record_has_one_verdict_at_the_most()
        self.no_budget_is_exceeded()
        self.nobody_is_in_two_open_batches()
        self.states_leave_once_and_in_order()
        self.run.assert_no_others_tagged()
        self._note_what_was_reached()

    def _note_what_was_reached(self) -> None:
        run, total = self.run, self.run.outcome.total()
        hits = run.store.faults.hits
        self._happened("a batch was given up", when=run.outcome.lost_batches)
        self._happened("a record was a duplicate", when=total.duplicates)
        self._happened("Omnisend rejected a record", when=total.rejected > run.bad)
        self._happened("people were looked at", when=run.outcome.looks.looked_at)
        self._happened("a tag call had contact IDs", when=cast("_Noting", run.api).ids_used)
        given_up = not run.delivery.chain.tagger.adding.takes_ids
        self._happened("contact IDs were given up", when=given_up)
        self._happened("a call was throttled", when=hits["throttle"])
        self._happened("a call was sent again", when=hits["status"] or hits["cut"])

    def _happened(self, name: str, *, when: object) -> None:
        assert name in RARE
        if when:
            event(name)
            self.reached[name] += 1

    def _stop(self) -> None:
        run = self.run
        self._happened("a run was stopped with a batch open", when=[*run.open_batches()])
        run.outcome.stopped_by = 15
        run.delivery.stop(run.now)
        under_way = run.loop.in_flight
        most = run.calls["POST /batches"] + under_way
        run.see_it_through(waits.GRACE + 1)
        assert run.calls["POST /batches"] <= most, "nothing more is submitted"

    def _everything_is_settled_or_named(self) -> None:
        run = self.run
        assert run.outcome.failure is None
        assert run.delivery.chain.batcher.held == 0
        held_back = run.delivery.chain.batcher.held_back
        assert run.outcome.total().unconfirmed == held_back + run.lost_contacts()
        unclear = run.outcome.lost_batches or run.outcome.nothing_arrived or held_back
        if run.said and not unclear:
            assert run.states[-1].value is run.said[-1], "the last state leaves"
        lost = {
            item["firstName"]
            for batch in run.store.batches
            if batch.id in run.outcome.lost_batches
            for item in run.items(batch)
        }
        if not lost and not held_back:
            run.assert_settled(len(run.records), run._applied())


def test_whatever_happens() -> None:
    DeliveryMachine.reached.clear()
    try_sequences(DeliveryMachine, DeliveryMachine.reached, RARE, examples=25)
