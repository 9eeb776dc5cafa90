"""The contact fields that are more than plain text: each adds itself to the body, or warns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from target_omnisend.mapping import normalize
from target_omnisend.mapping.contact import Identifier, channels
from target_omnisend.mapping.country import country_code

Record: TypeAlias = Mapping[str, Any]
Body: TypeAlias = dict[str, Any]

_SMS: Final = channels("sms", "nonSubscribed")


def text_or_warning(value: Any, warnings: list[str]) -> str:
    """The value as trimmed text; "" for nothing, and with a warning for what is no text."""
    try:
        return normalize.text(value)
    except ValueError:
        warnings.append("value_unusable")
        return ""


def property_or_warning(value: Any, warnings: list[str]) -> Any:
    """The value as a custom property; None for nothing, and with a warning for what is none."""
    try:
        return normalize.property_value(value)
    except ValueError:
        warnings.append("value_unusable")
        return None


def add_address(columns: tuple[str, ...], record: Record, body: Body, warnings: list[str]) -> None:
    """One address of several columns, those without a value left out."""
    parts = [text_or_warning(record.get(column), warnings) for column in columns]
    if address := ", ".join(filter(None, parts)):
        body["address"] = address


def _add_country(column: str, record: Record, body: Body, warnings: list[str]) -> None:
    name = record.get(column)
    name = name.strip() if type(name) is str else text_or_warning(name, warnings)
    if not name:
        return
    if code := country_code(name):
        body["countryCode"] = code
    else:
        body["country"] = name
        warnings.append("country_unknown")


def _add_phone(column: str, record: Record, body: Body, warnings: list[str]) -> None:
    try:
        number = normalize.phone(record.get(column), body.get("countryCode"))
    except ValueError:
        warnings.append("phone_invalid")
        return
    if number:
        body["identifiers"].append(Identifier("phone", number, _SMS, send_welcome_message=False))


def _add_birthdate(column: str, record: Record, body: Body, warnings: list[str]) -> None:
    try:
        if birthdate := normalize.birthdate(record.get(column)):
            body["birthdate"] = birthdate
    except ValueError:
        warnings.append("birthdate_invalid")


def _add_gender(column: str, record: Record, body: Body, warnings: list[str]) -> None:
    try:
        if gender := normalize.gender(record.get(column)):
            body["gender"] = gender
    except ValueError:
        warnings.append("gender_unknown")


STEPS: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {
        "country": _add_country,
        "phone": _add_phone,
        "birthdate": _add_birthdate,
        "gender": _add_gender,
    }
)
