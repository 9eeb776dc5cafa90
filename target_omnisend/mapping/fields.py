"""The contact fields. Those that are more than plain text add themselves to the body, or warn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from target_omnisend.mapping import normalize
from target_omnisend.mapping.contact import Identifier, LeftOut, channels
from target_omnisend.mapping.country import country_code

Record: TypeAlias = Mapping[str, Any]
Body: TypeAlias = dict[str, Any]

PLAIN_FIELDS: Final = MappingProxyType(
    {
        "first_name": "firstName",
        "last_name": "lastName",
        "address": "address",
        "city": "city",
        "state": "state",
        "postal_code": "postalCode",
    }
)
"""Omnisend's name of each field that is plain text."""

_SMS: Final = channels("sms", "nonSubscribed")


def text_or_warning(column: str, record: Record, warnings: list[LeftOut]) -> str:
    """The column's value as trimmed text; "" for nothing, and for any other value a warning."""
    try:
        return normalize.text(record.get(column))
    except ValueError:
        warnings.append(LeftOut("value_unusable", column))
        return ""


def add_address(
    columns: tuple[str, ...], record: Record, body: Body, warnings: list[LeftOut]
) -> None:
    """One address of several columns, those without a value left out."""
    parts = [text_or_warning(column, record, warnings) for column in columns]
    if address := ", ".join(filter(None, parts)):
        body["address"] = address


def _add_country(column: str, record: Record, body: Body, warnings: list[LeftOut]) -> None:
    name = record.get(column)
    name = name.strip() if type(name) is str else text_or_warning(column, record, warnings)
    if not name:
        return
    if code := country_code(name):
        body["countryCode"] = code
    else:
        body["country"] = name
        warnings.append(LeftOut("country_unknown", column))


def _add_phone(column: str, record: Record, body: Body, warnings: list[LeftOut]) -> None:
    try:
        number = normalize.phone(record.get(column), body.get("countryCode"))
    except ValueError:
        warnings.append(LeftOut("phone_invalid", column))
        return
    if number:
        body["identifiers"].append(Identifier("phone", number, _SMS, send_welcome_message=False))


def add_birthdate(
    read: Callable[[Any], str], column: str, record: Record, body: Body, warnings: list[LeftOut]
) -> None:
    """A date of birth as `read` makes it of the column's value."""
    try:
        if birthdate := read(record.get(column)):
            body["birthdate"] = birthdate
    except ValueError:
        warnings.append(LeftOut("birthdate_invalid", column))


def _add_gender(column: str, record: Record, body: Body, warnings: list[LeftOut]) -> None:
    try:
        if gender := normalize.gender(record.get(column)):
            body["gender"] = gender
    except ValueError:
        warnings.append(LeftOut("gender_unknown", column))


STEPS: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {
        "country": _add_country,
        "phone": _add_phone,
        "birthdate": partial(add_birthdate, normalize.birthdate),
        "gender": _add_gender,
    }
)
