"""Singer's rim: a record in, nothing else known."""

from __future__ import annotations

import threading
import typing as t

import jsonschema_rs
import msgspec
from singer_sdk import BatchSink
from singer_sdk.exceptions import InvalidJSONSchema, MissingKeyPropertiesError
from singer_sdk.mapper import CustomStreamMap

from target_omnisend.delivery.batch import Segment
from target_omnisend.members.contact import Contact
from target_omnisend.members.mapping import MemberMapper, missing_columns
from target_omnisend.members.normalize import segment_property, tag
from target_omnisend.outcome import ExitCode, RunFailed

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from singer_sdk.mapper import StreamMap

    from target_omnisend.settings import Settings, StreamSettings
    from target_omnisend.target import TargetOmnisend


class SegmentSink(BatchSink):
    """Makes a stream's records members of its segment.

    A drain cuts what has come in into batches; it does not wait for them, and batches that
    are not full wait for the next drain. What becomes of each record the delivery knows.
    """

    MAX_SIZE_DEFAULT = 10_000

    def __init__(
        self,
        target: TargetOmnisend,
        stream_name: str,
        schema: dict[str, t.Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Compile the mapping and the schema, and announce the segment."""
        super().__init__(target, stream_name, schema, key_properties)
        settings = target.settings.for_stream(stream_name)
        self._reader = target.reader
        self._runner = target.runner
        self._is_valid = self._compile_schema()
        try:
            mapper = compile_mapping(target.settings, settings, target.started_at)
            tags = member_tags(settings)
        except ValueError as error:
            # The settings were checked: it is the stream's name that makes no segment.
            raise RunFailed(
                ExitCode.SETTINGS,
                f"The name of stream '{stream_name}' cannot name its segment ({error}); "
                "give the stream a 'segment' under 'streams'.",
            ) from None
        for sentence in missing_columns(mapper, self.schema["properties"]):
            self.logger.warning("Stream '%s': %s", stream_name, sentence)
        self._map = mapper.map
        self._transform = _one_at_a_time(_stream_map(target, self._reader.stream, stream_name))
        self._counts = target.outcome.stream(stream_name)
        self._segment = Segment(
            stream=stream_name,
            schema=self._reader.line,
            tags=tags,
            counts=self._counts,
            remake=self._remake,
        )
        self._runner.open_segment(self._segment)

    # -- each record -------------------------------------------------------------------

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:  # noqa: ARG002
        """Hand the record's contact to the delivery, or the record to the rejects."""
        self._counts.received += 1
        if self._is_valid is not None and not self._is_valid(record):
            self._refuse_invalid(record)
            return
        made = self._map(record)
        if isinstance(made, Contact):
            if made.warnings:
                self._counts.warnings.update(made.warnings)
            self._runner.admit(self._segment, made.email, made.body, self._reader.line)
        else:
            self._runner.reject(
                self._segment, self._reader.line, made.code, made.field, made.message
            )

    def process_batch(self, context: dict[str, t.Any]) -> None:  # noqa: ARG002
        """Cut what has come in into batches."""
        self._runner.flush()

    # -- what the SDK would do otherwise -----------------------------------------------

    def get_validator(self) -> None:
        """Leave validation to `process_record`: the SDK's ends the run and logs the values."""
        return

    def _validate_and_parse(self, record: dict[str, t.Any]) -> dict[str, t.Any]:
        # Dates stay the strings they are; parsing them costs as much as all the rest, and a
        # bad one would end the run.
        return record

    # Its `_sdc` columns are the tap's to give and the mapping's to use: they stay.

    def _remove_sdc_metadata_from_schema(self) -> None:
        """Leave the schema as it is."""

    def _remove_sdc_metadata_from_record(self, record: dict[str, t.Any]) -> None:
        """Leave the record as it is."""

    def _after_process_record(self, context: dict[str, t.Any]) -> None:
        """Log nothing."""

    def _singer_validate_message(self, record: dict[str, t.Any]) -> None:
        for name in self._key_properties:
            if name not in record:
                raise MissingKeyPropertiesError(f"lacks the key property '{name}'")

    # -- set-up ------------------------------------------------------------------------

    def _compile_schema(self) -> Callable[[dict[str, t.Any]], bool] | None:
        if not self.validate_schema:
            return None
        try:
            self._schema_check = jsonschema_rs.Draft7Validator(self.schema, validate_formats=False)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
            raise InvalidJSONSchema("holds a schema that is not a JSON schema") from None
        return self._schema_check.is_valid

    def _refuse_invalid(self, record: dict[str, t.Any]) -> None:
        error = next(iter(self._schema_check.iter_errors(record)))
        field = ".".join(str(part) for part in error.instance_path)
        rule = ".".join(str(part) for part in error.schema_path)
        self._runner.reject(
            self._segment,
            self._reader.line,
            "record_invalid",
            field or None,
            f"does not fit the stream's schema at {rule}",
        )

    def _remake(self, line: bytes) -> bytes:
        """Map a message again whose contact was let go when its batch was taken."""
        record = self._transform(msgspec.json.decode(line)["record"]) or {}
        made = self._map(record)
        if isinstance(made, Contact):
            return made.body
        raise RunFailed(
            ExitCode.FAULT,
            f"The stream_maps of stream '{self.stream_name}' make another contact of the same "
            "record the second time; use none that depend on chance or time.",
        )


def compile_mapping(run: Settings, stream: StreamSettings, now: dt.datetime) -> MemberMapper:
    """The mapper of a stream's records.

    Raises:
        ValueError: for settings that no record can be mapped with, as a plain sentence.
    """
    constant = {}
    if stream.membership == "property":
        constant[segment_property(stream.segment)] = True
    return MemberMapper(
        stream.mapping,
        custom_properties=stream.custom_properties,
        constant_properties=constant,
        default_status=run.subscription_status,
        send_welcome_message=run.send_welcome_message,
        consent_not_after=now,
    )


def member_tags(stream: StreamSettings) -> tuple[str, ...]:
    """The tags of a stream's members.

    Raises:
        ValueError: for a name that cannot be a tag, as a plain sentence.
    """
    names = [stream.segment, *stream.tags] if stream.membership == "tag" else stream.tags
    return tuple(dict.fromkeys(tag(name) for name in names))


def _one_at_a_time(stream_map: StreamMap) -> Callable[[dict[str, t.Any]], dict[str, t.Any] | None]:
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


def _stream_map(target: TargetOmnisend, stream: str | None, alias: str) -> StreamMap:
    maps = target.mapper.stream_maps[stream or alias]
    return next(stream_map for stream_map in maps if stream_map.stream_alias == alias)
