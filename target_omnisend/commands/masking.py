"""A contact without its personal data."""

from __future__ import annotations

import typing as t

import msgspec

from target_omnisend.mapping.contact import NEVER_NEWER

_OMNISENDS_OWN: t.Final = frozenset({"type", "status"})
"""Keys of a contact whose texts are Omnisend's own words and not personal data."""


def masked(item: bytes) -> str:
    """A contact's JSON that shows its shape and no personal data."""
    return msgspec.json.encode(_masked(msgspec.json.decode(item))).decode()


def _masked(value: t.Any, key: str = "") -> t.Any:
    match value:
        case dict():
            own = key == "customProperties"  # they may have any name
            return {name: _masked(one, "" if own else name) for name, one in value.items()}
        case list():
            return [_masked(one) for one in value]
        case bool() | None:
            return value
        case str():
            if key in _OMNISENDS_OWN or value == NEVER_NEWER:
                return value
            return "".join(one if one in " .,@+-:" else "x" for one in value)
        case _:
            return 0
