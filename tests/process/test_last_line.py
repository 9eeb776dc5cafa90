"""Whatever goes wrong: the last line names the exit code, the report is there, no setting shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command

HIDDEN = "Quillon-5f3a"


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": None},
        {"membership": HIDDEN},
        {"api_key": HIDDEN, "access_token": HIDDEN},
        {HIDDEN: 1, "quota_share": 7},
        {"mapping": {"email": "email", HIDDEN: "x"}},
        {"mapping": {"email": {HIDDEN: 1}}},
        {"custom_properties": {HIDDEN: 7}},
        {"custom_properties": {HIDDEN: "x"}},
        {"streams": {HIDDEN: 7}},
        {"tags": [HIDDEN, 7]},
        {"ledger_url": f"{HIDDEN}:pass@host/base"},
        {"ledger_url": f"sqlite:///config.json/{HIDDEN}:pass@host"},
        {"ledger_url": f"postgresql://{HIDDEN}:{HIDDEN}@127.0.0.1:9/{HIDDEN}"},
        {"ledger_url": f"postgresql://me@127.0.0.1:9/base?connect_timeout={HIDDEN}"},
        {"stream_maps": {"members": HIDDEN}},
        {"stream_maps": {"members": {"name": HIDDEN}}},
        {"stream_maps": {"members": {"__filter__": f"{HIDDEN} == email"}}},
        {"stream_maps": {"members": {"__key_properties__": HIDDEN}}},
        {"api_url": f"https://{HIDDEN}:{HIDDEN}@[::1"},
        {"data_privacy_consent": HIDDEN},
    ],
    ids=repr,
)
def test_wrong_settings_end_with_the_last_line_and_a_report_and_are_not_quoted(
    command: Command, tmp_path: Path, settings: dict[str, Any]
) -> None:
    (tmp_path / "report.json").write_text("yesterday's")
    ran = command(schema(), *people(1), **settings, report_path=str(tmp_path / "report.json"))

    assert (ran.code, ran.out) == (3, ""), ran.log
    assert re.search(r"\| ERROR +\| .*0 received, 0 accepted; exit code 3; ", ran.last), ran.log
    report = (tmp_path / "report.json").read_text()
    assert (json.loads(report)["run"]["exit_code"], json.loads(report)["totals"]["received"]) == (
        3,
        0,
    )
    page = (tmp_path / "report.html").read_text()
    assert HIDDEN not in ran.log + report + page


@pytest.mark.parametrize(
    "given",
    [
        f'[{{"api_key": "{HIDDEN}"}}]',
        f'"{HIDDEN}"',
        HIDDEN,
        f"{{{HIDDEN}",
        f"postgresql://me:{HIDDEN}@host/base",
        f"\n{HIDDEN}",
        f"{HIDDEN}/" * 200,
    ],
)
def test_what_is_given_in_place_of_a_config_file_is_not_quoted(
    command: Command, given: str
) -> None:
    ran = command.run("--config", given, text=None)

    assert (ran.code, HIDDEN in ran.log) == (3, False), ran.log
    assert "cannot be read (" in ran.errors[0]
    assert "0 received, 0 accepted; exit code 3; The config file cannot be read" in ran.last


def test_a_config_file_that_cannot_be_read_leaves_a_report_where_another_names_one(
    command: Command, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    good = command.config(report_path=str(report))
    ran = command.run("--config", good, "--config", "missing.json", text=None)
    assert (ran.code, json.loads(report.read_text())["run"]["exit_code"]) == (3, 3), ran.log

    report.unlink()
    variables = {"TARGET_OMNISEND_REPORT_PATH": str(report)}
    ran = command.run("--config=ENV", text=None, variables=variables)
    assert (ran.code, json.loads(report.read_text())["run"]["exit_code"]) == (3, 3), ran.log


@pytest.mark.parametrize("path", ["config.json/report.json", "report.txt", "\0.json", 7])
def test_a_report_that_cannot_be_written_does_not_hide_the_settings_error(
    command: Command, path: Any
) -> None:
    ran = command(schema(), report_path=path, membership=HIDDEN)

    assert (ran.code, "Setting 'membership'" in ran.log, HIDDEN in ran.log) == (3, True, False)


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--check", "--retire", "VIP"]])
def test_a_wrong_command_line_names_its_exit_code_too(
    command: Command, arguments: list[str]
) -> None:
    ran = command.run("--config", command.config(), *arguments)

    assert (ran.code, "exit code 2" in ran.last) == (2, True), ran.log


def test_the_names_in_a_reports_path_are_filled_in(command: Command, tmp_path: Path) -> None:
    path = str(tmp_path / "{started_at}" / "{run_id}-{other}.json")
    assert command(schema(), *people(1), membership="property", report_path=path).code == 0
    command(schema(), report_path=path, api_key="")

    for file in tmp_path.glob("*/*.json"):
        run = json.loads(file.read_text())["run"]
        assert file.name == f"{run['id']}-{{other}}.json"
        assert file.parent.name == re.sub("[-:]", "", run["started_at"])
    assert len(list(tmp_path.glob("*/*.json"))) == 2


def test_a_failed_run_ends_with_an_error_and_a_good_one_does_not(command: Command) -> None:
    good = command(schema(), *people(1), membership="property")
    bad = command(schema(), record(None))

    assert ("| INFO " in good.last, "| ERROR " in bad.last) == (True, True)
