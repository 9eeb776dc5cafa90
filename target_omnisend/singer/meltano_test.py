"""The records that `meltano config test target-omnisend` sends belong to no person and go nowhere.

Source: Meltano 4.4.1, `meltano/core/plugin_test_service.py`.
"""

from __future__ import annotations

import typing as t

from singer_sdk import BatchSink

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from singer_sdk.mapper import StreamMap

_STREAM: t.Final = "meltano_test_stream"


def is_meltanos(stream: str, columns: Collection[str], email_column: str | None) -> bool:
    """Whether a stream is Meltano's test, which has columns and no e-mail address among them.

    Any stream can have that name: with the mapped e-mail column it is a stream like others.
    """
    return stream == _STREAM and bool(columns) and email_column not in columns


def columns_of(stream_maps: Iterable[StreamMap], stream: str) -> Collection[str]:
    """The columns, less keys, of the stream that one of these maps makes."""
    for stream_map in stream_maps:
        if stream_map.stream_alias == stream:
            columns = set(stream_map.transformed_schema["properties"])
            return columns.difference(stream_map.transformed_key_properties or ())
    return ()


class MeltanosTestSink(BatchSink):
    """Takes the records, which have no e-mail, and does nothing with them.

    The API key and the settings were checked when they come.
    """

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:
        """Do nothing."""

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Do nothing."""

    def activate_version(self, new_version: int) -> None:
        """Do nothing."""
