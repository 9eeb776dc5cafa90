"""A contact as the store keeps it: slots, because there can be a million."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .wire import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable

ID_PREFIX = 0x6A1D2C3B
HEX_ID = re.compile(r"[0-9a-f]{24}")

Channel = Literal["email", "sms"]

# JSON name -> attribute, of the plain text fields.
FIELDS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "country": "country",
    "countryCode": "country_code",
    "state": "state",
    "city": "city",
    "address": "address",
    "postalCode": "postal_code",
    "birthdate": "birthdate",
    "gender": "gender",
}


def hex_id(serial: int, prefix: int = ID_PREFIX) -> str:
    """A 24-hex identifier with a serial number in it."""
    return f"{prefix:08x}{serial:016x}"


def serial_of(identifier: str, prefix: int = ID_PREFIX) -> int | None:
    """The serial number in one of our identifiers; None when it is not one of ours."""
    if not HEX_ID.fullmatch(identifier) or int(identifier[:8], 16) != prefix:
        return None
    return int(identifier[8:], 16)


def with_tags(held: tuple[str, ...], tags: Iterable[str]) -> tuple[str, ...]:
    """`held` and those of `tags` that are not among them, whatever their case."""
    spelled = {tag.casefold(): tag for tag in held}
    for tag in tags:
        spelled.setdefault(tag.casefold(), tag)
    return tuple(spelled.values())


def without_tags(held: tuple[str, ...], tags: Iterable[str]) -> tuple[str, ...]:
    """`held` but for those of `tags`, whatever their case."""
    gone = {tag.casefold() for tag in tags}
    return tuple(tag for tag in held if tag.casefold() not in gone)


@dataclass(slots=True, eq=False)
class Contact:
    """One person.

    Attributes:
        serial: Position in order of creation, from 0; the id is made of it.
        created: Seconds since the epoch; also `updated`, the status dates and
            `visible_from`, before which `/contacts/tags` does not find the contact.
        tags: As they were sent; Omnisend compares them whatever their case.
        properties: Custom properties; None until the contact gets one.
    """

    serial: int
    email: str
    created: float
    updated: float
    visible_from: float
    phone: str = ""
    email_status: str = ""
    email_changed: float = 0.0
    sms_status: str = ""
    sms_changed: float = 0.0
    first_name: str = ""
    last_name: str = ""
    country: str = ""
    country_code: str = ""
    state: str = ""
    city: str = ""
    address: str = ""
    postal_code: str = ""
    birthdate: str = ""
    gender: str = ""
    tags: tuple[str, ...] = ()
    properties: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        """The 24-hex identifier."""
        return hex_id(self.serial)

    @property
    def status(self) -> str:
        """Status of the e-mail channel."""
        return self.email_status

    @property
    def channels(self) -> dict[str, dict[str, str]]:
        """`{channel: {status, statusChangedAt}}`."""
        held = (
            ("email", self.email_status, self.email_changed),
            ("sms", self.sms_status, self.sms_changed),
        )
        return {
            name: {"status": status, "statusChangedAt": stamp(changed)}
            for name, status, changed in held
            if status
        }

    def status_of(self, channel: Channel) -> tuple[str, float]:
        """Status of a channel, empty before the first, and its date."""
        if channel == "email":
            return self.email_status, self.email_changed
        return self.sms_status, self.sms_changed

    def set_status(self, channel: Channel, status: str, changed: float) -> None:
        """Overwrite the status of a channel and its date."""
        if channel == "email":
            self.email_status, self.email_changed = status, changed
        else:
            self.sms_status, self.sms_changed = status, changed

    def has_tag(self, folded: str) -> bool:
        """Whether one of the tags, case folded, is `folded`."""
        return any(tag.casefold() == folded for tag in self.tags)

    def as_json(self, segments: list[str]) -> dict[str, Any]:
        """The `ContactResponse`; `segments` are the ids of those it is in."""
        channels = self.channels
        known = (("email", self.email, "email"), ("phone", self.phone, "sms"))
        return {
            "id": self.id,
            "email": self.email,
            "phone": [self.phone] if self.phone else None,
            "status": self.email_status,
            "statuses": [{"channel": name, **block} for name, block in channels.items()],
            "identifiers": [
                {
                    "type": kind,
                    "id": value,
                    "channels": {channel: channels[channel]} if channel in channels else {},
                }
                for kind, value, channel in known
                if value
            ],
            "tags": list(self.tags),
            "segments": segments,
            "customProperties": self.properties,
            **{name: getattr(self, attribute) for name, attribute in FIELDS.items()},
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.updated),
        }
