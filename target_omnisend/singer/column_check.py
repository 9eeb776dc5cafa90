"""Whether a record's mapped columns fit the schema of its stream; no other column is looked at."""

from __future__ import annotations

import typing as t
from contextlib import suppress

import jsonschema_rs
from singer_sdk.exceptions import InvalidJSONSchema

from target_omnisend.singer.bounded_schema import validator

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SHARED: tuple[str, ...] = ("$schema", "$id", "id", "definitions", "$defs")
"""Parts of a schema that its columns can refer to."""

_UNJUDGED: t.Final = frozenset({"type", "format", "title", "description", "default", "multipleOf"})
"""Keywords by which no value of the type is judged."""

_UNIONS: t.Final = ("anyOf", "oneOf", "allOf")
_PROBLEMS: t.Final = (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError)


class ColumnCheck:
    """The schema of a stream, as far as it concerns the columns that are mapped."""

    def __init__(
        self, schema: dict[str, t.Any], columns: Collection[str], types: Mapping[str, str]
    ) -> None:
        """Compile what the schema says of these columns.

        Args:
            schema: the stream's.
            columns: those that are mapped.
            types: of the columns that the schema declares to be numbers or dates.

        Raises:
            InvalidJSONSchema: when it is not a JSON schema.
        """
        self._columns = frozenset(columns)
        self._types = types
        self._rules = {name: schema["properties"].get(name, {}) for name in self._columns}
        self._schema = _compile(schema, self._columns)

    def fits(self, record: dict[str, t.Any]) -> bool:
        """Whether the record fits as a whole, so that `unfit` has nothing to find."""
        try:
            return self._schema.is_valid(record)
        except (ValueError, OverflowError):  # half a surrogate pair: for the mapping to judge
            return True

    def fits_all(self, kinds: Mapping[str, str]) -> bool:
        """Whether every record fits whose columns have these types, by JSON Schema's names.

        A null in a column always fits, because it has nothing to lose.
        """
        return all(_is_met(self._rules[name], kinds[name]) for name in self._columns & kinds.keys())

    def unfit(self, record: dict[str, t.Any]) -> dict[str, str]:
        """The rule that is broken, by mapped column whose value does not fit."""
        broken: dict[str, str] = {}
        with suppress(ValueError, OverflowError):  # a value that can be judged but not described
            for error in self._schema.iter_errors(record):
                column = error.instance_path[0] if error.instance_path else None
                if column in self._columns and self._counts(column, record[column]):
                    broken.setdefault(column, ".".join(str(part) for part in error.schema_path))
        return broken

    def _counts(self, column: str, value: t.Any) -> bool:
        """Whether a value that does not fit is one to leave out.

        A null has nothing to lose; a text in a column of numbers the mapping can read.
        """
        return value is not None and not (
            isinstance(value, str) and self._types.get(column) == "number"
        )


def _is_met(rule: t.Any, kind: str) -> bool:
    """Whether a column's rule is about its type alone, and allows this one."""
    if not isinstance(rule, dict) or not _UNJUDGED.issuperset(rule):
        return False
    types = rule.get("type", kind)
    allowed = {types} if isinstance(types, str) else types
    return kind in allowed or (kind == "integer" and "number" in allowed)


def _compile(schema: dict[str, t.Any], columns: frozenset[str]) -> jsonschema_rs.Validator:
    shared = {name: schema[name] for name in _SHARED if name in schema}
    every = {name: _without_precision(column) for name, column in schema["properties"].items()}
    mapped = {name: column for name, column in every.items() if name in columns}
    for properties in (mapped, every):  # a mapped column can refer to one that is not
        with suppress(*_PROBLEMS):
            return validator({**shared, "properties": properties})
    raise InvalidJSONSchema("holds a schema that is not a JSON schema")


def _without_precision(column: t.Any) -> t.Any:
    """Less `multipleOf`, by which taps declare digits: 0.1 + 0.2 is not a multiple of 0.1."""
    if not isinstance(column, dict):
        return column
    return {
        name: [_without_precision(part) for part in value]
        if name in _UNIONS and isinstance(value, list)
        else value
        for name, value in column.items()
        if name != "multipleOf"
    }
