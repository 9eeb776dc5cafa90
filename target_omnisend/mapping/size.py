"""A contact that is too large for a batch loses its longest values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from target_omnisend.mapping.contact import MAX_BODY_BYTES, LeftOut, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class _Value(NamedTuple):
    holder: dict[str, Any]
    key: str
    column: str
    size: int


def shortened(
    body: dict[str, Any],
    fields: Mapping[str, str],
    properties: Mapping[str, str],
    warnings: list[LeftOut],
) -> bytes:
    """The JSON of a body without as many of its longest values as make it too large.

    Args:
        body: identifiers, fields and ``customProperties``.
        fields: column by Omnisend's name of a field.
        properties: column by name of a custom property; others stay.
        warnings: takes each value that is left out.
    """
    excess = len(encode(body)) - MAX_BODY_BYTES
    values = [*_values(body, fields), *_values(body.get("customProperties", {}), properties)]
    for value in sorted(values, key=lambda value: -value.size):
        if excess <= 0:
            break
        del value.holder[value.key]
        excess -= value.size
        warnings.append(LeftOut("value_too_long", value.column))
    return encode(body)


def _values(holder: dict[str, Any], columns: Mapping[str, str]) -> Iterator[_Value]:
    for key, value in holder.items():
        if column := columns.get(key):
            yield _Value(holder, key, column, len(encode(value)))
