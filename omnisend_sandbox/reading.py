"""Reads the body of a contact, with every rule Omnisend states for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contact import FIELDS, Channel
from .wire import FieldError, day, instant, invalid

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
KNOWN = frozenset({*FIELDS, "identifiers", "tags", "customProperties", "createdAt"})
KNOWN_IDENTIFIER = frozenset({"type", "id", "channels", "consent", "sendWelcomeMessage", "source"})
KNOWN_CHANNELS = frozenset({"email", "sms"})
KNOWN_CHANNEL = frozenset({"status", "statusChangedAt"})
KNOWN_CONSENT = frozenset({"source", "createdAt", "ip", "userAgent"})
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
    consent: dict[str, Any] | None


@dataclass(slots=True)
class ContactBody:
    """What a body asks for; None and absent keys leave what is stored."""

    identifiers: list[Identifier]
    fields: dict[str, str]
    tags: tuple[str, ...] | None
    properties: dict[str, Any]


class Reader:
    """Reads contact bodies; counts the fields nobody reads, by dotted path."""

    def __init__(self, ignored: Counter[str]) -> None:
        """Take the counter of ignored fields."""
        self._ignored = ignored
        self._errors: list[FieldError] = []

    def read(self, body: Any, *, identified: bool = True) -> ContactBody:
        """One body; `identified` demands at least one identifier.

        Raises:
            Refused: With every fault found (400).
        """
        self._errors = []
        if not isinstance(body, dict):
            raise invalid(FieldError("", "invalid_type", "A contact must be an object"))
        self._ignore(body, KNOWN, "")
        contact = ContactBody(
            self._identifiers(body.get("identifiers"), identified=identified),
            self._fields(body),
            self._tags(body["tags"]) if body.get("tags") is not None else None,
            self._properties(body.get("customProperties")),
        )
        if body.get("createdAt"):
            self._moment(body["createdAt"], "createdAt")
            contact.properties["externalCreated"] = body["createdAt"]
        if self._errors:
            raise invalid(*self._errors)
        return contact

    def _fault(self, field: str, code: str, message: str) -> None:
        self._errors.append(FieldError(field, code, message))

    def _ignore(self, given: dict[str, Any], known: frozenset[str], path: str) -> None:
        if not known.issuperset(given):
            self._ignored.update(path + name for name in given if name not in known)

    def _moment(self, value: Any, field: str) -> float | None:
        if value is None:
            return None
        moment = instant(value) if isinstance(value, str) else None
        if moment is None:
            self._fault(field, "invalid_format", f"{field} must be an RFC 3339 date-time")
        return moment

    def _identifiers(self, given: Any, *, identified: bool) -> list[Identifier]:
        if given is None and not identified:
            return []
        if not isinstance(given, list) or not given:
            self._fault("identifiers", "required", "identifiers: field required")
            return []
        read = [self._identifier(one, f"identifiers.{at}.") for at, one in enumerate(given)]
        found = [one for one in read if one is not None]
        if len({one.type for one in found}) < len(found):
            self._fault("identifiers", "duplicate", "One email and one phone at most")
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
        channel = CHANNEL_OF[kind]
        block = self._channel(given.get("channels"), kind, channel, path)
        welcome = given.get("sendWelcomeMessage", True)
        if not isinstance(welcome, bool):
            self._fault(f"{path}sendWelcomeMessage", "invalid_type", "Must be a boolean")
        if block is None:
            return None
        consent = self._consent(given.get("consent"), path)
        return Identifier(kind, value, channel, *block, welcome, consent)

    def _channel(
        self, given: Any, kind: str, channel: str, path: str
    ) -> tuple[str, float | None] | None:
        block = given.get(channel) if isinstance(given, dict) else None
        if not isinstance(block, dict):
            # Word for word from a live answer of 2026-09 (version 2026-03-15).
            message = f"Provide {channel} channel for {kind} identifier"
            self._fault(f"{path}channels", "required", message)
            return None
        self._ignore(given, KNOWN_CHANNELS, "identifiers.channels.")
        self._ignore(block, KNOWN_CHANNEL, f"identifiers.channels.{channel}.")
        status = block.get("status")
        if not isinstance(status, str) or status not in STATUSES:
            self._fault(f"{path}channels.{channel}.status", "invalid_value", "Unknown status")
            return None
        where = f"{path}channels.{channel}.statusChangedAt"
        return status, self._moment(block.get("statusChangedAt"), where)

    def _consent(self, given: Any, path: str) -> dict[str, Any] | None:
        if given is None:
            return None
        if not isinstance(given, dict):
            self._fault(f"{path}consent", "invalid_type", "consent must be an object")
            return None
        self._ignore(given, KNOWN_CONSENT, "identifiers.consent.")
        self._moment(given.get("createdAt"), f"{path}consent.createdAt")
        return given

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

    def _tags(self, given: Any) -> tuple[str, ...]:
        if (
            not isinstance(given, list)
            or len(given) > MAX_TAGS
            or not all(isinstance(tag, str) and tag for tag in given)
        ):
            self._fault("tags", "invalid_value", f"tags must be at most {MAX_TAGS} texts")
            return ()
        return tuple(dict.fromkeys(given))

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
        return dict(given)


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
