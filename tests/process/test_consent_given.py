"""Consent on its way through the whole target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import record, schema
from support.rehearsal import Rehearsal

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = schema(consent={}, at={})
MAPPED: dict[str, Any] = {
    "max_rejected_percent": 100,
    "mapping": {
        "email": "email",
        "first_name": "first",
        "subscription_status": "consent",
        "subscription_changed_at": "at",
    },
}


@pytest.fixture
def target(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def test_a_column_of_unknown_words_is_said_in_a_line_of_its_own(target: Rehearsal) -> None:
    words = ["yes", "yes", "yes", "subscribed", "no", None]
    people = [
        record(f"m{n}@example.com", consent=word, at="2024-02-03 04:05:06 UTC")
        for n, word in enumerate(words)
    ]
    ran = target(COLUMNS, *people, **MAPPED)
    assert (ran.code, ran.counts["accepted"]) == (0, 6)
    assert "3 of 5 statuses in the column of 'mapping.subscription_status' are unknown" in ran.log
    assert "are unknown words" not in target(COLUMNS, *people[1:], **MAPPED).log


def test_a_date_that_cannot_be_read_shows_its_form_in_the_rejects_and_nothing_else(
    target: Rehearsal, tmp_path: Path
) -> None:
    ran = target(COLUMNS, record("m@example.com", consent="subscribed", at="31/12/2023"), **MAPPED)
    assert ran.counts["rejected"] == 1
    (file,) = (tmp_path / "rejects").glob("*.jsonl")
    message = json.loads(file.read_bytes().splitlines()[-1])["rejection"]["message"]
    assert "99/99/9999" in message
    assert "2024-05-31 07:08:09.123 +0200" in message
