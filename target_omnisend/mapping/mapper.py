"""From a record to a contact, by a mapping compiled once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from target_omnisend.mapping import address, consent, normalize
from target_omnisend.mapping.contact import (
    MAX_BODY_BYTES,
    UNDATED,
    Contact,
    Identifier,
    LeftOut,
    Rejection,
    channels,
    encode,
)
from target_omnisend.mapping.fields import (
    PLAIN_FIELDS,
    STEPS,
    Body,
    Record,
    add_address,
    add_birthdate,
    text_or_warning,
)
from target_omnisend.mapping.properties import (
    NOTHING_DECLARED,
    Declared,
    Named,
    adding,
    column_of,
    compile_properties,
)
from target_omnisend.mapping.size import shortened
from target_omnisend.names import did_you_mean

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

Step: TypeAlias = Callable[[Record, Body, list[LeftOut]], None]
"""Adds its fields to the body and its warnings to the list."""

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
_UNENCODABLE: Final = object()


class _Given(NamedTuple):
    """What a record says of consent: for the body, and for comparing."""

    channel: msgspec.Raw
    consent: str = UNDATED


_NOTHING_GIVEN: Final = _Given(channels("email", consent.NON_SUBSCRIBED))


class MemberMapper:
    """Makes contacts of records.

    Attributes:
        columns: setting -> the source column it names, such as ``mapping.city`` -> ``town``.
    """

    def __init__(
        self,
        mapping: Mapping[str, str | Sequence[str]],
        *,
        custom_properties: Mapping[str, Named] = _NOTHING,
        constant_properties: Mapping[str, Any] = _NOTHING,
        default_status: str = "nonSubscribed",
        send_welcome_message: bool = False,
        null_policy: str = "skip",
        date_formats: Sequence[str] = (),
        declared: Declared = NOTHING_DECLARED,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """Compile a mapping.

        Args:
            mapping: contact field -> column; ``address`` may name several.
            custom_properties: Omnisend property -> column, or -> column and type.
            constant_properties: Omnisend property -> its value for every member.
            default_status: e-mail channel status of members without one of their own.
            send_welcome_message: whether Omnisend may send its stock welcome message.
            null_policy: ``skip``, or ``clear`` to remove properties whose column is null.
            date_formats: patterns of dates, tried after ISO 8601.
            declared: what the stream's schema says of its columns.
            now: gives the present moment; a consent dated later is rejected, because it would make
                Omnisend ignore each change until then.

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
        self._default_status = consent.status(default_status) or consent.NON_SUBSCRIBED
        self._dated = bool(self._status) or self._default_status != consent.NON_SUBSCRIBED
        self._given_at = partial(consent.given_at, formats=date_formats, now=now)
        self._welcome = send_welcome_message
        self._formats = tuple(date_formats)
        self._today = now().date() if now else date.max
        self._plain = tuple(
            (key, column)
            for field, key in PLAIN_FIELDS.items()
            if (column := self.columns.get(f"mapping.{field}"))
        )
        properties = compile_properties(custom_properties, declared, self._formats)
        self._properties = {made.name: made.column for made in properties}
        self._steps = [*self._compile(mapping)]
        if properties or constant_properties:
            clear = null_policy == "clear"
            self._steps.append(
                adding(
                    properties,
                    dict(constant_properties),
                    clear=clear,
                    empty_is_null=clear and declared.only_text,
                )
            )

    def map(self, record: Record) -> Contact | Rejection:
        """The contact of a record, or its rejection. Raises nothing, whatever the record."""
        try:
            return self._map(record)
        except UnicodeEncodeError:
            # Lone surrogates are too rare to look for in every text: encoding finds them.
            return self._map(
                {k: v if normalize.is_encodable(v) else _UNENCODABLE for k, v in record.items()}
            )

    def _map(self, record: Record) -> Contact | Rejection:
        email = record.get(self._email)
        if type(email) is not str or not address.is_ordinary_email(email):
            email = self._address(record)
            if isinstance(email, Rejection):
                return email
        warnings: list[LeftOut] = []
        given = self._consent(record, warnings) if self._dated else _NOTHING_GIVEN
        if isinstance(given, Rejection):
            return given
        identifier = Identifier("email", email, given.channel, self._welcome)
        body: Body = {"identifiers": [identifier]}
        get = record.get
        for key, column in self._plain:
            value = get(column)
            if type(value) is str:
                value = value.strip()
            else:
                value = text_or_warning(column, record, warnings)
            if value:
                body[key] = value
        for step in self._steps:
            step(record, body, warnings)
        encoded = encode(body)
        if len(encoded) > MAX_BODY_BYTES:
            encoded = shortened(body, self._fields(), self._properties, warnings)
        return Contact(email, encoded, tuple(warnings), given.consent)

    def _fields(self) -> dict[str, str]:
        """The column, or the first of several, of each field that can be long."""
        named = {**PLAIN_FIELDS, "country": "country"}
        columns = ((key, f"mapping.{field}") for field, key in named.items())
        return {
            key: self.columns.get(setting) or self.columns.get(f"{setting}.0", "")
            for key, setting in columns
        }

    def _compile(self, mapping: Mapping[str, str | Sequence[str]]) -> Iterator[Step]:
        """The steps this mapping needs; a telephone number follows the country it may need."""
        columns = mapping.get("address", "")
        if not isinstance(columns, str):
            yield partial(add_address, tuple(columns))
        born = partial(normalize.birthdate, formats=self._formats, before=self._today)
        steps: dict[str, Callable[..., None]] = {**STEPS, "birthdate": partial(add_birthdate, born)}
        for field, step in steps.items():
            if column := self.columns.get(f"mapping.{field}"):
                yield partial(step, column)

    def _address(self, record: Record) -> str | Rejection:
        value = record.get(self._email)
        if value is None:
            value = ""
        try:
            email = address.email(value) if isinstance(value, str) else None
        except ValueError:
            email = None
        if email is None:
            return Rejection("email_invalid", self._email, "This is not an e-mail address.")
        return email or Rejection("email_missing", self._email, "The record has no e-mail address.")

    def _consent(self, record: Record, warnings: list[LeftOut]) -> _Given | Rejection:
        own = record.get(self._status) if self._status else None
        try:
            status = consent.status(own)
        except ValueError:
            warnings.append(LeftOut("subscription_status_unknown", self._status))
            return _NOTHING_GIVEN  # not the default, which may be a subscription
        status = status or self._default_status
        if status == consent.NON_SUBSCRIBED:
            return _NOTHING_GIVEN
        try:
            at = self._given_at(record.get(self._changed_at) if self._changed_at else None)
        except consent.UndatedError as error:
            return Rejection("consent_date_missing", self._changed_at or None, str(error))
        return _Given(channels("email", status, at), f"{at} {status}")


def missing_columns(mapper: MemberMapper, available: Iterable[str]) -> list[str]:
    """A sentence for each setting that names a column which the stream does not have."""
    names = sorted(available)
    return [
        f"{setting} names the column {column!r}, which the stream does not have"
        f"{(did_you_mean(column, names) or '.')} Correct the mapping, or have the tap send it."
        for setting, column in mapper.columns.items()
        if column not in names
    ]


def _columns(
    mapping: Mapping[str, str | Sequence[str]], custom_properties: Mapping[str, Named]
) -> Iterator[tuple[str, str]]:
    for field, named in mapping.items():
        if isinstance(named, str):
            yield f"mapping.{field}", named
        else:
            yield from ((f"mapping.{field}.{n}", column) for n, column in enumerate(named))
    for name, column in custom_properties.items():
        yield f"custom_properties.{name}", column_of(column)


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
