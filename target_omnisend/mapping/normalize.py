"""One small function for each kind of value; each raises ValueError for what it can't use.

The libraries for rare needs are imported where they are used: together they cost a quarter of a
second, which ``--version`` and most runs need not pay.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_omnisend.mapping import dates

if TYPE_CHECKING:
    from collections.abc import Sequence

EARLIEST_BIRTH: Final = date(1900, 1, 1)
MAX_TAG: Final = 128  # Omnisend's PHP SDK
MAX_PROPERTY_NAME: Final = 128  # Omnisend's reference, "Custom properties"
_MAX_DIGITS: Final = 100  # "1E+1000000" is a short Decimal and a long text

_GENDERS: Final = {"m": "m", "male": "m", "f": "f", "female": "f"}
_INT64: Final = range(-(2**63), 2**63)
_COMPACT = msgspec.json.Encoder(decimal_format="number")


def text(value: Any) -> str:
    """The value as trimmed text; null is "".

    Raises:
        ValueError: neither text nor a finite number.
    """
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("neither text nor a number")  # noqa: TRY004  callers ask one question
    return _digits(value)


def _digits(number: float | Decimal) -> str:
    """A number as people write it: 1.0 is "1", 1E+3 is "1000"."""
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number) or abs(Decimal(number).adjusted()) > _MAX_DIGITS:
        raise ValueError("not a number that people write")
    if number == int(number):
        return str(int(number))
    return format(number, "f") if isinstance(number, Decimal) else str(number)


def gender(value: Any) -> str:
    """``m``, ``f``, or "" for nothing. Raises ValueError for anything else."""
    word = text(value).lower()
    if word and word not in _GENDERS:
        raise ValueError("not a gender Omnisend knows")
    return _GENDERS.get(word, "")


def birthdate(value: Any, formats: Sequence[str] = (), before: date = date.max) -> str:
    """``YYYY-MM-DD`` of a date or date-time as it is written, or "" for nothing.

    Args:
        value: a date, or text.
        formats: patterns of `strptime`, tried after ISO 8601.
        before: today.

    Raises:
        ValueError: not a date of the calendar, before 1900, or not before today.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    born = dates.moment(value, formats).date()
    if not EARLIEST_BIRTH <= born < before:
        raise ValueError("not the date of birth of a person who lives")
    return born.isoformat()


def phone(value: Any, region: str | None) -> str:
    """A telephone number in E.164, or "" for nothing.

    Args:
        value: as people write it.
        region: alpha-2 code of the country whose national numbers it may use.

    Raises:
        ValueError: not a number in use, or national with no known country.
    """
    number = text(value)
    if not number:
        return ""
    import phonenumbers  # noqa: PLC0415  see the module's docstring

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a telephone number") from error
    if not phonenumbers.is_valid_number(parsed):
        raise ValueError("not a telephone number in use")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def property_value(value: Any) -> Any:
    """A value that Omnisend's custom properties can hold; None for nothing.

    They know numbers, booleans, text, dates and lists of text (Omnisend's reference, "Custom
    properties"), so that anything deeper becomes compact JSON text.

    Raises:
        ValueError: no JSON value, not a finite number, or an integer of more than 64 bits.
    """
    if isinstance(value, str):
        return value if value.strip() else None
    if value is None or isinstance(value, bool):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return _collection(value)
    raise ValueError("not a JSON value")


def _number(value: float | Decimal) -> int | float:
    if isinstance(value, Decimal):
        value = _plain_number(value)
    if value not in _INT64 if isinstance(value, int) else not math.isfinite(value):
        raise ValueError("not a finite number of 64 bits")
    return value


def _plain_number(value: Decimal) -> int | float:
    integral = value.is_finite() and abs(value.adjusted()) < _MAX_DIGITS and value == int(value)
    return int(value) if integral else float(value)


def _collection(value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Any:
    if not value:
        return None
    if not isinstance(value, dict) and all(isinstance(item, str) for item in value):
        return value
    try:
        return _COMPACT.encode(value).decode()
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError("not a JSON value") from error


def is_encodable(value: Any) -> bool:
    """Whether the value is free of lone surrogates, which no UTF-8 can hold."""
    try:
        _COMPACT.encode(value)
    except UnicodeEncodeError:
        return False
    except (TypeError, ValueError, OverflowError, RecursionError):
        return True  # has other faults, which are reported where the value is used
    return True


def tag(name: str) -> str:
    """An Omnisend tag of this name: letters, digits, spaces and ``_ - : .``, anything else ``_``.

    Raises:
        ValueError: no letter or digit in it, or more than 128 characters.
    """
    name = unicodedata.normalize("NFC", name).strip()
    clean = "".join(c if unicodedata.category(c)[0] in "LMN" or c in " _-:." else "_" for c in name)
    if not any(c.isalnum() for c in clean):
        raise ValueError("a tag needs at least one letter or digit")
    if len(clean) > MAX_TAG:
        raise ValueError(f"a tag may have at most {MAX_TAG} characters")
    return clean


def segment_property(name: str) -> str:
    """``segment_<slug>``, the custom property that marks the members of a segment.

    Raises:
        ValueError: no ASCII letter or digit in the name, or over 128 characters in the result.
    """
    # Lower case comes last: it makes ASCII letters of the Kelvin sign and of Turkish capitals.
    slug = re.sub(r"[^A-Za-z0-9]+", "_", name).lower()
    if not slug.strip("_"):
        raise ValueError("a property's name needs at least one ASCII letter or digit")
    prop = f"segment_{slug}"
    check_property_name(prop)
    return prop


def check_property_name(name: str) -> None:
    """Let only names pass that Omnisend takes: ``^[A-Za-z0-9_]{1,128}$``.

    Raises:
        ValueError: any other name, or the one that Omnisend keeps for itself.
    """
    if not re.fullmatch(r"[A-Za-z0-9_]{1,128}", name):
        raise ValueError(
            f"a custom property's name needs 1 to {MAX_PROPERTY_NAME} characters, each an ASCII "
            "letter, digit or underscore"
        )
    if name == "externalCreated":
        raise ValueError("Omnisend keeps the custom property 'externalCreated' for itself")
