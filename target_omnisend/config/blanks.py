"""Blank values: at any depth they mean "not set"."""

from __future__ import annotations

import os
import typing as t

from singer_sdk.configuration._dict_config import parse_environment_config

if t.TYPE_CHECKING:
    from collections.abc import Mapping

OF_STREAM_MAPS: t.Final = frozenset({"stream_maps", "stream_map_config", "faker_config"})
"""Settings in which the SDK gives null a meaning: a stream map removes a column by it."""


def without_blanks(config: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The settings that have a value, and of these the parts that have one."""
    kept = {
        name: value if name in OF_STREAM_MAPS and isinstance(value, dict) else _filled(value)
        for name, value in config.items()
        if name != "streams"
    }
    if isinstance(streams := config.get("streams"), dict):
        # A stream that is named there is awaited, with or without settings of its own.
        kept["streams"] = {name: _of_stream(own) for name, own in streams.items()}
    else:
        kept["streams"] = _filled(config.get("streams"))
    return {name: value for name, value in kept.items() if value is not None}


def not_blank_in_environment(schema: Mapping[str, t.Any], prefix: str) -> dict[str, t.Any]:
    """The schema without the settings whose environment variable is blank."""
    parse_environment_config({}, prefix)  # the SDK takes in the file `.env`
    return {
        "properties": {
            name: setting
            for name, setting in schema["properties"].items()
            if os.environ.get(f"{prefix}{name.upper()}", "absent").strip()
        }
    }


def _of_stream(own: t.Any) -> t.Any:
    filled = _filled(own)
    return {} if filled is None else filled


def _filled(value: t.Any) -> t.Any:
    """The value without its blank parts; None if nothing but blanks is in it."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, dict):
        kept: t.Any = {
            name: part for name, one in value.items() if (part := _filled(one)) is not None
        }
    elif isinstance(value, list):
        kept = [part for one in value if (part := _filled(one)) is not None]
    else:
        return value
    return kept if kept or not value else None
