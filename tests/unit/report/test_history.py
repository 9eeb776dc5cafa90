"""What the page makes of the runs before."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from support.reports import clean, nights, outcome_of, report

from target_omnisend.report.history import is_as_before, picture
from target_omnisend.report.page import render
from target_omnisend.report.verdict import ATTENTION, GOOD, verdict


def _night(received: int = 1000, **more: Any) -> dict[str, Any]:
    codes = more.pop("rejections", {"email_invalid": 10})
    counts = {"accepted": 20, "unchanged": 970, "rejected": sum(codes.values()), "removed": 0}
    run = {"id": "1", "started_at": "2026-11-21T03:04:05Z", "command": "export", "exit_code": 0}
    return {**run, "received": received, **counts, "rejections": codes, **more}


def _tonight(*earlier: dict[str, Any], **codes: int) -> dict[str, Any]:
    rejected = sum(codes.values())
    made = report(outcome_of("vip", accepted=1000 - rejected, rejections=Counter(codes)))
    made["history"] = list(earlier)
    return made


@pytest.mark.parametrize(
    ("tonight", "usual"),
    [
        (_tonight(email_invalid=10), False),  # no earlier run is known
        (_tonight(_night(), email_invalid=10), True),
        (_tonight(_night(), email_invalid=12), True),
        (_tonight(_night(), email_invalid=13), False),
        (_tonight(_night(2000), email_invalid=10), False),
        (_tonight(_night(), email_missing=10), False),  # as many, for another reason
        (_tonight(_night(), email_invalid=10, email_missing=1), False),
        (_tonight(_night(), _night(rejections={}), email_invalid=10), False),
        (_tonight(_night(), _night(0, exit_code=3, rejections={}), email_invalid=10), True),
        (_tonight(_night(), _night(command="retire", rejections={}), email_invalid=10), True),
    ],
)
def test_rejected_records_ask_for_attention_unless_they_are_the_same_as_before(
    tonight: dict[str, Any],
    usual: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert is_as_before(tonight) is usual
    assert verdict(tonight).level == (GOOD if usual else ATTENTION)


def test_one_in_five_asks_for_attention_each_time() -> None:
    tonight = report(outcome_of("vip", accepted=8, rejections=Counter(email_invalid=2)))
    tonight["history"] = [_night(10, rejections={"email_invalid": 2})]
    assert verdict(tonight).level == ATTENTION


def test_unchanged_contacts_are_good_news() -> None:
    outcome = outcome_of("vip", accepted=0)
    outcome.streams["vip"].received = outcome.streams["vip"].unchanged = 12_003
    told = verdict(report(outcome))
    assert (told.level, told.title) == (
        GOOD,
        "Done: all contacts are in Omnisend, and none has changed",
    )
    assert told.text == [
        "12,003 records came in. Omnisend has all of them already, just as they are."
    ]
    page = render(report(outcome))
    assert "How fast it went" not in page
    assert "Accepted" not in page


def test_the_picture_has_each_run_on_one_scale() -> None:
    drawn = picture(nights())
    assert drawn is not None
    assert len(drawn.bars) == 30
    assert (drawn.most, drawn.most_rejected) == (924, 46)
    assert drawn.bars[28].arrived == 100
    assert drawn.bars[-1].accepted == drawn.bars[-1].arrived == pytest.approx(97.4, abs=0.1)
    assert drawn.bars[20][1:4] == (0, 0, 0)
    assert drawn.text == "28 of the last 30 runs ended with exit code 0."
    assert "1 Oct, 03:04: 905 received" in drawn.bars[0].text


def test_without_an_earlier_run_there_is_no_picture() -> None:
    assert picture(clean()) is None
    assert "The last" not in render(clean())


def test_runs_of_which_none_sent_anything_make_no_picture() -> None:
    made = report(outcome_of("vip", accepted=0))
    made["history"] = [_night(0, rejections={}, accepted=0, unchanged=0)]
    assert picture(made) is None
