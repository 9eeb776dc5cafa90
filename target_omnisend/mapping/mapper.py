"""From a record to a contact, by a mapping compiled once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from target_omnisend.mapping import normalize
from target_omnisend.mapping.contact import (
    MAX_BODY_BYTES,
    Contact,
    Identifier,
    Rejection,
    channels,
    encode,
)
from target_omnisend.mapping.fields import (
    STEPS,
    Body,
    Record,
    add_address,
    property_or_warning,
    text_or_warning,
)
from target_omnisend.names import did_you_mean

if TYPE_CHECKING:
    import msgspec

Step: TypeAlias = Callable[[Record, Body, list[str]], Rejection | None]
"""Adds its fields to the body and its warnings to the list, or refuses the record."""

MAX_TEXT: Final = 2_048  # Omnisend's reference, "Custom properties"
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
FIELDS: Final = (
    "email",
    *PLAIN_FIELDS,
    "country",
    "phone",
    "birthdate",
    "gender",
    "subscription_status",
    "subscription_changed_at",
)

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_ABSENT: Final = object()
_UNENCODABLE: Final = object()
_NON_SUBSCRIBED: Final = channels("email", "nonSubscribed")
_LEEWAY: Final = timedelta(days=1)


class MemberMapper:
    """Makes contacts of records.

    Attributes:
        columns: setting -> the source column it names, such as ``mapping.city`` -> ``town``.
    """

    def __init__(
        self,
        mapping: Mapping[str, str | Sequence[str]],
        *,
        custom_properties: Mapping[str, str] = _NOTHING,
        constant_properties: Mapping[str, Any] = _NOTHING,
        default_status: str = "nonSubscribed",
        send_welcome_message: bool = False,
        null_policy: str = "skip",
        consent_not_after: datetime | None = None,
    ) -> None:
        """Compile a mapping.

        Args:
            mapping: contact field -> column; ``address`` may name several.
            custom_properties: Omnisend property -> column.
            constant_properties: Omnisend property -> its value for every member.
            default_status: e-mail channel status of members without one of their own.
            send_welcome_message: whether Omnisend may send its stock welcome message.
            null_policy: ``skip``, or ``clear`` to remove properties whose column is null.
            consent_not_after: now; a consent dated more than a day later is refused, for it would
                make Omnisend ignore every change until then.

        Raises:
            ValueError: a setting that can't work, in a plain sentence.
        """
        _check(mapping, [*custom_properties, *constant_properties])
        self.columns: Mapping[str, str] = MappingProxyType(
            dict(_columns(mapping, custom_properties))
        )
        self._email = self.columns["mapping.email"]
        self._status = self.columns.get("mapping.subscription_status", "")
        self._changed_at = self.columns.get("mapping.subscription_changed_at", "")
        self._default_status = normalize.subscription_status(default_status) or "nonSubscribed"
        self._dated = bool(self._status) or self._default_status != "nonSubscribed"
        self._not_after = consent_not_after and normalize.moment(consent_not_after) + _LEEWAY
        self._welcome = send_welcome_message
        self._null_policy = null_policy
        self._plain = tuple(
            (key, column)
            for field, key in PLAIN_FIELDS.items()
            if (column := self.columns.get(f"mapping.{field}"))
        )
        self._properties = tuple(custom_properties.items())
        self._constants = dict(constant_properties)
        self._steps = tuple(self._compile(mapping))

    def map(self, record: Record) -> Contact | Rejection:
        """The contact of a record, or why there is none. Raises nothing, whatever the record."""
        try:
            return self._map(record)
        except UnicodeEncodeError:
            # Lone surrogates are too rare to look for in every text: encoding finds them.
            return self._map(
                {k: v if normalize.is_encodable(v) else _UNENCODABLE for k, v in record.items()}
            )

    def _map(self, record: Record) -> Contact | Rejection:
        email = record.get(self._email)
        if type(email) is not str or not normalize.is_ordinary_email(email):
            email = self._address(record)
            if isinstance(email, Rejection):
                return email
        warnings: list[str] = []
        channel = self._consent(record, warnings) if self._dated else _NON_SUBSCRIBED
        if isinstance(channel, Rejection):
            return channel
        body: Body = {"identifiers": [Identifier("email", email, channel, self._welcome)]}
        for key, column in self._plain:
            value = record.get(column)
            value = value.strip() if type(value) is str else text_or_warning(value, warnings)
            if value:
                body[key] = value
        for step in self._steps:
            if refused := step(record, body, warnings):
                return refused
        return _sealed(email, body, warnings)

    def _compile(self, mapping: Mapping[str, str | Sequence[str]]) -> Iterator[Step]:
        """The steps this mapping needs; a telephone number follows the country it may need."""
        address = mapping.get("address", "")
        if not isinstance(address, str):
            yield partial(add_address, tuple(address))
        for field, step in STEPS.items():
            if column := self.columns.get(f"mapping.{field}"):
                yield partial(step, column)
        if self._properties or self._constants:
            yield self._add_properties

    def _address(self, record: Record) -> str | Rejection:
        value = record.get(self._email)
        if value is None:
            value = ""
        try:
            email = normalize.email(value) if isinstance(value, str) else None
        except ValueError:
            email = None
        if email is None:
            return Rejection("email_invalid", self._email, "This is not an e-mail address.")
        return email or Rejection("email_missing", self._email, "The record has no e-mail address.")

    def _consent(self, record: Record, warnings: list[str]) -> msgspec.Raw | Rejection:
        status = self._mapped_status(record, warnings) or self._default_status
        if status == "nonSubscribed":
            return _NON_SUBSCRIBED
        try:
            changed_at = normalize.moment(record[self._changed_at] if self._changed_at else None)
        except (ValueError, KeyError):
            return self._undated("A status needs the record's own date of its last change.")
        if self._not_after and changed_at > self._not_after:
            return self._undated("The status has changed at a date in the future.")
        return channels("email", status, normalize.rfc3339(changed_at))

    def _mapped_status(self, record: Record, warnings: list[str]) -> str:
        if not self._status:
            return ""
        try:
            return normalize.subscription_status(record.get(self._status))
        except ValueError:
            warnings.append("subscription_status_unknown")
            return "nonSubscribed"  # not the default, which may be a subscription

    def _undated(self, message: str) -> Rejection:
        return Rejection("consent_date_missing", self._changed_at or None, message)

    def _add_properties(self, record: Record, body: Body, warnings: list[str]) -> Rejection | None:
        properties: dict[str, Any] = {}
        for name, column in self._properties:
            value = record.get(column, _ABSENT)
            if value is _ABSENT:
                continue
            if value is None:
                if self._null_policy == "clear":
                    properties[name] = None
                continue
            value = property_or_warning(value, warnings)
            if isinstance(value, str) and len(value) > MAX_TEXT:
                return Rejection(
                    "value_too_long", column, f"A property holds at most {MAX_TEXT:,} characters."
                )
            if value is not None:
                properties[name] = value
        properties |= self._constants
        if properties:
            body["customProperties"] = properties
        return None


def missing_columns(mapper: MemberMapper, available: Iterable[str]) -> list[str]:
    """A sentence for each setting that names a column which the stream does not have."""
    names = sorted(available)
    return [
        f"{setting} names the column {column!r}, which the stream does not have"
        + (did_you_mean(column, names) or ".")
        for setting, column in mapper.columns.items()
        if column not in names
    ]


def _columns(
    mapping: Mapping[str, str | Sequence[str]], custom_properties: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for field, named in mapping.items():
        if isinstance(named, str):
            yield f"mapping.{field}", named
        else:
            yield from ((f"mapping.{field}.{n}", column) for n, column in enumerate(named))
    yield from ((f"custom_properties.{name}", column) for name, column in custom_properties.items())


def _check(mapping: Mapping[str, str | Sequence[str]], properties: Iterable[str]) -> None:
    if "email" not in mapping:
        raise ValueError("mapping.email is required: it names the column of the e-mail address.")
    for field, named in mapping.items():
        if field not in FIELDS:
            raise ValueError(f"mapping.{field} is unknown{did_you_mean(field, FIELDS) or '.'}")
        if field != "address" and not isinstance(named, str):
            raise ValueError(f"mapping.{field} must be one column; only address may be several.")
    for number, name in enumerate(properties, 1):
        try:
            normalize.check_property_name(name)
        except ValueError as error:  # not with the name: it can be a key in the wrong place
            raise ValueError(f"custom_properties, name number {number}: {error}") from None


def _sealed(email: str, body: Body, warnings: list[str]) -> Contact | Rejection:
    encoded = encode(body)
    if len(encoded) > MAX_BODY_BYTES:
        return Rejection(
            "value_too_long", None, f"A contact holds at most {MAX_BODY_BYTES:,} bytes."
        )
    return Contact(email, encoded, tuple(warnings))
