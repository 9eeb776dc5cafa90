"""Dates as people's systems write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_omnisend.mapping import dates

EAST = timezone(timedelta(hours=3))
HALF_PAST_ONE = datetime(2023, 11, 2, 13, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-02T13:30:05Z",
        "2023-11-02t13:30:05z",
        "2023-11-02 13:30:05 Z",
        "2023-11-02 13:30:05 +0000",
        "2023-11-02 13:30:05.000 +0000",
        "2023-11-02 13:30:05.000000000 Z",
        "2023-11-02 13:30:05.0000000 +00:00",
        "2023-11-02 13:30:05+00",
        "2023-11-02 13:30:05 +00",
        "2023-11-02 08:30:05-05",
        "2023-11-02 08:30:05 -0500",
        "2023-11-02 19:00:05 +0530",
        "2023-11-02 19:00:05+5:30",
        "2023-11-02 13:30:05 UTC",
        "2023-11-02 13:30:05.000000 UTC",
        "2023-11-02 13:30:05 utc",
        "2023-11-02 13:30:05 GMT",
        "2023-11-02 15:30:05 UTC+2",
        "2023-11-02 15:30:05 GMT+0200",
        "2023-11-02 13:30:05 +0000 UTC",
        "2023-11-02T15:30:05+02:00[Europe/Vilnius]",
        "2023-11-02T13:30:05Z[UTC]",
        "2023/11/02 13:30:05 UTC",
        "2023-11-2 1:30:05 PM UTC",
        "20231102T133005Z",
        "  '2023-11-02 13:30:05 Z ",
    ],
)
def test_a_moment_with_a_zone_is_the_same_in_every_form(text: str) -> None:
    assert dates.moment(text) == HALF_PAST_ONE


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2023-11-02", "2023-11-02T00:00:00"),
        ("2023-11-02 9:05", "2023-11-02T09:05:00"),
        ("2023/1/2", "2023-01-02T00:00:00"),
        ("2023.01.02", "2023-01-02T00:00:00"),
        ("20230102", "2023-01-02T00:00:00"),
        ("2023-11-02  13:30:05,25", "2023-11-02T13:30:05.250000"),
        ("2023-11-02 12:00 am", "2023-11-02T00:00:00"),
        ("2023-11-02 12:00 PM", "2023-11-02T12:00:00"),
    ],
)
def test_a_moment_without_a_zone_has_none(text: str, read: str) -> None:
    assert dates.moment(text).isoformat() == read
    assert dates.moment(text).tzinfo is None


def test_a_day_may_have_a_zone() -> None:
    assert dates.moment("2023-11-02+03:00") == datetime(2023, 11, 2, tzinfo=EAST)
    assert dates.moment("2023-11-02Z") == datetime(2023, 11, 2, tzinfo=UTC)


def test_a_date_object_is_itself() -> None:
    assert dates.moment(date(2023, 11, 2)).isoformat() == "2023-11-02T00:00:00"
    assert dates.moment(HALF_PAST_ONE) is HALF_PAST_ONE


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.999+03:00", "2026-01-02T00:04:05Z"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02", "2026-01-02T00:00:00Z"),
        (date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=EAST), "2026-01-02T00:04:05Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_moment_is_in_utc_and_whole_seconds(value: object, moment: str) -> None:
    assert dates.rfc3339(dates.in_utc(dates.moment(value))) == moment


@pytest.mark.parametrize(
    "value", ["", None, "soon", "2026-13-01", 1767323045, True, "0001-01-01T00:00:00+03:00"]
)
def test_what_is_not_a_moment_in_utc_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        dates.in_utc(dates.moment(value))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("02/11/2023", "99/99/9999"),
        ("2 Nov 2023", "9 xxx 9999"),
        ("1698931805", "9999999999"),
        ("1712013040500", "9999999999999"),
        ("45232.5625", "99999.9999"),
        ("2023-11-02x13:30:05", "9999-99-99x99:99:99"),
        ("2023-11-02 13:30:05 EST", "9999-99-99 99:99:99 xxx"),
        ("ü²½\x1b\u202e", "x99??"),
        ("", ""),
        ("soon" * 20, "x" * 40 + "…"),
    ],
)
def test_a_text_in_another_form_says_which_and_nothing_of_what_it_says(
    text: str, form: str
) -> None:
    with pytest.raises(dates.UnknownFormError) as caught:
        dates.moment(text)
    assert caught.value.form == form
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        *("2023-02-30", "2023-13-01 00:00:00 UTC", "2023-11-02 25:00:00 Z"),
        *("2023-11-02 13:30:05 +9900", "2023-11-02 13:30 PM", "2023-11-02 0:30 PM"),
        *(1698931805, 1698931805.5, True, None, ["2023-11-02"]),
    ],
)
def test_what_is_not_a_moment_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        dates.moment(value)


def test_patterns_are_tried_in_their_order_after_iso() -> None:
    formats = ["%d/%m/%Y", "%m/%d/%Y %H:%M %z"]
    assert dates.moment("02/11/2023", formats).isoformat() == "2023-11-02T00:00:00"
    assert dates.moment("11/02/2023 13:30 +0000", formats).month == 11
    assert dates.moment("2023-11-02", ["%Y-%d-%m"]).isoformat() == "2023-11-02T00:00:00"
    with pytest.raises(dates.UnknownFormError):
        dates.moment("31.12.2023", formats)


@given(
    st.datetimes().filter(lambda at: 1 < at.year < 9999),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
    st.sampled_from(["", " "]),
    st.sampled_from(["", ":"]),
)
def test_whatever_the_offset_the_moment_is_the_one_that_was_written(
    at: datetime, minutes: int, before_time: str, before_zone: str, colon: str
) -> None:
    zone = timezone(timedelta(minutes=minutes))
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours:02}{colon}{rest:02}"
    local = at.replace(tzinfo=zone)
    text = f"{at.isoformat(before_time, 'microseconds')}{before_zone}{offset}"
    assert dates.moment(text) == local
    assert dates.in_utc(local).utcoffset() == timedelta(0)


@given(st.text())
@example("1" * 5000)
@example("2023-11-02 " + " " * 5000)
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(dates.moment(text), datetime)
