"""A contact that Omnisend rejects for an optional value is sent again without that value."""

from __future__ import annotations

import re
import typing as t

import msgspec

from target_omnisend.mapping.fields import PLAIN_FIELDS

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from target_omnisend.delivery.model import Entry, Segment
    from target_omnisend.delivery.responses import Refusal

MAX_NAMED: t.Final = 3
"""Tries that leave out what Omnisend names; the next one leaves out every optional value."""

EMAIL: t.Final = "email"
PHONE: t.Final = "phone"
PROPERTIES: t.Final = "customProperties"

SETTINGS: t.Final = {
    PHONE: "mapping.phone",
    "birthdate": "mapping.birthdate",
    "gender": "mapping.gender",
    "country": "mapping.country",
    "countryCode": "mapping.country",
    **{name: f"mapping.{field}" for field, name in PLAIN_FIELDS.items()},
}
"""The setting that names the column of each optional field, by Omnisend's name."""

_BY_NAME: t.Final = {name.lower(): name for name in SETTINGS} | {"phones": PHONE, "sms": PHONE}
_ENVELOPE: t.Final = frozenset({"items", "body", "contact", "request"})
_WORDS: t.Final = {
    EMAIL: r"\be-?mail",
    PHONE: r"\bphone|\bsms\b",
    "birthdate": r"\bbirth ?da(te|y)\b|\bdate of birth\b",
    "gender": r"\bgender\b",
    "country": r"\bcountry",
    "countryCode": r"\bcountry",
    "postalCode": r"\bpostal ?code\b|\bzip\b",
}
"""How a sentence names a field, for answers that hold nothing but a sentence."""

Item: t.TypeAlias = dict[str, t.Any]


def trim(entry: Entry, refusal: Refusal, segment: Segment) -> bool:
    """Take the rejected values out of an entry's contact; False if it can have no less."""
    item = msgspec.json.decode(entry.make_item())
    present = optional_fields(item, keep={segment.property or ""})
    named = named_fields(refusal, item)
    if not (present and named) or EMAIL in named:
        return False
    fields = named & present if len(entry.left_out) < MAX_NAMED else present
    fields = fields or present
    entry.left_out = (*entry.left_out, frozenset(fields))
    entry.item, entry.merged = msgspec.json.encode(without(item, fields)), True
    return True


def columns_left_out(entry: Entry) -> set[str]:
    """The columns whose values an entry's contact went out without."""
    columns = entry.origin.columns
    return {column_of(field, columns) for fields in entry.left_out for field in fields}


def named_fields(refusal: Refusal, item: Item) -> set[str]:
    """The fields that a rejection names, by Omnisend's names; the e-mail is one of them."""
    if refusal.fields:
        return {name for path in refusal.fields for name in _field_of(path, item)}
    said = refusal.message.lower()
    return {name for name, words in _WORDS.items() if re.search(words, said)}


def optional_fields(item: Item, *, keep: Collection[str] = ()) -> set[str]:
    """The fields of an item that a contact can be without."""
    fields = {name for name in SETTINGS if name in item}
    fields |= {f"{PROPERTIES}.{name}" for name in item.get(PROPERTIES, ()) if name not in keep}
    if any(one["type"] == PHONE for one in item["identifiers"]):
        fields.add(PHONE)
    return fields


def without(item: Item, fields: Collection[str]) -> Item:
    """The item without these fields."""
    rest = {name: value for name, value in item.items() if name not in fields}
    if PHONE in fields:
        rest["identifiers"] = [one for one in item["identifiers"] if one["type"] != PHONE]
    properties = item.get(PROPERTIES, {})
    kept = {n: value for n, value in properties.items() if f"{PROPERTIES}.{n}" not in fields}
    if properties:
        rest[PROPERTIES] = kept
    if not kept:
        rest.pop(PROPERTIES, None)
    return rest


def column_of(field: str, columns: Mapping[str, str]) -> str:
    """The column that a field's value came from, or else its setting."""
    setting = SETTINGS.get(field) or field.replace(PROPERTIES, "custom_properties")
    return columns.get(setting) or columns.get(f"{setting}.0") or setting


def _field_of(path: str, item: Item) -> Iterator[str]:
    """The field that a path such as `identifiers[1].id` leads to, if it is a known one."""
    parts = re.findall(r"\w+", path)
    while parts and (parts[0].isdigit() or parts[0].lower() in _ENVELOPE):
        parts.pop(0)
    first, *rest = parts or [""]
    if first.lower() == PROPERTIES.lower():
        names = rest[:1] or item.get(PROPERTIES, ())
        yield from (f"{PROPERTIES}.{name}" for name in names)
    elif first.lower() == "identifiers":
        yield from _identifier(rest, item["identifiers"])
    elif first.lower().startswith(EMAIL):
        yield EMAIL
    elif name := _BY_NAME.get(first.lower()):
        yield from {"country", "countryCode"} if name.startswith("country") else {name}


def _identifier(path: list[str], identifiers: list[Item]) -> Iterator[str]:
    if path and path[0].isdigit():
        place = int(path[0])
        yield identifiers[place]["type"] if place < len(identifiers) else EMAIL
    elif path:
        yield PHONE if {PHONE, "sms"}.intersection(map(str.lower, path)) else EMAIL
