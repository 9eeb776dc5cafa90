"""Names from elsewhere do not command the terminal, and make no line of the log."""

from __future__ import annotations

import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_omnisend.output.terminal import PrintableRecord, printable


@pytest.mark.parametrize(
    "text", ["", "VIP", "Müller & Söhne", "100\u00a0000 客户", "a\u3000b", "👩"]
)
def test_a_text_that_can_be_shown_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;x\x07", r"\x1b[2J\x1b]0;x\x07"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x7f\x9b31m\x85", r"\x7f\x9b31m\x85"),
        ("\u202emoc\u2066", r"\u202emoc\u2066"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\ud800", r"\ud800"),
        ("\0", r"\x00"),
    ],
)
def test_a_character_that_a_terminal_obeys_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_no_control_is_left_in_any_text(text: str) -> None:
    shown = printable(text)
    assert {unicodedata.category(one)[0] for one in shown} & {"C"} == set()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


def test_a_line_of_the_log_is_one_line_whatever_is_in_it() -> None:
    record = PrintableRecord(
        "target.a\nb", logging.INFO, "x.py", 1, "Stream '%s':\n%d", ("\x1b[1m\nERROR | x", 7), None
    )
    line = logging.Formatter("%(name)s | %(message)s").format(record)
    assert line == r"target.a\nb | Stream '\x1b[1m\nERROR | x':\n7"
