"""Nights in any order: the source changes, runs end, are stopped or killed, and the next day comes.

One machine has the whole target, its ledger and its mirror. After each complete run Omnisend has
the people that the source has, and other people's tags are as they were.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from support.command import record, schema
from support.rehearsal import KILL, Ran, Rehearsal
from support.sequences import try_sequences

from omnisend_sandbox.faults import Fault

COLUMNS = schema(name={"type": "string"})
PEOPLE = st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True)
THEIRS = {
    "email": "theirs@example.com",
    "tags": ["VIP"],
    "customProperties": {"segment_vip": True},
}
RARE = (
    *("a member left", "a member came back", "a run was killed while it read"),
    *("a run was killed while it sent", "a run was stopped", "a run ended in spite of a signal"),
    *(
        "a rejected member stayed",
        "a call failed",
        "the ledger was ignored",
        "the source was empty",
    ),
    "a mirror removed no member",
    "a person was skipped",
)
"""What a series of sequences must have reached, or it has tried too little."""


class Nights(RuleBasedStateMachine):
    """What can happen to a source, to Omnisend and to the runs between them.

    Attributes:
        reached: how often each of `RARE` happened, in all sequences.
        unclear: people of runs that died or were stopped, and of no complete run since. The ledger
            does not know them as members: if they leave the source now, they keep the membership.
    """

    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.place = TemporaryDirectory(ignore_cleanup_errors=True)
        self.folder = Path(self.place.name)
        self.source: dict[str, str] = {}
        self.left: set[str] = set()
        self.rejected: set[str] = set()
        self.unclear: set[str] = set()
        self.version = 0

    @initialize(
        people=PEOPLE,
        membership=st.sampled_from(["tag", "property"]),
        mirror_on=st.sampled_from(["activate_version", "end_of_stream"]),
        verify=st.sampled_from(["off", "sample", "all"]),
        create_contacts=st.sampled_from([True, True, False]),
    )
    def begin(
        self,
        people: list[int],
        membership: str,
        mirror_on: str,
        verify: str,
        create_contacts: bool,  # noqa: FBT001
    ) -> None:
        self.night = Rehearsal(self.folder)
        self.night.store.seed([THEIRS])
        half = (f"p{person}@example.com" for person in range(0, 31, 2))
        self.night.store.seed({"email": email, "status": "subscribed"} for email in half)
        self.membership = membership
        self.create_contacts = create_contacts
        self.settings = {
            "ledger_url": f"sqlite:///{self.folder}/ledger.db",
            "membership": membership,
            "sync_mode": "mirror",
            "mirror_on": mirror_on,
            "verify": verify,
            "create_contacts": create_contacts,
            "max_removed_percent": 100,
            "max_rejected_percent": 100,
            "mapping": {"email": "email", "first_name": "name"},
        }
        self.come(people, "Ada")

    # -- the source --------------------------------------------------------------------

    @rule(people=PEOPLE, name=st.sampled_from(["Ada", "Eve"]))
    def come(self, people: list[int], name: str) -> None:
        for person in map("p{}".format, people):
            if person in self.left and person not in self.source:
                self.happened("a member came back")
            self.source[person] = name

    @rule(people=PEOPLE)
    def leave(self, people: list[int]) -> None:
        for person in map("p{}".format, people):
            if self.source.pop(person, None):
                self.left.add(person)

    @precondition(lambda self: self.version > 2)
    @rule()
    def all_leave(self) -> None:
        self.left.update(self.source)
        self.source.clear()

    # -- Omnisend ----------------------------------------------------------------------

    @rule(people=PEOPLE)
    def reject(self, people: list[int]) -> None:
        self.rejected = {f"p{person}" for person in people}

    @rule(
        endpoint=st.sampled_from(["POST /batches", "GET /batches", "*"]),
        status=st.sampled_from([500, 502, 503, 524]),
        acted=st.booleans(),
        skip=st.integers(0, 3),
    )
    def fail(self, endpoint: str, status: int, acted: bool, skip: int) -> None:  # noqa: FBT001
        fault = Fault("status", endpoint, status=status, acted=acted, skip=skip, times=1)
        self.night.store.faults.add(fault)

    # -- the runs ----------------------------------------------------------------------

    @precondition(lambda self: self.source)
    @rule(share=st.floats(0, 1))
    def killed_while_it_reads(self, share: float) -> None:
        messages = self.messages()
        messages.insert(1 + int(share * (len(messages) - 1)), KILL)
        self.run(*messages)
        self.happened("a run was killed while it read")

    @rule(seconds=st.floats(0.1, 4.0))
    def killed_while_it_sends(self, seconds: float) -> None:
        if self.run(*self.messages(), kill_after=seconds).code == -9:
            self.happened("a run was killed while it sent")

    @rule(seconds=st.floats(0.1, 4.0))
    def stopped(self, seconds: float) -> None:
        known = self.members()
        ran = self.run(*self.messages(), stop_after=seconds)
        self.happened("a run was stopped" if ran.code else "a run ended in spite of a signal")
        if not ran.code:
            self.assert_complete(ran, known)

    @rule(gone=PEOPLE, come=PEOPLE, rejected=st.one_of(st.just([]), PEOPLE))
    def a_day(self, gone: list[int], come: list[int], rejected: list[int]) -> None:
        self.completed(full_refresh=False)
        self.leave(gone)
        self.come(come, "Ann")
        self.reject(rejected)
        self.completed(full_refresh=False)

    @rule(full_refresh=st.sampled_from([False, False, True]))
    def completed(self, full_refresh: bool) -> None:  # noqa: FBT001
        known = self.members()
        ran = self.run(*self.messages(), full_refresh=full_refresh)
        self.happened("the ledger was ignored", when=full_refresh)
        self.assert_complete(ran, known)

    def messages(self) -> list[Any]:
        self.version += 1
        records = [
            {**record(f"{person}@example.com", name=name), "version": self.version}
            for person, name in self.source.items()
        ]
        whole = {"type": "ACTIVATE_VERSION", "stream": "members", "version": self.version}
        return [COLUMNS, *records, whole]

    def run(self, *messages: Any, stop_after: float = math.inf, **more: Any) -> Ran:
        store = self.night.store
        self.rejected &= self.source.keys()
        pattern = "|".join(f"^{person}@" for person in self.rejected)
        if pattern:
            store.faults.add(Fault("item_refused", email=pattern, code=422))
        ran = self.night(*messages, stop_after=stop_after, **{**self.settings, **more})
        self.happened("a call failed", when=store.faults.hits["status"])
        store.faults.clear()
        if ran.code not in {0, 4}:
            self.unclear |= self.source.keys()
        return ran

    # -- what holds --------------------------------------------------------------------

    def assert_complete(self, ran: Ran, known: set[str]) -> None:
        here, there = set(self.source), self.members()
        if not self.create_contacts:  # the others are skipped
            contacts = self.night.store.contacts
            skipped = {person for person in here if f"{person}@example.com" not in contacts}
            self.happened("a person was skipped", when=skipped)
            here -= skipped
        rejected, self.rejected = self.rejected, set()
        assert (there & rejected) == (known & rejected), "a rejected record changes no membership"
        if ran.code == 4:  # all of them were rejected
            assert there == known, ran.log
            return
        assert ran.code == 0, ran.log
        kept = known - here if "removed no member" in ran.log else set()
        self.unclear -= here
        free = rejected | kept | self.unclear
        assert there - free == here - free, ran.log
        for person in here - rejected:
            assert (
                self.night.store.contacts[f"{person}@example.com"].first_name == self.source[person]
            )
        self.happened("a member left", when=known - there)
        self.happened("a rejected member stayed", when=rejected & known & here)
        self.happened("the source was empty", when=not self.source)
        self.happened("a mirror removed no member", when=kept)

    @invariant()
    def what_others_wrote_stays(self) -> None:
        if self.version:
            theirs = self.night.store.contacts["theirs@example.com"]
            assert theirs.tags == ("VIP",)
            assert (theirs.properties or {})["segment_vip"] is True

    def members(self) -> set[str]:
        night = self.night
        found = night.tagged() if self.membership == "tag" else night.marked()
        return set(found - {"theirs"})

    def happened(self, name: str, *, when: object = True) -> None:
        assert name in RARE
        if when:
            event(name)
            self.reached[name] += 1

    def teardown(self) -> None:
        self.place.cleanup()


def test_whatever_happens_the_next_complete_run_puts_right() -> None:
    Nights.reached.clear()
    try_sequences(Nights, Nights.reached, RARE, examples=20)
