"""Deletions that wait: who is present decides them, and time sends them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.simulation import Member, Message, Simulation, State, Wait, members

from target_omnisend.delivery.checkpoint import Epoch
from target_omnisend.delivery.deletions import HOLD_SECONDS, Deletions
from target_omnisend.delivery.model import Action, Entry, Origin, Segment
from target_omnisend.delivery.outcome import StreamCounts

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA, BEA = "ada@example.com", "bea@example.com"


class Source:
    """Streams that feed one segment."""

    def __init__(self, *streams: str) -> None:
        self.deletions = Deletions()
        self.segment = Segment("VIP", ("VIP",))
        self.sinks = {name: self.sink(name) for name in streams}

    def sink(self, stream: str) -> Origin:
        made = Origin(stream, b"", StreamCounts(), lambda line, _: line, self.segment)
        self.deletions.open(made)
        return made

    def brings(self, stream: str, *emails: str) -> None:
        self.sinks[stream].present.extend(hash(email) for email in emails)

    def deletes(self, stream: str, email: str) -> Entry | None:
        entry = Entry(self.sinks[stream], email, b"{}", b"", Epoch(), None, Action.LEAVE)
        return self.deletions.add(entry, 0.0)

    def decided(self) -> dict[str, tuple[list[str], list[str], list[str]]]:
        """By stream: those who leave, who are present elsewhere, whose deletion is superseded."""
        return {
            one.origin.stream: (
                [entry.email for entry in one.leaving],
                [entry.email for entry in one.present],
                [entry.email for entry in one.superseded],
            )
            for one in self.deletions.take()
        }


def test_a_person_whom_each_stream_brings_and_deletes_leaves_once() -> None:
    source = Source("east", "west")
    for stream in ("east", "west"):
        source.brings(stream, ADA)
        source.deletes(stream, ADA)
    assert source.decided() == {"east": ([ADA], [], []), "west": ([], [], [ADA])}
    assert source.deletions.count == 0
    assert source.decided() == {}


def test_a_person_whom_the_other_stream_brings_again_after_its_deletion_stays() -> None:
    source = Source("east", "west")
    source.deletes("east", ADA)
    source.deletes("west", ADA)
    source.brings("west", ADA)
    assert source.decided() == {"east": ([], [ADA], []), "west": ([], [], [ADA])}


def test_the_sinks_of_one_stream_know_of_each_other() -> None:
    source = Source("east", "west")
    source.deletes("west", ADA)
    source.brings("west", BEA)
    source.sinks["west"] = source.sink("west")  # its schema has changed
    source.brings("west", ADA)
    assert source.decided() == {"west": ([], [], [ADA])}


def test_the_later_of_two_deletions_of_a_person_is_kept() -> None:
    source = Source("east")
    assert source.deletes("east", ADA) is None
    source.brings("east", ADA)
    assert source.deletes("east", ADA) is not None
    assert source.deletions.count == 1
    assert source.decided() == {"east": ([ADA], [], [])}


def test_a_deletion_does_not_wait_for_the_end_of_a_long_input() -> None:
    run = Simulation(verify=False)
    run.origins["vip"].segment.tag = "vip"
    line = b'{"type":"RECORD","record":{"email":"p1@example.com"}}'

    def night() -> Iterator[Message]:
        yield from members(3)
        yield Wait(60.0)
        run.origins["vip"].counts.received += 1
        run.delivery.delete(run.origins["vip"], "p1@example.com", b"{}", line, run.now)
        yield State("deleted")
        yield Wait(HOLD_SECONDS + 300.0)
        yield Member("p9@example.com")

    run.run(night())
    assert run.calls["DELETE /contacts/tags"] == 1
    assert run.delivered == {"p0@example.com", "p2@example.com", "p9@example.com"}
    states = [state.at for state in run.states if state.value == "deleted"]
    assert HOLD_SECONDS < states[0] < HOLD_SECONDS + 120.0


def test_held_deletions_take_room_and_give_it_back() -> None:
    run = Simulation(verify=False, max_unconfirmed=5)
    run.origins["vip"].segment.tag = "vip"

    def night() -> Iterator[Message]:
        for number in range(20):
            while not run.delivery.has_room():
                yield Wait(1.0)
            email = f"p{number}@example.com"
            line = b'{"type":"RECORD","record":{"email":"' + email.encode() + b'"}}'
            run.origins["vip"].counts.received += 1
            run.delivery.delete(run.origins["vip"], email, b"{}", line, run.now)
        yield State("deleted")

    run.run(night())
    assert run.outcome.total().unconfirmed == 0
    assert run.calls["DELETE /contacts/tags"] >= 4
    assert [state.value for state in run.states] == ["deleted"]
