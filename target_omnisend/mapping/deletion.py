"""Which records say that their row was deleted."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_MARKER: t.Final = "_sdc_deleted_at"

_EMPTY: t.Final = frozenset(
    {"", "0", "0.0", "f", "false", "n", "no", "nan", "nat", "none", "null", "\\n"}
)
"""Texts that stand for an empty marker, as taps that know only text write it."""

_NO_TIMES: t.Final = ("0000-", "0001-", "1970-01-01T00:00:00", "1970-01-01 00:00:00")
"""How the moments begin that databases and languages write for no moment at all."""


def marker_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that can mark a deletion: `_sdc_deleted_at`, in any case."""
    spelled = [column for column in columns if column.lower() == _MARKER]
    return tuple(dict.fromkeys([_MARKER, _MARKER.upper(), *spelled]))


def is_deletion(marker: t.Any) -> bool:
    """Whether the value of a marker says that the row was deleted."""
    if isinstance(marker, str):
        text = marker.strip()
        return text.lower() not in _EMPTY and not text.startswith(_NO_TIMES)
    return bool(marker) and marker == marker  # noqa: PLR0124 - NaN differs from itself
