"""What the messages say about whether the tap came to its end."""

from __future__ import annotations

import json
import typing as t

from target_omnisend.delivery import doubts

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.singer.reader import MessageReader

_MARKERS: t.Final = "progress_markers"


class LastState:
    """The last STATE message of the input, and what it says of the streams before it."""

    def __init__(self) -> None:
        """No state has come yet."""
        self._value: t.Any = None
        self._came = False

    def take(self, value: t.Any) -> None:
        """Take in a STATE message's value."""
        self._value, self._came = value, True

    def why_incomplete(self, reader: MessageReader) -> str:
        """Why the input, which is over, can lack records of its streams; else empty."""
        if reader.is_fed_back:
            return doubts.FED_BACK
        if stream := under_way(self._value):
            return doubts.under_way(stream)
        if self._came and reader.kind in {"RECORD", "BATCH"}:
            return doubts.CUT_OFF
        return ""

    def unfinished(self) -> Iterator[tuple[str, str]]:
        """Each stream that the tap has not finished, and how a mirror says so."""
        for stream in unfinished(self._value):
            yield stream, doubts.under_way(stream)


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
