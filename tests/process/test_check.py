"""`--check`: reads only, and says whether a run could start."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.command import SECONDS
from support.processes import PIPE, start
from support.waiting import wait_for

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.command import Command, Ran
    from support.sandbox import Sandbox


def _check(command: Command, **settings: Any) -> Ran:
    return command.run("--config", command.config(**settings), "--check", text=None)


def test_it_tells_store_scopes_mapping_and_ledger(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    ran = _check(
        command,
        mapping={"email": "mail", "address": ["street", "number"]},
        custom_properties={"spent": "total"},
        streams={"members": {"mapping": {"email": "address"}, "create_segment": True}},
        ledger_url=f"sqlite:///{tmp_path}/new/ledger.db",
        report_path=str(tmp_path / "report.json"),
    )
    assert (ran.code, ran.out) == (0, ""), ran.log
    assert "store: name Sandbox, website https://sandbox.example, currency EUR." in ran.log
    for scope in ("contacts.read", "batches", "segments"):
        assert f"scope {scope}: GET" in ran.log
    assert "each record needs the column mail with an e-mail address; the columns" in ran.log
    assert "number, street, total are used where they are" in ran.log
    assert "mapping of stream 'members': each record needs the column address" in ran.log
    assert "ledger: it knows members of no segment." in ran.log
    places = "'rejects_path', 'report_path', 'ledger_url'"
    assert f"folders: the places that {places} name can be written to." in ran.log
    assert ran.log.splitlines()[-1].endswith("a run can start; nothing was sent or written.")
    assert sandbox.store.requests.counts == Counter(
        dict.fromkeys(["GET /brands/current", "GET /contacts", "GET /batches", "GET /segments"], 1)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"api_key": "wrong"}, "does not accept the API key"),
        ({"data_privacy_consent": False}, "data_privacy_consent"),
        ({"mapping": {}}, "'mapping.email' is missing"),
        ({"ledger_url": "mysql://there/is"}, "'ledger_url' is not a database URL"),
        ({"ledger_url": "sqlite:///config.json/ledger.db"}, "cannot be written to"),
        ({"report_path": "config.json/report.json"}, "cannot be written"),
        ({"rejects_path": "config.json/rejects"}, "cannot be written to"),
    ],
)
def test_what_keeps_a_run_from_starting_is_exit_code_3(
    command: Command, sandbox: Sandbox, settings: dict[str, Any], sentence: str
) -> None:
    ran = _check(command, **settings)
    assert (ran.code, ran.out) == (3, "")
    assert sentence in ran.log.splitlines()[-1]
    assert set(sandbox.store.requests.counts) <= {"GET /brands/current", "GET /contacts"}


def test_a_key_without_brands_read_is_good_and_one_without_contacts_is_not(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("status", endpoint="GET /brands/current", status=403))
    ran = _check(command)
    assert (ran.code, "its scope brands.read is optional" in ran.log) == (0, True), ran.log

    sandbox.store.faults.add(Fault("status", endpoint="GET /batches", status=403))
    ran = _check(command)
    assert (ran.code, "GET /batches does not answer" in ran.log) == (3, True), ran.log


def test_a_check_that_was_stopped_does_not_say_that_a_run_can_start(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("slow", endpoint="GET /contacts", seconds=3))
    with start(
        *("--config", command.config(), "--check"), cwd=command.folder, stderr=PIPE
    ) as process:
        wait_for(lambda: sandbox.store.requests.counts["GET /contacts"])
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=SECONDS)[1].decode()
    assert process.returncode == 143, log
    assert log.splitlines()[-1].endswith("exit code 143: stopped by a signal before all was asked.")


def test_a_passing_fault_is_no_reason_to_fail(command: Command, sandbox: Sandbox) -> None:
    for endpoint in ("GET /brands/current", "GET /contacts", "GET /batches"):
        sandbox.store.faults.add(Fault("status", endpoint=endpoint, status=503, times=1))
    assert _check(command).code == 0


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def test_an_address_that_swallows_everything_is_named_in_time(
    command: Command, silent: int, tmp_path: Path
) -> None:
    began = time.monotonic()
    report = tmp_path / "report.json"
    url = f"http://127.0.0.1:{silent}/api"
    ran = _check(command, api_url=url, report_path=str(report))
    assert time.monotonic() - began < 20
    assert (ran.code, f"Omnisend at 127.0.0.1:{silent} does not answer" in ran.last) == (3, True)
    assert "(nothing came in time)" in ran.last
    assert json.loads(report.read_text())["run"]["exit_code"] == 3


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/api", "127.0.0.1:1 does not answer (Connection refused)"),
        ("https://no.such.host.invalid/api", "no.such.host.invalid does not answer (the host's"),
    ],
)
def test_a_dead_address_is_named_with_its_reason(command: Command, url: str, words: str) -> None:
    began = time.monotonic()
    ran = _check(command, api_url=url)
    assert (ran.code, words in ran.last) == (3, True), ran.log
    assert time.monotonic() - began < 20


def test_it_retires_nobody(command: Command, sandbox: Sandbox) -> None:
    ran = command.run("--config", command.config(), "--check", "--retire", "VIP")
    assert (ran.code, sandbox.store.requests.counts) == (2, {})
