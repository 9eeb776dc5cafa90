"""A contact as Omnisend returns it, compared with the look before and with the item sent.

Pure functions over JSON. `proof` decides what follows from them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

import msgspec

from target_omnisend.api.answers import as_list
from target_omnisend.delivery.trimming import PHONE, SETTINGS
from target_omnisend.mapping.contact import NEVER_NEWER

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_omnisend.delivery.model import Segment

PROPERTY: t.Final = "customProperties."
"""What a custom property's name begins with among the values of a contact."""

SUBSCRIBED: t.Final = "subscribed"

_FIELDS: t.Final = tuple(name for name in SETTINGS if name != PHONE)
_TOGETHER: t.Final = {"country": "countryCode", "countryCode": "country"}
"""A field of which Omnisend derives another one."""
_NOTHING: t.Final[tuple[t.Any, ...]] = (None, "", [], {})

Consent: t.TypeAlias = tuple[str, str]
"""Status of a channel, and its date."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A contact as one look shows it.

    Attributes:
        consents: by channel.
        tags: their names, case folded.
        values: fields and custom properties that are not empty.
    """

    consents: Mapping[str, Consent]
    tags: frozenset[str]
    values: Mapping[str, t.Any]

    @classmethod
    def of(cls, contact: Mapping[str, t.Any]) -> Shown:
        """Read a contact of `GET /contacts`, whose parts can be null or missing."""
        properties = contact.get("customProperties")
        values = {name: contact.get(name) for name in _FIELDS}
        values["phone"] = next(iter(_ids(contact, "phone")), None)
        for name, value in properties.items() if isinstance(properties, dict) else ():
            values[f"{PROPERTY}{name}"] = value
        return cls(
            dict(_consents(contact)),
            frozenset(str(tag).casefold() for tag in as_list(contact.get("tags"))),
            {name: value for name, value in values.items() if value not in _NOTHING},
        )


@dataclass(frozen=True, slots=True)
class Sent:
    """An item as the target sends it.

    Attributes:
        consents: by channel, those that the record itself gave.
        tags: names that the contact gets after the item, case folded.
        values: fields and custom properties, by their names in `Shown.values`.
        membership: names of the values that show the membership.
    """

    consents: Mapping[str, Consent]
    tags: frozenset[str]
    values: Mapping[str, t.Any]
    membership: frozenset[str]

    @classmethod
    def of(cls, item: bytes, segment: Segment, *, leaves: bool) -> Sent:
        """Read an item of a batch."""
        body = msgspec.json.decode(item)
        values = {name: body[name] for name in _FIELDS if name in body}
        if phones := list(_ids(body, "phone")):
            values["phone"] = phones[0]
        for name, value in body.get("customProperties", {}).items():
            values[f"{PROPERTY}{name}"] = value
        own = {name: (s, at) for name, (s, at) in _consents(body) if at != NEVER_NEWER}
        tags = () if leaves else segment.tags
        shows = f"{PROPERTY}{segment.property}"
        return cls(
            own,
            frozenset(tag.casefold() for tag in tags),
            values,
            frozenset({shows} & values.keys()),
        )

    @property
    def named(self) -> set[str]:
        """The values that the item can change."""
        return {*self.values, *(_TOGETHER[name] for name in self.values.keys() & _TOGETHER)}


def changed_consents(before: Shown | None, after: Shown, sent: Sent) -> list[tuple[str, str]]:
    """Status before and after, of each channel whose consent changed without its record's word.

    The status before is empty for a channel that was not there.
    """
    was = before.consents if before else {}
    changed = []
    for channel in {*was, *after.consents} - sent.consents.keys():
        old, new = was.get(channel), after.consents.get(channel, ("", ""))
        # A channel that is new has a status; only `subscribed` is more than the item said.
        if (new != old) if old else (new[0] == SUBSCRIBED):
            changed.append((old[0] if old else "", new[0]))
    return changed


def lost_values(before: Shown | None, after: Shown, sent: Sent) -> set[str]:
    """Names of values that were there, that the item does not name, and that are empty now.

    A value that became another one can be another application's work.
    """
    return set(before.values) - set(after.values) - sent.named if before else set()


def lost_tags(before: Shown | None, after: Shown) -> int:
    """How many tags were there and are not any more."""
    return len(before.tags - after.tags) if before else 0


def shows_membership(after: Shown, sent: Sent) -> bool:
    """Whether the tags, or the property, of the membership have arrived."""
    return sent.tags <= after.tags and not any(_differing(after, sent, sent.membership))


def altered_values(after: Shown, sent: Sent) -> set[str]:
    """Names of values that Omnisend shows otherwise than they were sent, or not at all."""
    return set(_differing(after, sent, sent.values.keys() - sent.membership))


def _differing(after: Shown, sent: Sent, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if not _equal(after.values.get(name), sent.values[name]))


def _equal(shown: t.Any, sent: t.Any) -> bool:
    """Whether two values are the same but for case, blanks and the type of a number."""
    if shown in _NOTHING or sent in _NOTHING:
        return shown in _NOTHING and sent in _NOTHING
    if isinstance(shown, list) and isinstance(sent, list):
        return len(shown) == len(sent) and all(map(_equal, shown, sent))
    if isinstance(shown, str) and isinstance(sent, str):
        # Not as numbers: a postal code without its first 0 is another one.
        return shown.casefold().strip() == sent.casefold().strip()
    if isinstance(shown, bool) or isinstance(sent, bool):
        return str(shown).casefold() == str(sent).casefold()
    try:
        return float(shown) == float(sent)
    except (TypeError, ValueError):
        return bool(shown == sent)


def _identifiers(contact: Mapping[str, t.Any]) -> Iterator[Mapping[str, t.Any]]:
    return (one for one in as_list(contact.get("identifiers")) if isinstance(one, dict))


def _ids(contact: Mapping[str, t.Any], kind: str) -> Iterator[t.Any]:
    return (one.get("id") for one in _identifiers(contact) if one.get("type") == kind)


def _consents(contact: Mapping[str, t.Any]) -> Iterator[tuple[str, Consent]]:
    blocks = [("", one) for one in as_list(contact.get("statuses"))]
    for one in _identifiers(contact):
        channels = one.get("channels")
        blocks += channels.items() if isinstance(channels, dict) else ()
    for name, block in blocks:
        if isinstance(block, dict) and block.get("status"):
            channel = str(name or block.get("channel"))
            yield channel, (str(block["status"]), str(block.get("statusChangedAt")))
