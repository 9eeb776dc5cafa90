"""Consent: the words for a channel's status, and the date at which the person decided."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from target_omnisend.mapping import dates
from target_omnisend.mapping.normalize import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SUBSCRIBED: Final = "subscribed"
UNSUBSCRIBED: Final = "unsubscribed"
NON_SUBSCRIBED: Final = "nonSubscribed"

OPTED_OUT: Final = (
    *("unsubscribed", "opted out", "opt out", "cleaned", "suppressed", "spam complaint"),
    *("no", "false", "0"),
)
NEVER_DECIDED: Final = (
    *("nonSubscribed", "not subscribed", "never subscribed", "not specified", "not opted"),
    *("pending", "transactional"),
)
"""Words of Shopify, HubSpot, Mailchimp, Klaviyo and of databases. None of them subscribes a
person: only Omnisend's own word does."""

LEEWAY: Final = timedelta(minutes=5)
"""Two clocks may differ by so much. A date further ahead would make Omnisend ignore each change
until then."""

_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Earlier dates stand for none: zero of some clock, or a birth."""


_NOT_A_DATE: Final = (
    f"The date of the status is a number or is not on the calendar. Write it as {dates.KNOWN}."
)


def _squeezed(word: str) -> str:
    return re.sub(r"[-_\s']", "", word).lower()


_STATUSES: Final[Mapping[str, str]] = MappingProxyType(
    {SUBSCRIBED: SUBSCRIBED}
    | {_squeezed(word): UNSUBSCRIBED for word in OPTED_OUT}
    | {_squeezed(word): NON_SUBSCRIBED for word in NEVER_DECIDED}
)


class UndatedError(ValueError):
    """A status has no date that can be its own; the text says why, without any value."""


def status(value: Any) -> str:
    """Omnisend's word for a channel status, or "" for nothing.

    Raises:
        ValueError: a word that is not known.
    """
    word = "false" if value is False else _squeezed(text(value))
    if word and word not in _STATUSES:
        raise ValueError("not a channel status")
    return _STATUSES.get(word, "")


def given_at(
    value: Any, *, formats: Sequence[str] = (), now: Callable[[], datetime] | None = None
) -> str:
    """The moment at which a status was given, as Omnisend reads it.

    Args:
        value: the record's date of the status.
        formats: patterns of `strptime`, tried after ISO 8601.
        now: gives the present moment; without it no date lies in the future.

    Raises:
        UndatedError: not a date at which a person can have decided.
    """
    written = _written(value, formats)
    at = _in_utc(written)
    if at < _FIRST:
        raise UndatedError(
            "The date of the status lies before 2000. Give the date at which the person decided."
        )
    if now and at > now() + LEEWAY:
        raise UndatedError("The date of the status lies in the future. " + _cure(written))
    return dates.rfc3339(at)


def _written(value: Any, formats: Sequence[str]) -> datetime:
    if value is None or (isinstance(value, str) and not value.strip(" \t\r\n'")):
        raise UndatedError("The status has no date. Give the date at which the person decided.")
    try:
        return dates.moment(value, formats)
    except dates.UnknownFormError as error:
        raise UndatedError(
            f"The date of the status is written as {error.form}. Write it in a known form "
            f"({dates.KNOWN}), or give its pattern in 'date_formats'."
        ) from None
    except ValueError:
        raise UndatedError(_NOT_A_DATE) from None


def _in_utc(written: datetime) -> datetime:
    try:
        return dates.in_utc(written)
    except ValueError:
        raise UndatedError(_NOT_A_DATE) from None


def _cure(written: datetime) -> str:
    if written.tzinfo is None:
        return "It has no time zone, so it counts as UTC. Write its time zone."
    return "Correct it."
