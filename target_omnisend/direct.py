"""The short way of a record from its message to its sink, for settings that change no record.

The SDK makes some twenty calls a record. Without stream maps, flattening and added metadata most
of them do nothing here, and cost as much as the mapping.
"""

from __future__ import annotations

import math
import typing as t

from target_omnisend.sinks import SegmentSink

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk import Sink, Target

_CHANGING: t.Final = ("stream_maps", "flattening_enabled", "add_record_metadata")
"""Settings by which a record that reaches its sink is not the record that was read."""

_COUNTED_TOGETHER: t.Final = 100
"""Records after which the SDK's metric and its clock count them."""


class DirectWay:
    """The way to one sink.

    Attributes:
        sink: where it leads.
    """

    def __init__(self, target: Target, sink: SegmentSink) -> None:
        """Lead to `sink`."""
        self._target = target
        self.sink = sink
        self._process = sink.process_record
        self._keys = tuple(sink.key_properties)
        # A divisor of the sink's size, so that it drains at exactly the record that fills it.
        self._step = math.gcd(_COUNTED_TOGETHER, sink.max_size)
        self._uncounted = 0
        self._context: dict[str, t.Any] = {}

    def take(self, record: dict[str, t.Any]) -> None:
        """Do with a record what the SDK would do with it.

        Raises:
            MissingKeyPropertiesError: when it lacks a key.
        """
        for key in self._keys:
            if key not in record:
                self.sink._singer_validate_message(record)  # noqa: SLF001 - the SDK's hook
        self._process(record, self._context)
        self._uncounted += 1
        if self._uncounted == self._step:
            self.count()
            if self.sink.is_full:
                self._target.drain_one(self.sink)
            self._target._handle_max_record_age()  # noqa: SLF001 - as the SDK does

    def count(self) -> None:
        """Have the SDK count the records that it has not counted."""
        read, self._uncounted = self._uncounted, 0
        self.sink.tally_record_read(read)
        self.sink.record_counter_metric.increment(read)


class DirectWays:
    """The ways of all streams whose records can take them."""

    def __init__(self, target: Target) -> None:
        """Begin without a way."""
        self._target = target
        self._possible = not any(target.config.get(name) for name in _CHANGING)
        self._ways: dict[str | None, DirectWay] = {}
        self.get = self._ways.get

    def sink(self, stream: str | None) -> SegmentSink | None:
        """The sink that the stream's records come to as they were read, if they do."""
        return way.sink if (way := self.get(stream)) else None

    def open(self, stream: str | None, sinks: Mapping[str, Sink]) -> None:
        """Note the sink of a stream whose schema has come."""
        sink = sinks.get(stream or "")
        if self._possible and isinstance(sink, SegmentSink):
            self._ways[stream] = DirectWay(self._target, sink)

    def close(self, stream: str | None) -> None:
        """A schema of the stream has come, which can make another sink."""
        if way := self._ways.pop(stream, None):
            way.count()

    def end(self) -> None:
        """Count the last records."""
        for stream in list(self._ways):
            self.close(stream)
