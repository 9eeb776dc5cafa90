"""Pages by cursor: opaque, and bound to the filters they were made under."""

from __future__ import annotations

import base64
import binascii
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from .wire import FieldError, decode, encode, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .wire import Request

PAGING = ("after", "limit")


class Numbered(Protocol):
    """Has its place in order of creation."""

    serial: int


One = TypeVar("One", bound=Numbered)


def page_of(
    request: Request,
    held: Sequence[One],
    keep: Callable[[One], bool] | None = None,
    *,
    default: int,
    most: int,
) -> tuple[list[One], dict[str, Any]]:
    """A page of `held`, newest first, and its `paging` member.

    Args:
        request: Its query names `limit` and `after`.
        held: All in order of creation, from serial 0.
        keep: The filter.
        default: The limit unless the query has it.
        most: The largest limit.

    Raises:
        Problem: A limit out of range, a cursor that is broken or of other filters (400).
    """
    limit = request.whole("limit", default, 1, most)
    start = _read(request) if "after" in request.query else len(held)
    older = map(held.__getitem__, range(min(start, len(held)) - 1, -1, -1))
    found = list(islice(filter(keep, older), limit + 1))
    shown, more = found[:limit], len(found) > limit
    after = encode([_filters(request), shown[-1].serial]) if more else None
    cursor = None if after is None else base64.urlsafe_b64encode(after).decode()
    cursors = {"after": cursor, "before": None}
    return shown, {"limit": limit, "hasMore": more, "cursors": cursors}


def _filters(request: Request) -> list[list[str]]:
    return sorted([name, value] for name, value in request.query.items() if name not in PAGING)


def _read(request: Request) -> int:
    try:
        filters, serial = decode(base64.urlsafe_b64decode(request.query["after"]))
    except (binascii.Error, msgspec.DecodeError, ValueError, TypeError):
        raise invalid(FieldError("after", "invalid_cursor", "Unknown cursor")) from None
    if filters != _filters(request) or not isinstance(serial, int):
        raise invalid(FieldError("after", "filters_changed", "Filters changed while paging"))
    return serial
