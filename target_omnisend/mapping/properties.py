"""Custom properties: which column each comes from, and what type its values have.

Omnisend compares values of one type only, and taps of files know only text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from target_omnisend.mapping import dates, normalize
from target_omnisend.mapping.contact import LeftOut

if TYPE_CHECKING:
    from datetime import datetime

    from target_omnisend.mapping.fields import Body, Record

Named: TypeAlias = str | Mapping[str, str | None]
"""How the settings name a property's column: by itself, or with a type."""

TYPES: Final = ("text", "number", "boolean", "date", "list")
MAX_TEXT: Final = 2_048  # Omnisend's reference, "Custom properties"

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|[+-]?\.[0-9]+")
_BOOLEANS: Final = MappingProxyType(
    dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True)
    | dict.fromkeys(("false", "f", "no", "n", "off", "0"), False)
)
_MEANS_NOTHING: Final = frozenset({1, 9999})
"""Years in which programs put a date that they do not have; 0 is not in the calendar."""

_NO_DATE: Final = re.compile(r"\s*(?:0000|0001|9999)-")
_ABSENT: Final = object()


class Property(NamedTuple):
    """A custom property of the mapping.

    Attributes:
        name: its name in Omnisend.
        column: the column it comes from.
        convert: makes the value that is sent, or None for nothing; ValueError for any other.
        code: the warning for a value that `convert` cannot use.
    """

    name: str
    column: str
    convert: Callable[[Any], Any]
    code: str


class Declared(NamedTuple):
    """What a stream's schema says of its columns.

    Attributes:
        types: ``number`` or ``date`` by column, for columns whose values can be text all the same.
        only_text: whether the tap knows no other type, so that an empty text is its null.
    """

    types: Mapping[str, str] = MappingProxyType({})
    only_text: bool = False


NOTHING_DECLARED: Final = Declared()


def column_of(named: Named) -> str:
    """The column that a property comes from."""
    return named if isinstance(named, str) else named["column"] or ""


def compile_properties(
    custom_properties: Mapping[str, Named], declared: Declared, date_formats: Sequence[str]
) -> tuple[Property, ...]:
    """The properties that a setting names; its own types go before what the schema says."""
    converters: dict[str | None, Callable[[Any], Any]] = {
        "text": as_text,
        "number": as_number,
        "boolean": as_boolean,
        "date": partial(as_date, formats=date_formats),
        "list": as_list,
    }
    by_schema = {"number": as_number, "date": as_written_date}
    made = []
    for name, named in custom_properties.items():
        column = column_of(named)
        convert = None if isinstance(named, str) else converters.get(named.get("type"))
        convert = convert or by_schema.get(declared.types.get(column, ""))
        code = "value_mistyped" if convert else "value_unusable"
        made.append(Property(name, column, convert or normalize.property_value, code))
    return tuple(made)


def is_nothing(value: Any) -> bool:
    """Whether the value is null or blank."""
    return value is None or (isinstance(value, str) and not value.strip())


def as_text(value: Any) -> Any:
    """Text, or None; a number as people write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return normalize.text(value)
    made = normalize.property_value(value)
    return ", ".join(made) if isinstance(made, list) else made


def as_number(value: Any) -> int | float | None:
    """A number, or text that holds nothing but one, with a point as its decimal mark."""
    if type(value) is float and isfinite(value):
        return value
    if is_nothing(value):
        return None
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004  callers ask one question
    if isinstance(value, str):
        value = _parsed(value.strip().lstrip("'"))  # spreadsheets mark text so
    made = normalize.property_value(value)
    if not isinstance(made, int | float):
        raise ValueError("not a number")  # noqa: TRY004  as above
    return made


def _parsed(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def as_boolean(value: Any) -> bool | None:
    """A truth value, as a word, or as 1 and 0."""
    if is_nothing(value):
        return None
    if isinstance(value, bool):
        return value
    word = normalize.text(value).lower()
    if word not in _BOOLEANS:
        raise ValueError("not a truth value")
    return _BOOLEANS[word]


def as_date(value: Any, formats: Sequence[str] = ()) -> str | None:
    """A date, or a moment in UTC if a time is written."""
    if is_nothing(value):
        return None
    at = dates.moment(value, formats)
    if at.year in _MEANS_NOTHING:
        raise ValueError("a date that stands for none")
    return at.date().isoformat() if _is_midnight(at) else dates.rfc3339(dates.in_utc(at))


def _is_midnight(at: datetime) -> bool:
    return at.tzinfo is None and not (at.hour or at.minute or at.second or at.microsecond)


def as_written_date(value: Any) -> Any:
    """A value of a column that its schema calls a date, less dates that stand for none."""
    if isinstance(value, str) and _NO_DATE.match(value):
        raise ValueError("a date that stands for none")
    return normalize.property_value(value)


def as_list(value: Any) -> list[str] | None:
    """A list of texts; of one text its parts between commas."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        value = [value]
    texts = [as_text(item) for item in value]
    return [text.strip() for text in texts if text] or None


def adding(
    properties: Sequence[Property],
    constants: Mapping[str, Any],
    *,
    clear: bool,
    empty_is_null: bool,
) -> Callable[[Record, Body, list[LeftOut]], None]:
    """A step that adds custom properties, and constants over them, to a body."""

    def add(record: Record, body: Body, warnings: list[LeftOut]) -> None:
        made: dict[str, Any] = {}
        for name, column, convert, code in properties:
            value = record.get(column, _ABSENT)
            if value is None or (empty_is_null and is_nothing(value)):
                if clear:
                    made[name] = None
                continue
            if value is _ABSENT:
                continue
            try:
                value = convert(value)
            except (ValueError, OverflowError):
                warnings.append(LeftOut(code, column))
                continue
            if type(value) is str and len(value) > MAX_TEXT:
                warnings.append(LeftOut("value_too_long", column))
            elif value is not None:
                made[name] = value
        made |= constants
        if made:
            body["customProperties"] = made

    return add
