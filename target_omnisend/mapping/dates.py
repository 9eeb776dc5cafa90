"""Dates as warehouses, databases and spreadsheets write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

KNOWN: Final = (
    "2024-05-31, 2024-05-31T07:08:09Z, 2024-05-31 07:08:09.123 +0200 and 2024-05-31 07:08:09 UTC"
)
"""Examples of the forms that are read without a pattern."""

_LONGEST_FORM: Final = 40
_WRITTEN: Final = re.compile(
    r"(?P<date>[0-9]{4}(?P<between>[-/.])[0-9]{1,2}(?P=between)[0-9]{1,2})"
    r"(?:(?:T|\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?(?:\s?(?P<half>[AP]M))?)?"
    r"(?:\s*(?:Z|(?:UTC|GMT)?(?P<offset>[+-][0-9]{1,2}(?::?[0-9]{2})?)(?:\s?UTC|\s?GMT)?|UTC|GMT)"
    r"(?P<zone>(?:\[[A-Z0-9/_+-]+\])?))?",
    re.ASCII | re.IGNORECASE,
)


class UnknownFormError(ValueError):
    """A text that no form of a date fits.

    Attributes:
        form: how it is written, with 9 for each digit and x for each letter.
    """

    def __init__(self, text: str) -> None:
        """Keep the form of the text, and nothing else of it."""
        self.form = _masked(text)
        super().__init__("not written as a date")


def moment(value: Any, formats: Sequence[str] = ()) -> datetime:
    """The date and time of a value; it has a zone only if one is written.

    A day without a time is its midnight. Day and month are never guessed: the year comes first,
    or a pattern says what comes first.

    Args:
        value: a date, or a text.
        formats: patterns of `strptime`, tried after the forms of ISO 8601.

    Raises:
        UnknownFormError: a text in no known form.
        ValueError: not a text, or not a moment of the calendar.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if not isinstance(value, str):
        raise ValueError("neither a date nor text")  # noqa: TRY004  callers ask one question
    text = value.strip().lstrip("'")  # spreadsheets mark text so
    if _is_plainly_iso(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # it may be of another form
    if written := _WRITTEN.fullmatch(text):
        return _read(written)
    return _by_pattern(text, formats)


def in_utc(at: datetime) -> datetime:
    """A moment in UTC and whole seconds; without a zone it is UTC already.

    Raises:
        ValueError: beyond the calendar's years once in UTC.
    """
    try:
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error
    return at.replace(microsecond=0)


def rfc3339(at: datetime) -> str:
    """A moment in UTC as Omnisend reads it; always four digits of year, unlike strftime."""
    return at.replace(tzinfo=None).isoformat() + "Z"


def _is_plainly_iso(text: str) -> bool:
    """Whether the text looks like ISO 8601; Python takes any character before the time."""
    if text[4:5] == "-":
        return text[10:11] in {"", "T", " "}
    return text[:8].isdecimal() and text[8:9] in {"", "T"}


def _read(written: re.Match[str]) -> datetime:
    year, month, day = (int(part) for part in re.split("[-/.]", written["date"]))
    micro = (written["fraction"] or "").ljust(6, "0")[:6]
    return datetime(
        year,
        month,
        day,
        _hour(int(written["hour"] or 0), written["half"]),
        int(written["minute"] or 0),
        int(written["second"] or 0),
        int(micro),
        _zone(written),
    )


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("not an hour of half a day")
    return hour % 12 + 12 * (half.upper() == "PM")


def _zone(written: re.Match[str]) -> timezone | None:
    if written["zone"] is None:
        return None
    if written["offset"] is None:
        return UTC
    sign, digits = written["offset"][0], written["offset"][1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)


def _by_pattern(text: str, formats: Sequence[str]) -> datetime:
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007  - the text has no zone
        except ValueError:
            continue
    raise UnknownFormError(text)


def _masked(text: str) -> str:
    masked = "".join(map(_mask, text[:_LONGEST_FORM]))
    return masked + "…" * (len(text) > _LONGEST_FORM)


def _mask(character: str) -> str:
    if character.isnumeric():
        return "9"
    if character.isalpha():
        return "x"
    return character if character.isascii() and character.isprintable() else "?"
