"""What a shell, a disk or a careless hand does: one plain sentence and the right exit code."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.command import Ran, people, record, schema, state
from support.waiting import PIPE_BYTES, unread, wait_for

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

MESSAGES = [schema(), *people(3), state(at=1)]
INPUT = "\n".join(map(json.dumps, MESSAGES)).encode()
PLAIN = {"membership": "property"}


def _in_shell(command: Command, line: str, variables: dict[str, str] | None = None) -> Ran:
    """Run a line of the shell in which `run` is the command, and `in` the input."""
    (command.folder / "in").write_bytes(INPUT)
    run = [sys.executable, "-m", "target_omnisend", "--config", command.config(**PLAIN)]
    ran = subprocess.run(
        ["/bin/bash", "-c", f'run() {{ {shlex.join(run)} "$@"; }}\n{line}'],
        cwd=command.folder,
        env=os.environ | (variables or {}),
        capture_output=True,
        timeout=60,
        check=False,
    )
    made = Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
    assert "Traceback" not in made.log
    assert "Exception ignored" not in made.log
    return made


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("run <in >&-", 2, "Standard output is closed"),
        ("run <&-", 2, "Standard input is closed"),
        ("run <in | true; exit ${PIPESTATUS[0]}", 1, "standard output (Broken pipe)"),
        ("run <in >/dev/full", 1, "standard output (No space left on device)"),
        ("run --input .", 2, "'.': Is a directory"),
        ("run --config .", 3, "The config file . cannot be read (Is a directory)."),
        ("printf '\\377' >c; run --config c", 3, "The config file c does not hold a JSON object."),
        ("printf '[%.0s' {1..9999} >c; run --config c", 3, "c does not hold a JSON object."),
        ("LOGLEVEL=LOUD run <in", 3, "The log cannot be set up"),
        ("SINGER_SDK_LOG_CONFIG=in run <in", 3, "The log cannot be set up"),
        ("""run --config '{"api_key": "sandbox-key"}'""", 3, "--config takes the path"),
    ],
)
def test_what_the_shell_does_is_told(
    command: Command, sandbox: Sandbox, line: str, code: int, words: str
) -> None:
    ran = _in_shell(command, line)

    assert (ran.code, ran.log.count(words) > 0) == (code, True), ran.log
    assert "this is a bug" not in ran.log
    assert "sandbox-key" not in ran.log
    assert ran.out == ""
    assert (sandbox.store.batches == []) == (code != 1), "what cannot work is seen before"


@pytest.mark.parametrize(
    "line",
    [
        "run <in 2>&-",
        "TERM=xterm run <in 2>&-",
        "run <in 2>/dev/full",
        "run <in 2> >(true)",
        "run --input in <&- 2>&-",
    ],
)
def test_a_run_loses_nothing_because_nobody_reads_its_log(
    command: Command, sandbox: Sandbox, line: str
) -> None:
    ran = _in_shell(command, line)
    assert (ran.code, ran.states, ran.log) == (0, [{"at": 1}], ""), ran.log
    assert len(sandbox.store.contacts) == 3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {name: f"{start}a{odd}b.json" for name, start in PATHS.items()},
            [f"Setting '{name}' has a character that no path can have." for name in PATHS],
        )
        for PATHS in [{"rejects_path": "", "report_path": "", "ledger_url": "sqlite:///"}]
        for odd in ("\0", "\ud800")
    ]
    + [
        ({"request_timeout": 1e300}, ["Setting 'request_timeout' should be at most 3600."]),
        ({"request_timeout": -1}, ["Setting 'request_timeout' should be more than 0."]),
    ],
)
def test_settings_that_no_machine_can_follow(
    command: Command, settings: dict[str, Any], sentence: list[str]
) -> None:
    ran = command(*MESSAGES, **settings)
    assert (ran.code, ran.errors) == (3, sentence), ran.log


def test_numbers_beyond_all_measure_do_no_harm(command: Command, sandbox: Sandbox) -> None:
    absurd = {"confirm_timeout": 1e300, "max_unconfirmed": 10**300, "batch_size_rows": 10**300}
    ran = command(*MESSAGES, **PLAIN, **absurd)
    assert (ran.code, ran.states, len(sandbox.store.contacts)) == (0, [{"at": 1}], 3), ran.log


def _nested(levels: int, inside: Any) -> Any:
    for _ in range(levels):
        inside = {"type": "object", "properties": {"a": inside}}
    return inside


def test_a_schema_nested_too_deeply_is_the_taps_fault(command: Command) -> None:
    ran = command(*MESSAGES, schema("deep", deep=_nested(320, {"type": "string"})), **PLAIN)

    words = "Line 6 of the input, stream 'deep', is nested too deeply."
    assert (ran.code, ran.errors, ran.states) == (1, [words], [{"at": 1}]), ran.log


@pytest.mark.parametrize(
    "settings",
    [
        {"flattening_enabled": True, "flattening_max_depth": 2},
        {"stream_maps": {"members": {"mail": "anything", "home": "home"}}},
    ],
    ids=["flattening", "stream maps"],
)
def test_a_column_may_have_a_boolean_for_its_schema(
    command: Command, sandbox: Sandbox, settings: dict[str, Any]
) -> None:
    home = {"type": "object", "properties": {"town": True}}
    columns: dict[str, Any] = {"anything": True, "nothing": False, "home": home}
    full = record("member1@example.com", anything="x", home={"town": "Bath"})
    ran = command(schema(**columns), full, state(at=1), **PLAIN, **settings)

    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert set(sandbox.store.contacts) == {"member1@example.com"}


def test_metadata_columns_are_there_when_a_record_is_sent_again(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("item_flaky", email="member", code=503))
    versioned = [{**message, "version": 7} for message in people(2)]
    ran = command(
        schema(),
        *versioned,
        add_record_metadata=True,
        custom_properties={"made": "_sdc_table_version"},
        **PLAIN,
    )

    assert (ran.code, sandbox.store.faults.hits["item_flaky"]) == (0, 2), ran.log
    properties = [contact.properties for contact in sandbox.store.contacts.values()]
    assert properties == [{"made": 7, "segment_vip": True}] * 2


def test_a_reader_that_hangs_does_not_keep_a_stopped_run_alive(
    command: Command, tmp_path: Path
) -> None:
    """The pipe is full, so the run waits with its lock held; a second signal gives it 5 s."""
    big = state(bookmark="x" * 200_000)
    (tmp_path / "in").write_text("\n".join(map(json.dumps, [schema(), *people(2), big])))
    with (
        (tmp_path / "in").open() as lines,
        (tmp_path / "log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "target_omnisend", "--config", command.config(**PLAIN)],
            stdin=lines,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=tmp_path,
        ) as process,
    ):
        assert process.stdout
        out = process.stdout.fileno()
        wait_for(lambda: unread(out) == PIPE_BYTES)
        _assert_it_hangs_and_two_signals_end_it(process)
        log.seek(0)
        assert "The end was forced" in log.read()


def test_a_log_that_nobody_reads_does_not_keep_a_stopped_run_alive(
    command: Command, tmp_path: Path
) -> None:
    """The pipe is full: what is said of the forced end must not wait for room as well."""
    (tmp_path / "in").write_bytes(INPUT)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"." * 2000)
    with (
        (tmp_path / "in").open() as lines,
        subprocess.Popen(
            [sys.executable, "-m", "target_omnisend", "--config", command.config(**PLAIN)],
            stdin=lines,
            stdout=subprocess.DEVNULL,
            stderr=writing,
            cwd=tmp_path,
            env=os.environ | {"TARGET_OMNISEND_LOGLEVEL": "DEBUG"},
        ) as process,
    ):
        os.close(writing)
        before, now = 0, 2000
        while now > before or now < 3000:  # the next line, whichever it is, has no room
            time.sleep(2)
            before, now = now, unread(reading)
        try:
            _assert_it_hangs_and_two_signals_end_it(process)
        finally:
            os.close(reading)


def _assert_it_hangs_and_two_signals_end_it(process: subprocess.Popen[bytes]) -> None:
    hung = process.poll() is None
    # Two of one kind could arrive as one; of two kinds the lower number is taken first.
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    try:
        assert (hung, process.wait(12)) == (True, 130)
    finally:
        process.kill()


EVIL = "x\x1b]0;owned\x07\x1b[2J\x9b1m\r\n2026-01-01 | ERROR | forged"


@pytest.mark.parametrize("variables", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0"}], ids=["UTF-8", "C"])
def test_names_from_elsewhere_do_not_command_the_terminal(
    command: Command, variables: dict[str, str]
) -> None:
    messages = [schema(EVIL), record("member1@example.com", EVIL), record("none", EVIL)]
    settings = {
        "mapping": {"email": "email", "city": f"city{EVIL}"},
        "streams": {EVIL: {"segment": f"VIP {EVIL}", "tags": []}},
        "segment": None,
        "report_path": "report.json",
    }
    text = "\n".join(map(json.dumps, messages)).encode()
    ran = command.run("--config", command.config(**settings), text=text, variables=variables)
    assert (ran.code, ran.counts["received"]) == (0, 2), ran.log
    odd = {one for one in ran.log if not one.isprintable()} - {"\n"}
    assert odd == set()
    assert [line for line in ran.log.splitlines() if line.startswith("2026-01-01")] == []
    assert ran.log.count(r"\x1b]0;owned\x07") > 3
