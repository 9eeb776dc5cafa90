"""The page says what the looks at Omnisend's contacts have shown."""

from __future__ import annotations

from typing import Any

import pytest
from support.reports import report

from target_omnisend.delivery.looks import Looks
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.report.verdict import FAILED, verdict


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        (
            {"looked_at": 14, "proven": True},
            "Consent: 14 people looked at before and after, none changed.",
        ),
        (
            {"looked_at": 1, "proven": True, "remembered": True},
            (
                "Consent: 1 person looked at before and after, none changed. An earlier run proved "
                "the same."
            ),
        ),
        (
            {"not_proven": "the API key cannot read contacts"},
            "Consent: not proven, because the API key cannot read contacts.",
        ),
    ],
)
def test_what_is_proven_is_said(looks: dict[str, Any], said: str) -> None:
    assert verdict(report(Outcome(looks=Looks(**looks)))).text[-1] == said


def test_without_a_look_nothing_is_said_of_it() -> None:
    assert [text for text in verdict(report(Outcome())).text if "Consent" in text] == []


def test_an_omnisend_that_did_something_else_is_a_failure() -> None:
    failure = RunFailed(ExitCode.READ_BACK, "Omnisend changed the consent.")
    told = verdict(report(Outcome(failure=failure, looks=Looks(proven=True, wrong=True))))
    assert (told.level, told.title) == (
        *(FAILED, "Omnisend did something else than it was asked for"),
    )
    assert [text for text in told.text if text.startswith("Consent")] == []
