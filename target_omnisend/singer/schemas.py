"""What a stream's schema says of its columns, and what the SDK has to find in it."""

from __future__ import annotations

import typing as t

from target_omnisend.mapping.properties import Declared

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Schema: t.TypeAlias = dict[str, t.Any]

_UNIONS: t.Final = ("anyOf", "oneOf", "allOf")
_ANY_SCALAR: t.Final = ("boolean", "null", "number", "string")


def make_readable(schema: Schema, keys: Iterable[str], *, flattened: bool) -> None:
    """Change a schema in place, so that the SDK can read it; `flattened` if it flattens too."""
    complete(schema, keys)
    spell_out(schema)
    if flattened:
        make_flattenable(schema)


def complete(schema: Schema, keys: Iterable[str]) -> None:
    """Add, in place, what the SDK needs: `properties`, and the key properties among them.

    A tap of a database without schemas sends `{"type": "object"}`, and leaves columns out.
    """
    properties = schema.setdefault("properties", {})
    if isinstance(properties, dict):
        for key in keys:
            properties.setdefault(key, {})


def spell_out(schema: Schema) -> None:
    """Write out, in place, columns whose schema is `true` or `false`: the SDK reads none such."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return
    for name, column in properties.items():
        if isinstance(column, bool):
            properties[name] = {} if column else {"not": {}}
        elif isinstance(column, dict):
            spell_out(column)


def make_flattenable(schema: Schema) -> None:
    """Give each column, in place, one type: the SDK flattens no union, and loses some of them."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, column in properties.items():
            if isinstance(column, dict):
                properties[name] = _of_one_type(column)


def _of_one_type(column: Schema) -> Schema:
    if "type" in column:
        made = dict(column)
    else:
        parts = [part for part in _parts(column) if _types(part) != {"null"}]
        objects = [part for part in parts if isinstance(part.get("properties"), dict)]
        if objects:
            made = _united(objects)
        elif len(parts) == 1 and _types(parts[0]):
            made = {**parts[0], "type": sorted({*_types(parts[0]), "null"})}
        else:
            return {"type": list(_ANY_SCALAR)}
    make_flattenable(made)
    return made


def _united(objects: list[Schema]) -> Schema:
    properties = {name: column for part in objects for name, column in part["properties"].items()}
    return {"type": ["null", "object"], "properties": properties}


def _parts(column: Schema) -> list[Schema]:
    """The alternatives of a union."""
    return [
        part
        for keyword in _UNIONS
        if isinstance(column.get(keyword), list)
        for part in column[keyword]
        if isinstance(part, dict)
    ]


def _types(column: Schema) -> set[str]:
    named = column.get("type", ())
    return {named} if isinstance(named, str) else {name for name in named if isinstance(name, str)}


def declared(schema: Schema) -> Declared:
    """The types that a schema gives its columns, as far as the mapping asks for them."""
    columns = {
        name: [column, *_parts(column)]
        for name, column in schema["properties"].items()
        if isinstance(column, dict)
    }
    types = {name: kind for name, parts in columns.items() for kind in _kinds(parts)}
    given = [parts for name, parts in columns.items() if not name.lower().startswith("_sdc_")]
    only_text = bool(given) and all(_is_text(parts) for parts in given) and not types
    return Declared(types, only_text)


def _kinds(parts: list[Schema]) -> Iterator[str]:
    types = {kind for part in parts for kind in _types(part)}
    formats = {part.get("format") for part in parts if isinstance(part.get("format"), str)}
    precise = "singer.decimal" in formats or any("multipleOf" in part for part in parts)
    if precise or (types & {"integer", "number"} and "string" not in types):
        yield "number"
    elif formats & {"date", "date-time"}:
        yield "date"


def _is_text(parts: list[Schema]) -> bool:
    types = {kind for part in parts for kind in _types(part)}
    return "string" in types and types <= {"null", "string"}
