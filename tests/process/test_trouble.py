"""Whatever Omnisend and the network do, nobody is lost and nobody stays untagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.command import people, schema, state

from target_omnisend.sandbox.faults import Fault

if TYPE_CHECKING:
    from fakes.command import Command
    from fakes.sandbox import Sandbox

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


@pytest.mark.parametrize(
    "faults",
    [
        [
            Fault("status", "*", status=500, every=5),
            Fault("status", "*", status=502, every=7, acted=True),
            Fault("status", "*", status=503, every=6, html=False),
        ],
        [
            Fault("reset_before", "*", every=5, times=2),
            Fault("reset_after", "*", every=4, times=2),
            Fault("cut", "*", every=3, times=2),
            Fault("broken_json", "*", every=7, times=2),
        ],
        [
            Fault("throttle", "*", every=6, retry_after=0),
            Fault("throttle", "*", skip=3, times=1, retry_after=1, header=True),
            Fault("slow", "POST *", every=4, seconds=1.5),
        ],
        [
            Fault("status", "POST /batches", skip=1, times=1, status=413),
            Fault("status", "*", every=9, status=403),
        ],
    ],
    ids=["5xx", "connections", "429 and timeouts", "413 and a chance 403"],
)
def test_faults_on_every_call(command: Command, sandbox: Sandbox, faults: list[Fault]) -> None:
    sandbox.store.faults.add(*faults)
    _all_arrive(command, sandbox, request_timeout=1)
    assert set(sandbox.store.faults.hits) == {fault.kind for fault in faults}


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("stopped", every=2, times=2)],
        [Fault("vanished", times=1), Fault("vanished", skip=2, times=1, acted=True)],
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
    ids=["stopped", "vanished", "items failing for a while", "items throttled twice"],
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
    assert sandbox.store.tag_misses == 0
