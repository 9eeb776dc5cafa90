"""Reads a contact out of an item of a batch, with every rule Omnisend states for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contact import FIELDS, Channel, with_tags
from .wire import FieldError, day, instant, invalid, texts

if TYPE_CHECKING:
    from collections import Counter

EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f<>(),;:\"\[\]]{1,64}@[^\s@<>(),;:\"\[\]]+\.[^\s@.]{2,}")
E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
PROPERTY_KEY = re.compile(r"[A-Za-z0-9_]{1,128}", re.ASCII)
FORMATS = {
    "gender": lambda text: text in {"m", "f"},
    "birthdate": lambda text: day(text) is not None,
    "countryCode": lambda text: re.fullmatch(r"[A-Z]{2}", text) is not None,
}
STATUSES = frozenset({"subscribed", "nonSubscribed", "unsubscribed"})
CHANNEL_OF: dict[str, Channel] = {"email": "email", "phone": "sms"}
KNOWN = frozenset({*FIELDS, "identifiers", "tags", "customProperties"})
KNOWN_IDENTIFIER = frozenset({"type", "id", "channels", "sendWelcomeMessage"})
KNOWN_CHANNEL = frozenset({"status", "statusChangedAt"})
MAX_EMAIL = 254
MAX_TAGS = 100
MAX_TEXT = 2048


@dataclass(slots=True)
class Identifier:
    """One identifier, with its channel's status; `changed` is None when no date came."""

    type: str
    id: str
    channel: Channel
    status: str
    changed: float | None
    welcome: bool


@dataclass(slots=True)
class ContactBody:
    """What a body asks for; None and absent keys leave what is stored.

    Attributes:
        identifiers: The e-mail first.
        fields: Plain texts by attribute of `Contact`.
        tags: Replace those that are there.
        properties: Custom properties; null and an empty text remove one.
    """

    identifiers: list[Identifier]
    fields: dict[str, str]
    tags: tuple[str, ...] | None
    properties: dict[str, Any]


class Reader:
    """Reads contact bodies; counts the fields it does not know, by dotted path."""

    def __init__(self, ignored: Counter[str]) -> None:
        """Take the counter of ignored fields."""
        self._ignored = ignored
        self._errors: list[FieldError] = []

    def read(self, body: Any) -> ContactBody:
        """One body.

        Raises:
            Problem: With every fault of it (400).
        """
        self._errors = []
        if not isinstance(body, dict):
            raise invalid(FieldError("", "invalid_type", "A contact must be an object"))
        self._ignore(body, KNOWN, "")
        contact = ContactBody(
            self._identifiers(body.get("identifiers")),
            self._fields(body),
            self._tags(body.get("tags")),
            self._properties(body.get("customProperties")),
        )
        if self._errors:
            raise invalid(*self._errors)
        return contact

    def _fault(self, field: str, code: str, message: str) -> None:
        self._errors.append(FieldError(field, code, message))

    def _ignore(self, given: dict[str, Any], known: frozenset[str], path: str) -> None:
        if not known.issuperset(given):
            self._ignored.update(path + name for name in given if name not in known)

    def _identifiers(self, given: Any) -> list[Identifier]:
        if not isinstance(given, list) or not given:
            self._fault("identifiers", "required", "identifiers: field required")
            return []
        read = [self._identifier(one, f"identifiers.{at}.") for at, one in enumerate(given)]
        found = sorted((one for one in read if one is not None), key=lambda one: one.type)
        types = [one.type for one in found]
        if len(set(types)) < len(types):
            self._fault("identifiers", "duplicate", "One email and one phone at most")
        if not self._errors and "email" not in types:
            self._fault("identifiers", "required", "This sandbox knows contacts by e-mail only")
        return found

    def _identifier(self, given: Any, path: str) -> Identifier | None:
        if not isinstance(given, dict) or given.get("type") not in [*CHANNEL_OF]:
            self._fault(f"{path}type", "invalid_value", "type must be email or phone")
            return None
        self._ignore(given, KNOWN_IDENTIFIER, "identifiers.")
        kind, value = given["type"], given.get("id")
        if not isinstance(value, str) or not _well_formed(kind, value):
            self._fault(f"{path}id", "invalid_format", f"Invalid {kind}")
            return None
        welcome = given.get("sendWelcomeMessage", True)
        if not isinstance(welcome, bool):
            self._fault(f"{path}sendWelcomeMessage", "invalid_type", "Must be a boolean")
        channel = CHANNEL_OF[kind]
        block = self._channel(given.get("channels"), kind, channel, path)
        return None if block is None else Identifier(kind, value, channel, *block, welcome)

    def _channel(
        self, given: Any, kind: str, channel: str, path: str
    ) -> tuple[str, float | None] | None:
        block = given.get(channel) if isinstance(given, dict) else None
        if not isinstance(block, dict):
            # Word for word from a live answer of 2026-09 (version 2026-03-15).
            message = f"Provide {channel} channel for {kind} identifier"
            self._fault(f"{path}channels", "required", message)
            return None
        self._ignore(block, KNOWN_CHANNEL, f"identifiers.channels.{channel}.")
        status, changed = block.get("status"), block.get("statusChangedAt")
        if not isinstance(status, str) or status not in STATUSES:
            self._fault(f"{path}channels.{channel}.status", "invalid_value", "Unknown status")
            return None
        moment = instant(changed) if isinstance(changed, str) else None
        if changed is not None and moment is None:
            where = f"{path}channels.{channel}.statusChangedAt"
            self._fault(where, "invalid_format", "Must be an RFC 3339 date-time")
        return status, moment

    def _fields(self, body: dict[str, Any]) -> dict[str, str]:
        fields: dict[str, str] = {}
        for name, attribute in FIELDS.items():
            if name not in body:
                continue
            # null for a standard field is undocumented; the worst it can do is blank it.
            value = "" if body[name] is None else body[name]
            if not isinstance(value, str):
                self._fault(name, "invalid_type", f"{name} must be a string")
            elif value and name in FORMATS and not FORMATS[name](value):
                self._fault(name, "invalid_format", f"Invalid {name}")
            else:
                fields[attribute] = value
        return fields

    def _tags(self, given: Any) -> tuple[str, ...] | None:
        if given is None:
            return None
        if not texts(given, 0, MAX_TAGS):
            self._fault("tags", "invalid_value", f"tags must be at most {MAX_TAGS} texts")
            return None
        return with_tags((), given)

    def _properties(self, given: Any) -> dict[str, Any]:
        if given is None:
            return {}
        if not isinstance(given, dict):
            self._fault("customProperties", "invalid_type", "customProperties must be an object")
            return {}
        for key, value in given.items():
            if not PROPERTY_KEY.fullmatch(key):
                self._fault(f"customProperties.{key}", "invalid_key", "Invalid property name")
            elif not _supported(value):
                self._fault(f"customProperties.{key}", "invalid_value", "Unsupported value")
        return given


def _supported(value: Any) -> bool:
    """Number, boolean, text up to 2,048 characters, list of such texts; null removes."""
    if isinstance(value, list):
        return all(isinstance(text, str) and len(text) <= MAX_TEXT for text in value)
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return not isinstance(value, dict)


def _well_formed(kind: str, value: str) -> bool:
    if kind == "phone":
        return E164.fullmatch(value) is not None
    return len(value) <= MAX_EMAIL and EMAIL.fullmatch(value) is not None
