"""Cursors: opaque, and bound to the filters they were made under."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import msgspec

from .wire import FieldError, decode, encode, invalid, whole

if TYPE_CHECKING:
    from .wire import Request

PAGING = ("after", "before", "limit")


def limits_of(
    request: Request, *, default: int, most: int
) -> tuple[int, list[Any] | None, list[Any] | None]:
    """`limit`, `after` and `before` of a call.

    Raises:
        Refused: A cursor that is broken, or made under other filters (400).
    """
    query = request.query
    limit = whole(query, "limit", default, 1, most)
    if "after" in query and "before" in query:
        raise invalid(FieldError("before", "conflict", "after or before, not both"))
    after = _read(request, "after") if "after" in query else None
    before = _read(request, "before") if "before" in query else None
    return limit, after, before


def paging(request: Request, limit: int, keys: list[list[Any]], more: bool) -> dict[str, Any]:  # noqa: FBT001
    """The `paging` member; `keys` are the sort keys of what the page shows."""
    backwards = "before" in request.query
    # Walking backwards there is always the page one came from.
    after = _made(request, keys[-1]) if keys and (more or backwards) else None
    before = _made(request, keys[0]) if keys and (more if backwards else _on(request)) else None
    has_more = after is not None
    return {"limit": limit, "hasMore": has_more, "cursors": {"after": after, "before": before}}


def _on(request: Request) -> bool:
    return "after" in request.query


def _filters(request: Request) -> list[list[str]]:
    return sorted([name, value] for name, value in request.query.items() if name not in PAGING)


def _made(request: Request, key: list[Any]) -> str:
    return base64.urlsafe_b64encode(encode([_filters(request), key])).decode()


def _read(request: Request, name: str) -> list[Any]:
    try:
        filters, key = decode(base64.urlsafe_b64decode(request.query[name]))
    except (binascii.Error, msgspec.DecodeError, ValueError, TypeError):
        raise invalid(FieldError(name, "invalid_cursor", f"Unknown cursor {name}")) from None
    if filters != _filters(request) or not isinstance(key, list):
        raise invalid(FieldError(name, "filters_changed", "Filters changed while paging"))
    return key
