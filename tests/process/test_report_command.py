"""The report that a run of the command leaves behind, whatever its end."""

from __future__ import annotations

import json
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

import pytest
from support.command import KEY, people, record, schema, state
from support.rehearsal import Rehearsal
from support.stopping import Run, Tap

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

PLAIN = {"membership": "property"}  # spares the second that tags take


def told(folder: Path) -> tuple[dict[str, Any], str]:
    """The report and its page; neither holds a person or the key."""
    text, page = ((folder / f"report.{kind}").read_text() for kind in ("json", "html"))
    for secret in ("member1", "example.com", "Ada", KEY):
        assert secret not in text + page
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    return json.loads(text), page


def test_a_run_with_refusals_leaves_report_and_page(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "for it"
    ran = command(
        schema(),
        *people(3),
        record(None, first_name="Ada"),
        state(at=1),
        report_path=str(folder / "report.json"),
        ledger_url="sqlite:///ledger.db",
        **PLAIN,
    )
    assert ran.code == 0, ran.log
    report, page = told(folder)
    assert report["totals"]["accepted"] == 3
    assert report["rejections"] == {"email_missing": 1}
    assert report["rejects_file"] == str(next(command.rejects_path.glob("*.jsonl")))
    assert report["streams"]["members"]["segment"] == "VIP"
    assert report["settings"]["ledger_url"] == "set (sqlite)"
    assert "Done, but 1 record was rejected" in page


def test_a_run_with_a_wrong_key_leaves_one_too(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    ran = command(
        schema(), *people(2), api_key="wrong-key", report_path=str(folder / "report.json")
    )
    assert ran.code == 3
    report, page = told(folder)
    assert report["run"]["exit_code"] == 3
    assert "api_key" in report["run"]["outcome"]
    assert "The run failed" in page
    assert "wrong-key" not in json.dumps(report) + page


def test_a_stopped_run_leaves_one_too(command: Command, sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    run = Run(
        *(command, sandbox, Tap(records=240, every=60, silent=True), 0),
        report_path=str(folder / "report.json"),
        batch_size_rows=50,
    )
    run.wait_until(lambda: run.position > 0)
    run.send(SIGTERM)
    assert run.end().code == 143
    report, page = told(folder)
    assert (report["run"]["exit_code"], report["run"]["outcome"]) == (143, "stopped")
    assert "The run was stopped before its end" in page


@pytest.mark.parametrize(
    "name", ["file/report.json", "folder.json", "\0.json", f"{'x' * 300}.json", "page.json"]
)
def test_a_report_that_cannot_be_written_is_said_before_anything_is_read(
    command: Command, sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "page.html").mkdir()
    ran = command.run("--config", command.config(report_path=f"{tmp_path}/{name}"), text=None)
    assert (ran.code, ran.out, len(ran.errors)) == (3, "", 1)
    assert "report_path" in ran.errors[0]
    assert not sandbox.store.requests.counts


def test_a_report_that_can_no_longer_be_written_changes_nothing(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    run = Run(
        *(command, sandbox, Tap(records=60, every=60, silent=True), 0),
        report_path=str(folder / "report.json"),
    )
    run.wait_until(lambda: "GET /brands/current" in sandbox.store.requests.counts)
    folder.touch()
    run.process.stdin.close()  # type: ignore[union-attr]
    ran = run.end()
    assert ran.code == 0, ran.log
    assert "The report cannot be written" in ran.log


def test_a_report_that_fails_in_any_way_changes_nothing(tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise KeyError("member1@example.com")

    path = str(tmp_path / "report.json")
    ran = Rehearsal(tmp_path)(schema(), *people(3), report_path=path, parts={"report": fail})
    assert (ran.code, "The report cannot be written (KeyError)." in ran.log) == (0, True), ran.log
