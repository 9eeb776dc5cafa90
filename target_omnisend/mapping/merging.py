"""Two contacts of one person as one: what Omnisend would have, had they been sent in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from target_omnisend.mapping.contact import UNDATED, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_COUNTRY: Final = frozenset({"country", "countryCode"})
"""Two ways to say the same: the later one stands for both."""


def in_turn(older: bytes, newer: bytes) -> bytes:
    """One contact that leaves what both would leave, sent one after the other.

    What the newer one leaves out keeps the older one's value, and custom properties are combined
    by their names. The newest consent counts, by its own date and not by the order.
    """
    if older == newer:
        return newer
    first, then = _decode(older), _decode(newer)
    said = {*then, *(_COUNTRY if _COUNTRY & then.keys() else ())}
    merged = then | _left_out(first, said)
    if "customProperties" in first and "customProperties" in then:
        properties = then["customProperties"]
        merged["customProperties"] = properties | _left_out(first["customProperties"], properties)
    types = {identifier["type"] for identifier in then["identifiers"]}
    merged["identifiers"] += [one for one in first["identifiers"] if one["type"] not in types]
    _give(merged, max(_consent(first), _consent(then)))
    return encode(merged)


def consent_of(item: bytes) -> str:
    """The consent in a contact, see `Contact.consent`."""
    return _consent(_decode(item))


def with_consent(item: bytes, consent: str) -> bytes:
    """The contact with a newer consent in place of its own; as it is if it has none or a newer."""
    contact = _decode(item)
    if _consent(contact) == UNDATED or consent <= _consent(contact):
        return item
    _give(contact, consent)
    return encode(contact)


def _left_out(first: Mapping[str, Any], said: Mapping[str, Any] | set[str]) -> dict[str, Any]:
    return {name: value for name, value in first.items() if name not in said}


def _consent(contact: dict[str, Any]) -> str:
    channel = contact["identifiers"][0]["channels"]["email"]
    return f"{channel['statusChangedAt']} {channel['status']}"


def _give(contact: dict[str, Any], consent: str) -> None:
    at, _, status = consent.partition(" ")
    block = {"status": status, "statusChangedAt": at}
    contact["identifiers"][0]["channels"]["email"] = block
