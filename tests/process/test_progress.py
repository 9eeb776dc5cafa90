"""Progress at a real terminal and away from it; METRIC lines; structured logs."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.terminal import COUNTS, at_terminal
from support.waiting import PIPE_BYTES, unread, wait_for

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from support.command import Command, Ran
    from support.sandbox import Sandbox

LOGS = Path(__file__).parents[2] / "docs" / "logs.md"
VERDICTS = ("accepted", "rejected", "unchanged")
EMAIL = {"email": "email"}
UNHURRIED = {"batch_latency": 1.5}
MESSAGES = [schema(), *people(300), record(None), state(read=301)]


def _input(folder: Path) -> Path:
    path = folder / "input.jsonl"
    path.write_text("".join(json.dumps(message) + "\n" for message in MESSAGES))
    return path


@pytest.mark.parametrize("sandbox", [UNHURRIED], indirect=True)
def test_a_terminal_shows_progress_below_the_log_and_nothing_of_it_at_the_end(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    fault = Fault("status", "POST /contacts/tags", status=503, skip=1, times=1)
    sandbox.store.faults.add(fault)  # skip the tag check's call
    text = _input(tmp_path)
    with at_terminal("--config", command.config(), folder=tmp_path, text=text) as terminal:
        terminal.wait_for_display()
        assert terminal.cursor_is_hidden()
        assert terminal.end() == 0
    counts = next(i for i, line in enumerate(terminal.display) if line.endswith(COUNTS))
    read, sent, _, refused, unchanged = terminal.display[counts + 1].split()
    assert (read, sent, refused, unchanged) == ("301", "300", "1", "0")
    limit = r"a minute, limit in use \d+ % \(POST /[a-z/]+\)$"
    assert re.search(limit, terminal.display[counts + 2])
    assert re.search(r" \d+ % after 0:00:0\d", terminal.display[counts + 3])
    assert any("shows as the tag" in line for line in terminal.display[:counts])

    last = terminal.text
    assert "Reader" not in last, "lines of the SDK that say nothing of a run's success"
    assert "parse of env var" not in last
    assert not terminal.cursor_is_hidden()
    assert COUNTS not in last
    assert "a minute" not in last
    assert "POST /contacts/tags: 503. The call is tried again.\n" in last, "said while it was up"
    assert '\n{"read": 301}\n' in last, "STATE has a line of its own"
    assert re.search(r"\| 301 received, 300 accepted, 1 rejected; exit code 0; [^\n]*$", last)
    for line in filter(None, last.splitlines()):
        assert re.match(r"\d{4}-\d\d-\d\d .* \| |\{\"read\": ", line), line


@pytest.mark.parametrize("sandbox", [UNHURRIED], indirect=True)
def test_state_goes_to_standard_output_and_not_to_the_terminal(
    command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT)
    with at_terminal(
        "--config", command.config(), folder=tmp_path, text=_input(tmp_path), out=descriptor
    ) as terminal:
        assert terminal.end() == 0
    os.close(descriptor)
    assert terminal.display
    assert out.read_text() == '{"read": 301}\n'
    assert '{"read"' not in terminal.text


def test_stopped_or_failed_the_terminal_is_as_before(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    with at_terminal("--config", command.config(), folder=tmp_path) as silent:
        silent.wait_for_display()
        assert " so far" in "".join(silent.display), "nobody knows how much is to come"
        silent.interrupt()
        assert silent.end() == 130
    sandbox.store.faults.add(Fault("stuck"))
    settings = {"confirm_timeout": 2}
    with at_terminal(
        "--config", command.config(**settings), folder=tmp_path, text=_input(tmp_path)
    ) as failing:
        assert failing.end() == 5
    for terminal in (silent, failing):
        assert terminal.display
        assert not terminal.cursor_is_hidden()
        assert COUNTS not in terminal.text
        assert "received, " in terminal.text.rpartition("METRIC")[2], "said when it was down"


def test_an_end_by_force_leaves_the_cursor_to_be_seen(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    text = tmp_path / "input.jsonl"
    messages = [schema(), *people(2), state(bookmark="x" * 200_000)]
    text.write_text("\n".join(map(json.dumps, messages)))
    nobody_reads, out = os.pipe()
    sandbox.store.faults.add(Fault("status", "POST /batches", status=503))
    with at_terminal(
        *("--config", command.config(membership="none")), folder=tmp_path, text=text, out=out
    ) as terminal:
        terminal.wait_for_display()
        sandbox.store.faults.clear()  # then comes the state that the pipe has no room for
        wait_for(lambda: unread(nobody_reads) == PIPE_BYTES)
        terminal.interrupt()
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 130
    os.close(nobody_reads)
    os.close(out)
    assert not terminal.cursor_is_hidden()
    assert terminal.text.endswith("\nThe end was forced, because something hung. Run again.")


@pytest.mark.parametrize(
    ("columns", "variables"),
    [(100, {"TERM": "dumb"}), (100, {"NO_COLOR": "1"}), (59, {})],
    ids=["dumb", "no colour", "narrow"],
)
def test_a_terminal_that_cannot_or_shall_not_show_it_gets_plain_lines(
    command: Command, tmp_path: Path, columns: int, variables: dict[str, str]
) -> None:
    with at_terminal(
        *("--config", command.config()),
        folder=tmp_path,
        text=_input(tmp_path),
        columns=columns,
        variables=variables,
    ) as terminal:
        assert terminal.end() == 0
    assert b"\x1b" not in terminal.raw
    assert b"exit code 0" in terminal.raw


@pytest.mark.parametrize("sandbox", [{"batch_latency": 10.2}], indirect=True)
def test_away_from_a_terminal_every_line_is_json_with_what_it_is_about_as_fields(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("status", "POST /batches", status=503, times=1))
    ran = _structured(command, *MESSAGES, {"type": "RECORD"}, mapping={**EMAIL, "city": "town"})
    lines = [json.loads(line) for line in ran.log.splitlines()]
    ours = [line for line in lines if line["logger_name"].startswith("target-omnisend")]

    (under_way,) = _saying(ours, "Under way: 301 received, 300 sent")
    assert under_way["extra"]["streams"]["members"]["sent"] == 300
    assert under_way["extra"]["counts"]["rejected"] == 1
    assert under_way["extra"]["endpoint"] == "POST /contacts/tags", "1 of 60 is more than 4 of 400"
    (summary,) = _saying(ours, "exit code 1")
    assert summary["extra"]["exit_code"] == 1
    assert summary["extra"]["counts"]["accepted"] == 300
    assert summary["extra"]["seconds"] > 10

    (missing,) = _saying(ours, "names the column 'town'")
    (refused,) = _saying(ours, "rejected: 1 email_missing")
    assert refused["extra"]["rejections"] == {"email_missing": 1}
    assert {(line["stream_name"], line["extra"]["segment"]) for line in (missing, refused)} == {
        ("members", "VIP")
    }
    (fault,) = _saying(ours, "is tried again")
    assert fault["extra"]["event_name"] == "call_failed"
    assert (fault["stream_name"], fault["extra"]["endpoint"]) == ("members", "POST /batches")
    assert fault["extra"]["status"] == 503
    bad, last = [line for line in ours if line["level"] == "error"]
    assert last is summary
    assert (bad["extra"]["input_line"], bad["extra"]["exit_code"]) == (304, 1)
    of_a_stream = [line for line in ours if "tream 'members'" in line["message"]]
    assert [line for line in of_a_stream if line["stream_name"] != "members"] == []

    _tells_the_same_as_metrics(lines, sandbox)


def _tells_the_same_as_metrics(lines: list[dict[str, Any]], sandbox: Sandbox) -> None:
    points = [line["metric_info"] for line in lines if "metric_info" in line]
    told: Counter[tuple[str, str | None, str | None]] = Counter()
    for point in points:
        about = point["tags"].get("stream"), point["tags"].get("endpoint")
        told[(point["metric"], *about)] += point["value"]
    verdicts = {name: told[(f"records_{name}", "members", None)] for name in VERDICTS}
    assert verdicts == {"accepted": 300, "rejected": 1, "unchanged": 0}
    made = Counter[str]()
    for (metric, _, endpoint), value in told.items():
        if metric == "http_request_count" and endpoint:
            made[endpoint] += value
    assert made == sandbox.store.requests.counts
    streams = {
        endpoint: stream for metric, stream, endpoint in told if metric == "http_request_count"
    }
    assert streams["POST /batches"] == streams["POST /contacts/tags"] == "members"
    assert streams["GET /batches"] is streams["GET /brands/current"] is None
    assert not [point for point in points if point["metric"] == "batch_processing_time"]


def _saying(lines: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    return [line for line in lines if words in line["message"]]


def _structured(command: Command, *messages: Any, **settings: Any) -> Ran:
    """A run with the logging that docs/logs.md shows."""
    path = command.folder / "logging.yml"
    (shown,) = re.findall(r"```yaml\n(.*?)```", LOGS.read_text(), re.DOTALL)
    path.write_text(shown)
    text = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    return command.run(
        *("--config", command.config(**settings)),
        text=text,
        variables={"SINGER_SDK_LOG_CONFIG": str(path), "TARGET_OMNISEND_LOGLEVEL": "INFO"},
    )
