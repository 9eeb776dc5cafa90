"""What the messages say about whether the tap came to its end."""

from __future__ import annotations

import json
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_MARKERS: t.Final = "progress_markers"


def under_way(state: t.Any) -> str | None:
    """The stream that a state names as the one under way, as singer-python's taps do."""
    stream = state.get("currently_syncing") if isinstance(state, dict) else None
    if not stream:
        return None
    if isinstance(stream, dict):
        return str(stream.get("table") or stream.get("stream") or "?")
    return stream if isinstance(stream, str) else json.dumps(stream)


def unfinished(state: t.Any) -> Iterator[str]:
    """The streams that a state has markers of progress for, as Meltano's SDK writes them."""
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    for stream, bookmark in bookmarks.items() if isinstance(bookmarks, dict) else ():
        if isinstance(bookmark, dict) and any(_has_markers(one) for one in _parts(bookmark)):
            yield stream


def _parts(bookmark: dict[str, t.Any]) -> list[t.Any]:
    partitions = bookmark.get("partitions")
    return [bookmark, *(partitions if isinstance(partitions, list) else ())]


def _has_markers(part: t.Any) -> bool:
    return isinstance(part, dict) and bool(part.get(_MARKERS))
