"""A contact as the store keeps it: slots, because there may be a million."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from .wire import stamp

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
    """The serial number in one of our identifiers; None when it is none of ours."""
    if not HEX_ID.fullmatch(identifier) or int(identifier[:8], 16) != prefix:
        return None
    return int(identifier[8:], 16)


@dataclass(slots=True, eq=False)
class Contact:
    """One person.

    Attributes:
        serial: Position in order of creation, from 0; the id is made of it.
        created: Seconds since the epoch; also `updated`, the status dates and
            `visible_from`, before which `/contacts/tags` does not find the contact.
        properties: Custom properties; None while there is none.
    """

    serial: int
    created: float
    updated: float
    visible_from: float
    email: str = ""
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
    consents: tuple[dict[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """The 24-hex identifier."""
        return hex_id(self.serial)

    @property
    def status(self) -> str:
        """Status of the e-mail channel; empty for a contact known by phone only."""
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

    def set_channel(self, channel: Channel, status: str, changed: float) -> bool:
        """Let the newest date win; an older or equal one changes nothing.

        Returns:
            Whether the status was taken.
        """
        if channel == "email":
            if self.email_status and changed <= self.email_changed:
                return False
            self.email_status, self.email_changed = status, changed
        else:
            if self.sms_status and changed <= self.sms_changed:
                return False
            self.sms_status, self.sms_changed = status, changed
        return True

    def as_json(self, segments: list[str]) -> dict[str, Any]:
        """The `ContactResponse`; `segments` are the ids of those it is in."""
        channels = self.channels
        identifiers: list[dict[str, Any]] = []
        for kind, value, channel in (
            ("email", self.email, "email"),
            ("phone", self.phone, "sms"),
        ):
            if value:
                own = {channel: channels[channel]} if channel in channels else {}
                identifiers.append({"type": kind, "id": value, "channels": own})
        return {
            "id": self.id,
            "email": self.email,
            "phone": [self.phone] if self.phone else None,
            "status": self.email_status,
            "statuses": [{"channel": name, **block} for name, block in channels.items()],
            "optIns": [
                {"channel": name, "optInAt": block["statusChangedAt"]}
                for name, block in channels.items()
                if block["status"] == "subscribed"
            ],
            "consents": list(self.consents),
            "identifiers": identifiers,
            "tags": list(self.tags),
            "segments": segments,
            "customProperties": self.properties,
            **{name: getattr(self, attribute) for name, attribute in FIELDS.items()},
            "createdAt": stamp(self.created),
            "updatedAt": stamp(self.updated),
        }
