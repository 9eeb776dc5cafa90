"""The SDK's stream maps, as a sink uses them."""

from __future__ import annotations

import threading
import typing as t
from fnmatch import fnmatch

from singer_sdk.mapper import CustomStreamMap

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk import Target
    from singer_sdk.mapper import StreamMap


def one_at_a_time(stream_map: StreamMap) -> Callable[[dict[str, t.Any]], dict[str, t.Any] | None]:
    """The map's `transform`, from now on for one thread at a time.

    An expression finds the record under way in an attribute of its map. While the main thread
    maps, a thread of the delivery may map again what is to be sent again: without the lock one
    person's values, e-mail included, ended up in another's contact.
    """
    if isinstance(stream_map, CustomStreamMap):
        transform, lock = stream_map.transform, threading.Lock()

        def guarded(record: dict[str, t.Any]) -> dict[str, t.Any] | None:
            with lock:
                return transform(record)

        stream_map.transform = guarded  # type: ignore[method-assign]
    return stream_map.transform


def own_maps(target: Target, names: set[str]) -> list[dict[str, t.Any]]:
    """The settings of stream maps that concern a stream.

    A map has the name of the stream that the tap sends or, with `__source__`, the name it makes.
    """
    maps = target.config.get("stream_maps") or {}
    return [
        own
        for pattern, own in maps.items()
        if isinstance(own, dict) and any(fnmatch(name, pattern) for name in names)
    ]


def stream_map_of(target: Target, stream: str | None, alias: str) -> StreamMap:
    """The map that makes the stream `alias` of a tap's stream."""
    maps = target.mapper.stream_maps[stream or alias]
    return next(stream_map for stream_map in maps if stream_map.stream_alias == alias)
