"""What a record becomes: a contact ready to be sent, or a rejection with its reason."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

MAX_BODY_BYTES: Final = 900_000
"""Omnisend's guide asks for batches of at most 1 MB; one contact must fit into one."""

NEVER_NEWER: Final = "2000-01-01T00:00:00Z"
"""Omnisend keeps the newest status, so one dated before the shop began does not change consent."""

UNDATED: Final = f"{NEVER_NEWER} nonSubscribed"
"""The consent of a record that says nothing of it."""

_ENCODER = msgspec.json.Encoder()


class LeftOut(NamedTuple):
    """A value that was left out of a contact, or altered.

    Attributes:
        code: one of the documented codes, such as ``phone_invalid``.
        column: the source column that holds the value.
    """

    code: str
    column: str


class Contact(msgspec.Struct, frozen=True, gc=False):
    """A member as Omnisend will receive it.

    Attributes:
        email: the normalised address, by which records are combined and answers are matched.
        body: JSON of one item of a contacts batch.
        warnings: each value that was left out or altered.
        consent: date and e-mail status in the body, as text. The greater of two consents counts:
            the newer one and, of one date, the one that restricts more.
    """

    email: str
    body: bytes
    warnings: tuple[LeftOut, ...] = ()
    consent: str = UNDATED


class Rejection(msgspec.Struct, frozen=True):
    """A record that can't be sent.

    Attributes:
        code: one of the documented codes, such as ``email_invalid``.
        field: the source column at fault, if it is one column's fault.
        message: plain English; never holds a value of the record.
    """

    code: str
    field: str | None
    message: str


class Identifier(msgspec.Struct, rename="camel", gc=False):
    """Omnisend's identifier, always with its channel block: without one it answers 400."""

    type: str
    id: str
    channels: msgspec.Raw
    send_welcome_message: bool


def channels(channel: str, status: str, changed_at: str = NEVER_NEWER) -> msgspec.Raw:
    """The channel block of an identifier, encoded once so that it can be copied into many.

    Args:
        channel: ``email`` or ``sms``.
        status: ``subscribed``, ``unsubscribed`` or ``nonSubscribed``.
        changed_at: RFC 3339 in UTC.
    """
    block = {channel: {"status": status, "statusChangedAt": changed_at}}
    return msgspec.Raw(_ENCODER.encode(block))


encode = _ENCODER.encode
"""The JSON of a body; raises UnicodeEncodeError if a text holds a lone surrogate."""
