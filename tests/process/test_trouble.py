"""Whatever Omnisend and the network do, nobody is lost and nobody stays untagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.command import people, schema, state

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from support.command import Command
    from support.sandbox import Sandbox

MEMBERS = 450


def _all_arrive(command: Command, sandbox: Sandbox, **settings: float) -> None:
    half = MEMBERS // 2
    rest = people(MEMBERS - half, start=half)
    messages = [schema(), *people(half), state(at=1), *rest, state(at=2)]
    ran = command(*messages, batch_size_rows=200, **settings)

    assert ran.code == 0, ran.log
    assert ran.states[-1] == {"at": 2}
    assert ran.counts["accepted"] == MEMBERS
    assert len(sandbox.store.contacts) == MEMBERS
    assert [one for one in sandbox.store.contacts.values() if one.tags != ("VIP",)] == []
    assert command.rejects() == []


def test_a_batch_too_large_and_a_403_by_chance(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(
        Fault("status", "POST /batches", skip=1, times=1, status=413),
        Fault("status", "*", every=9, status=403),
    )
    _all_arrive(command, sandbox)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("stopped", every=2, times=2)],
        [Fault("shown_late", seconds=2.0, every=2)],
        [
            Fault("no_counts", every=2),
            Fault("no_arrays", every=3, shape="missing"),
            Fault("shuffled"),
            Fault("item_flaky", email="member1.?@", code=503),
        ],
        [
            Fault("item_flaky", email="member[2-4].@", code=429, failures=2),
            Fault("answers", shape="string", every=2),
            Fault("answers", shape="fields"),
        ],
    ],
    ids=["stopped", "shown late", "items failing for a while", "items throttled twice"],
)
def test_batches_that_go_wrong(command: Command, sandbox: Sandbox, faults: list[Fault]) -> None:
    sandbox.store.faults.add(*faults)
    _all_arrive(command, sandbox)
    assert sandbox.store.faults.hits[faults[0].kind]


@pytest.mark.parametrize(
    "sandbox",
    [{"batch_latency": 1.0, "progressive": True, "visibility_delay": 0.5}],
    indirect=True,
)
def test_batches_that_take_their_time(command: Command, sandbox: Sandbox) -> None:
    sandbox.store.faults.add(Fault("stuck", times=1, seconds=2))
    _all_arrive(command, sandbox)
    assert sandbox.store.requests.counts["POST /batches"] == 5
    assert sandbox.store.tag_misses == 1, "the tag check's"
