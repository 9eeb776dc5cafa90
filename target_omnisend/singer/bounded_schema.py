"""A validator of a tap's schema whose time and memory are bounded, whatever the tap wrote.

References can double with each level (30 levels are a billion checks a record), refer to
themselves, or lead to another server. Patterns can take exponential time in a backtracking
engine. So references are written out within a budget, and patterns run in a linear engine.
"""

from __future__ import annotations

import logging
import typing as t
from urllib.parse import unquote

import jsonschema_rs

from target_omnisend.events import event

logger = logging.getLogger("target-omnisend")

COLUMN_BUDGET: t.Final = 5_000
"""Parts of one column's schema, references written out. A list of 4,000 values fits."""

SCHEMA_BUDGET: t.Final = 50_000
"""Parts of all columns together; 2,000 columns of the usual size fit several times over."""

_PATTERN_PARTS: t.Final = 500
"""One pattern counts as so many: it can take a megabyte."""

_LINEAR: t.Final = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
_DATA: t.Final = frozenset({"enum", "const", "default", "examples"})
_BY_NAME: t.Final = frozenset({"properties", "patternProperties", "dependencies"})
_SHARED: t.Final = frozenset({"definitions", "$defs"})

_LEFT_OUT: t.Final = object()

_Schema: t.TypeAlias = dict[str, t.Any]


class _Unbounded(Exception):  # noqa: N818 - not an error of the tap's
    """A part is too large, or refers to itself."""


def validator(schema: _Schema) -> jsonschema_rs.Validator:
    """The validator of a stream's schema; values of unbounded columns pass unchecked.

    Raises:
        jsonschema_rs.ValidationError: if it is not a JSON schema.
        ValueError: if a reference leads nowhere.
    """
    bounded = _Bounding(schema).result()
    options: dict[str, t.Any] = {"validate_formats": False, "pattern_options": _LINEAR}
    options["retriever"] = _no_retrieval
    try:
        return jsonschema_rs.Draft7Validator(bounded, **options)
    except jsonschema_rs.ValidationError:
        # Older taps of databases give every decimal column an `exclusiveMaximum: true`.
        return jsonschema_rs.Draft4Validator(bounded, **options)


class _Bounding:
    """Writes references out, and leaves out what exceeds the budget."""

    def __init__(self, schema: _Schema) -> None:
        """Nothing is written out yet."""
        self._schema = schema
        self._left = SCHEMA_BUDGET
        self._end = 0
        self._under_way: list[str] = []
        self._unchecked = 0

    def result(self) -> _Schema:
        """The schema without references and without what is unbounded."""
        made: _Schema = {}
        for name, part in self._schema.items():
            if name == "properties" and isinstance(part, dict):
                columns = {column: self._within_budget(one) for column, one in part.items()}
                made[name] = {
                    column: {} if one is _LEFT_OUT else one for column, one in columns.items()
                }
            elif name not in _SHARED and name != "$ref":
                made[name] = self._within_budget(part, name)
        if self._unchecked:
            logger.info(
                "%d parts of the schema are too large or refer to themselves. The values there "
                "are not checked against it.",
                self._unchecked,
                extra=event("schema_unchecked", parts=self._unchecked),
            )
        return {name: part for name, part in made.items() if part is not _LEFT_OUT}

    def _within_budget(self, part: t.Any, keyword: str | None = None) -> t.Any:
        self._end = max(0, self._left - COLUMN_BUDGET)
        try:
            return self._write_out(part, keyword)
        except _Unbounded:
            self._under_way.clear()
            self._unchecked += 1
            return _LEFT_OUT

    def _write_out(self, part: t.Any, keyword: str | None = None) -> t.Any:
        self._spend(1)
        if keyword in _DATA:
            self._spend(len(part) if isinstance(part, (list, dict)) else 0)
            return part
        if isinstance(part, list):
            return [self._write_out(one) for one in part]
        if not isinstance(part, dict):
            return part
        if keyword not in _BY_NAME and isinstance(reference := part.get("$ref"), str):
            return self._refer(reference, part)
        return {
            name: self._write_out(one, None if keyword in _BY_NAME else name)
            for name, one in part.items()
            if self._keeps(name, one, keyword)
        }

    def _refer(self, reference: str, part: _Schema) -> t.Any:
        """What a reference stands for; one that leads elsewhere stays, and is an error."""
        if reference != "#" and not reference.startswith("#/"):
            return part
        if reference in self._under_way:
            raise _Unbounded
        self._under_way.append(reference)
        made = self._write_out(_find(self._schema, reference))
        self._under_way.pop()
        return made

    def _keeps(self, name: str, value: t.Any, keyword: str | None) -> bool:
        """Whether a part can be judged: a pattern needs the linear engine."""
        if keyword == "patternProperties":
            return self._is_linear(name)
        if keyword in _BY_NAME:
            return True
        return name not in _SHARED and (name != "pattern" or self._is_linear(value))

    def _is_linear(self, pattern: t.Any) -> bool:
        self._spend(_PATTERN_PARTS)
        try:
            jsonschema_rs.Draft7Validator({"pattern": pattern}, pattern_options=_LINEAR)
        except jsonschema_rs.ValidationError:
            return not isinstance(pattern, str)
        return True

    def _spend(self, parts: int) -> None:
        if self._left - parts <= self._end:
            raise _Unbounded
        self._left -= parts


def _find(schema: t.Any, reference: str) -> t.Any:
    """The part that a JSON pointer names."""
    for step in unquote(reference).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            schema = schema[int(name)] if isinstance(schema, list) else schema[name]
        except (KeyError, ValueError, IndexError, TypeError):
            raise ValueError("a reference that leads nowhere") from None
    return schema


def _no_retrieval(uri: str) -> t.NoReturn:
    """Let no schema of a tap's reach for the network or for files."""
    raise ValueError(f"a schema that refers to {uri}")
