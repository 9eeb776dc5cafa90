"""Each fault of a call, at each endpoint a run uses: nobody is lost, nobody stays untagged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.command import Command, people, schema, state
from support.sandbox import Sandbox, running_sandbox
from support.stopping import TAG, Run, Tap

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.model import Store

if TYPE_CHECKING:
    from pathlib import Path

MEMBERS = 600
ENDPOINTS = [
    "GET /brands/current",
    "POST /batches",
    "GET /batches",
    "GET /batches/{id}",
    "GET /batches/{id}/items",
    "POST /contacts/tags",
]
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500, "html": False},
    "500 after acting": {"kind": "status", "status": 500, "acted": True},
    "502 in HTML": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503, "html": False},
    "524 after acting": {"kind": "status", "status": 524, "acted": True},
    "reset before acting": {"kind": "reset_before"},
    "reset after acting": {"kind": "reset_after"},
    "body cut short": {"kind": "cut"},
    "broken JSON": {"kind": "broken_json"},
    "answer after the timeout": {"kind": "slow", "seconds": 1.5},
    "429 with retryAfter": {"kind": "throttle", "retry_after": 0},
    "429 with a header": {"kind": "throttle", "retry_after": 1, "header": True},
    "403 once": {"kind": "status", "status": 403},
    "404 once": {"kind": "status", "status": 404},
}
EVERY_ENDPOINT = [
    # Batches are asked for alone where the list tells no counts, their items where some failed.
    Fault("no_counts", "GET /batches"),
    Fault("item_flaky", email="member[1-5]5.@", code=503),
]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_at_each_endpoint(
    command: Command, sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    store = sandbox.store
    faults = [Fault(endpoint=endpoint, times=1, **fault) for endpoint in ENDPOINTS]
    store.faults.add(*EVERY_ENDPOINT, *faults)
    half = MEMBERS // 2
    rest = people(MEMBERS - half, start=half)
    messages = [schema(), *people(half), state(at=1), *rest, state(at=2)]
    ran = command(*messages, batch_size_rows=200, request_timeout=1)

    assert ran.code == 0, ran.log
    assert store.faults.hits[fault["kind"]] == len(ENDPOINTS), "each of them was struck"
    assert ran.states[-1] == {"at": 2}
    assert ran.counts["accepted"] == len(store.contacts) == MEMBERS
    assert [one for one in store.contacts.values() if one.tags != (TAG,)] == []
    assert command.rejects() == []


def test_one_401_after_the_key_was_checked(command: Command, sandbox: Sandbox) -> None:
    endpoints = ENDPOINTS[1:]
    strays = [Fault("status", endpoint=one, status=401, times=1) for one in endpoints]
    sandbox.store.faults.add(*EVERY_ENDPOINT, *strays)
    ran = command(schema(), *people(MEMBERS), batch_size_rows=200)
    assert (ran.code, sandbox.store.faults.hits["status"]) == (0, len(endpoints)), ran.log
    assert ran.counts["accepted"] == MEMBERS


def test_connections_refused_for_a_while(tmp_path: Path) -> None:
    store, tap = Store(time.time, batch_latency=0.3), Tap(records=MEMBERS, pause=0.03)
    with running_sandbox(store) as sandbox:
        run = Run(Command(tmp_path, sandbox.api_url), sandbox, tap, 0, batch_size_rows=100)
        run.wait_until(lambda: len(store.batches) >= 2)
    run.wait_until(lambda: "Connection refused. The call is tried again" in run.log)
    assert run.process.poll() is None
    with running_sandbox(store, port=int(sandbox.url.rpartition(":")[2])):
        ran = run.end()

    assert ran.code == 0, ran.log
    assert run.position == MEMBERS
    assert set(store.contacts) == set(tap.last)
