"""The notice, sent to a real HTTP server."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from support.hook import PATH, SECRET, running_hook
from support.reports import clean, failed, nights, retired, thirty_streams

from target_omnisend.report.notify import notice, post

HOOK = "https://hooks.slack.com/services/x"


def test_it_arrives_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.NOTSET)
    with running_hook() as hook:
        assert post(hook.url, {"text": "Good"}, seconds=5) is None
    assert (hook.got, hook.paths) == ([{"text": "Good"}], [PATH])
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("answers", "tries", "reason"),
    [
        ([500, 200], 2, None),
        ([429, 202], 2, None),
        ([503, 500], 2, "the answer is 500"),
        ([404], 1, "the answer is 404"),
        ([302], 1, "the answer is 302"),
    ],
)
def test_it_is_tried_twice_if_that_can_help(
    answers: list[int], tries: int, reason: str | None
) -> None:
    with running_hook(answers=answers) as hook:
        assert post(hook.url, {"text": "Good"}, seconds=5) == reason
    assert len(hook.got) == tries


@pytest.mark.parametrize("manner", ["silent", "dripping"])
def test_a_server_that_hangs_costs_the_given_time_and_no_more(manner: str) -> None:
    with running_hook(**{manner: True}) as hook:
        began = time.monotonic()
        assert post(hook.url, {"text": "Good"}, seconds=1.0) is not None
        assert time.monotonic() - began < 10  # a slow machine has its time, a hang has not
    assert hook.got


def test_a_server_that_is_not_there_is_named_by_no_word_of_its_address() -> None:
    with running_hook() as hook:
        url = hook.url
    reason = post(url, {"text": "Good"}, seconds=2)
    assert reason == "ConnectionError"


def test_the_text_names_what_store_and_how_it_ended() -> None:
    text = notice(nights(), "909 received; exit code 0.", HOOK)["text"]
    assert text == (
        "Good: export of 'vip' to Omnisend, store 'Rose & Thorn': 909 received; exit code 0."
    )
    assert notice(failed(), "…", HOOK)["text"] == "Failed: export to Omnisend: …"
    assert notice(retired(), "…", HOOK)["text"] == "Good: taking back of 'VIP' in Omnisend: …"
    assert " and 27 more to Omnisend" in notice(thirty_streams(), "…", HOOK)["text"]


def test_a_name_calls_nobody_in_the_channel() -> None:
    report = clean()
    report["streams"]["vip"]["segment"] = "<!channel>"
    assert "<" not in notice(report, "…", HOOK)["text"]


def test_the_numbers_are_those_of_the_report_and_no_setting_is_among_them() -> None:
    made = notice(nights(), "…", HOOK)
    assert made["totals"]["rejected"] == made["rejections"]["email_invalid"] == 9
    assert made["run"]["exit_code"] == 0
    assert not {"settings", "history", "attachments"} & made.keys()


@pytest.mark.parametrize(
    "url",
    [
        "https://prod-1.westeurope.logic.azure.com:443/workflows/x?sig=y",
        "https://a.b.environment.api.powerplatform.com/powerautomate/x?sig=y",
        "https://shop.webhook.office.com/webhookb2/a@b/IncomingWebhook/c",
    ],
)
def test_teams_gets_a_card_with_the_same_text(url: str) -> None:
    made: dict[str, Any] = notice(clean(), "…", url)
    (card,) = made["attachments"]
    assert made["type"] == "message"
    assert card["content"]["body"][0]["text"] == made["text"]
    assert "attachments" not in notice(clean(), "…", url.replace(".com", ".com.example.org"))
