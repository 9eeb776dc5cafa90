"""The report as data, and its page as text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.reports import REPORTS, clean, failed, outcome_of, refusals, report, stopped

from target_omnisend.delivery.outcome import Outcome
from target_omnisend.output.rejected import in_file
from target_omnisend.report.advice import what_next
from target_omnisend.report.codes import EXITS, REJECTIONS, WARNINGS
from target_omnisend.report.page import render
from target_omnisend.report.plot import duration, plot

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_settings_show_no_key_and_no_password() -> None:
    shown = report(
        Outcome(),
        api_url="https://example.org:8443/api",
        ledger_url="postgresql+psycopg://user:pass@host/ledger",
    )["settings"]
    assert shown["api_url"] == "https://example.org:8443/api"
    assert shown["ledger_url"] == "set (postgresql)"
    assert not [word for word in ("SECRET", "pass") if word in json.dumps(shown)]
    assert "api_key" not in shown


@pytest.mark.parametrize(
    ("share", "tagged", "per_minute"),
    [(0.9, 0, 36_000), (0.9, 900, 27_000), (0, 0, 40_000), (0, 900, 30_000)],
)
def test_the_ceiling_is_what_the_budget_admits(
    share: float,
    tagged: int,
    per_minute: int,
) -> None:
    outcome = outcome_of("vip")
    outcome.streams["vip"].tagged = tagged
    assert report(outcome, quota_share=share)["ceiling"] == per_minute * 10 // 60


def test_tag_calls_are_no_ceiling_where_one_stream_has_none() -> None:
    outcome = outcome_of("vip", "gold")
    outcome.streams["gold"].tagged = 0
    assert report(outcome)["ceiling"] == 6000


def test_what_to_do_next_is_the_cure_of_each_code() -> None:
    steps = " ".join(refusals()["next"])
    for code in ("email_invalid", "email_missing", "omnisend_refused"):
        assert REJECTIONS[code].cure in steps
    assert WARNINGS["phone_invalid"].cure in steps
    assert "--input rejects/20261122T030405Z-1.jsonl" in steps
    assert failed()["next"] == [EXITS["3"].cure]
    assert stopped()["next"] == [EXITS["130, 143"].cure]
    assert clean()["next"] == ["Nothing is left to do."]


@pytest.mark.parametrize(
    ("loader", "command"),
    [
        (None, "`target-omnisend --input 'my rejects/1.jsonl'` and the options of this run."),
        (
            "target-omnisend--shop",
            "`meltano invoke target-omnisend--shop --input 'my rejects/1.jsonl'`.",
        ),
    ],
)
def test_the_command_that_sends_them_again_can_be_copied(loader: str | None, command: str) -> None:
    outcome = outcome_of("vip")
    outcome.streams["vip"].rejections["email_invalid"] = 1
    outcome.streams["vip"].rejected = 1
    steps = what_next(outcome, in_file(Path("my rejects/1.jsonl")), loader=loader)
    assert steps[-1].endswith(f"Or, once they are corrected, send them with {command}")


@pytest.mark.parametrize("make", REPORTS)
def test_the_page_is_the_same_for_the_same_report(make: Callable[[], dict[str, Any]]) -> None:
    assert render(make()) == render(make())


def test_names_are_text_and_never_markup() -> None:
    name = "<script>alert('x')</script>`<b>"
    page = render(report(outcome_of(name), tags=[name]))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_every_code_is_explained_on_the_page() -> None:
    page = render(
        report(
            outcome_of(
                "vip", rejections=Counter([*REJECTIONS]), warnings=Counter([*WARNINGS, "new_one"])
            )
        )
    )
    assert not [code for code in (*REJECTIONS, *WARNINGS, "new_one") if f">{code}<" not in page]


def test_a_plot_ends_at_what_was_confirmed_and_stays_under_the_ceiling() -> None:
    drawn = plot([1000, 0, 500, 0, 0, 0, 1500], 250, 65)
    assert drawn is not None
    points = drawn.line.split()
    assert points[0] == "0.00,100.00"
    assert points[-1].startswith("100.00,")
    assert "3,000 contacts were confirmed" in drawn.text
    assert "1,500 a minute" in drawn.text
    assert [tick.label for tick in drawn.up] == ["0", "1,000", "2,000", "3,000"]
    assert [point.split(",")[0] for point in drawn.ceiling.split()] == [
        "0.00",
        "92.31",
        "92.31",
        "100.00",
    ]


@pytest.mark.parametrize("throughput", [[], [5], [0, 0]])
def test_a_run_without_a_course_has_no_plot(throughput: list[int]) -> None:
    assert plot(throughput, 6000, 5) is None


def test_days_of_contacts_are_few_points() -> None:
    drawn = plot([10] * 60_000, 6000, 600_000)
    assert drawn is not None
    assert drawn.line.count(",") < 500
    assert drawn.ceiling.count(",") < 500


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (3.24, "3.2 s"), (125, "2 min 5 s"), (7200, "2 h")]
)
def test_durations_are_as_one_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_starting_the_command_does_not_import_jinja() -> None:
    code = "import sys, target_omnisend.target; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
