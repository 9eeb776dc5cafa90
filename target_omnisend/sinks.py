"""Singer's rim: a record in, nothing else known."""

from __future__ import annotations

import threading
import typing as t
from fnmatch import fnmatch
from hashlib import blake2b

import jsonschema_rs
from singer_sdk import BatchSink, metrics
from singer_sdk.exceptions import InvalidJSONSchema, MissingKeyPropertiesError
from singer_sdk.mapper import CustomStreamMap

from target_omnisend.delivery import doubts
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.mapping.contact import Contact, Rejection
from target_omnisend.mapping.deletion import is_deletion, marker_columns
from target_omnisend.mapping.mapper import missing_columns
from target_omnisend.mapping.normalize import email_key, is_encodable
from target_omnisend.singer.reader import decode
from target_omnisend.streams import (
    compile_leaver,
    compile_mapping,
    hopeless,
    loader_of,
    make_segment,
    member_tags,
    settings_hashes,
    settings_mark,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_sdk.mapper import StreamMap

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
        self._runner = target.run.runner
        self._is_valid = self._compile_schema()
        try:
            mapper = compile_mapping(target.settings, settings, target.run.started_at)
            member_tags(settings)
        except ValueError as error:
            # The settings were checked: it is the stream's name that makes no segment.
            raise RunFailed(
                ExitCode.SETTINGS,
                f"The name of stream '{stream_name}' cannot name its segment ({error}); "
                "give the stream a 'segment' under 'streams'.",
            ) from None
        about = {"stream_name": stream_name, "segment": settings.segment}
        for sentence in missing_columns(mapper, self.schema["properties"]):
            self.logger.warning("Stream '%s': %s", stream_name, sentence, extra=about)
        for sentence in hopeless(target.settings, settings, self.schema["properties"]):
            self.logger.error("Stream '%s': %s", stream_name, sentence, extra=about)
        self._map = mapper.map
        self._leaver = compile_leaver(settings)
        self._email_column = str(settings.mapping["email"])
        self._version: t.Any = None
        self._transform = _one_at_a_time(_stream_map(target, self._reader.stream, stream_name))
        self._counts = target.run.outcome.stream(stream_name)
        if _is_filtered(target, {self._reader.stream or stream_name, stream_name}):
            target.run.incomplete[settings.segment] = doubts.FILTERED
        hashes = settings_hashes(target.settings, settings)
        self._mark = settings_mark(hashes) if target.run.ledger else None
        self._segment = make_segment(
            settings,
            stream=stream_name,
            schema=self._reader.line,
            counts=self._counts,
            remake=self._remake,
            settings=hashes,
            columns=mapper.columns,
            loader=loader_of(hashes),
        )
        self._runner.open_segment(self._segment)
        self._bring = self._segment.present.append
        self._markers = marker_columns(self.schema["properties"])

    # -- each record -------------------------------------------------------------------

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:  # noqa: ARG002
        """Hand the record's contact to the delivery, or the record to the rejects."""
        self._counts.received += 1
        if self._segment.mirrored and self._reader.version != self._version:
            self._version = self._reader.version
            self._runner.bring(self._segment, self._version)
        if self._is_deleted(record):
            self._delete(record)
            return
        if self._is_valid is not None and not self._is_valid(record):
            self._refuse_invalid(record)
            return
        made = self._map(record)
        if not isinstance(made, Contact):
            self._refuse(record, made)
            return
        if made.warnings:
            self._counts.warnings.update(made.warnings)
        fingerprint = self._mark and self._mark + blake2b(made.body, digest_size=12).digest()
        self._bring(hash(made.email))
        self._runner.admit(self._segment, made.email, made.body, self._reader.line, fingerprint)

    def _is_deleted(self, record: dict[str, t.Any]) -> bool:
        for column in self._markers:
            if (marker := record.get(column)) and is_deletion(marker):
                return True
        return False

    def _delete(self, record: dict[str, t.Any]) -> None:
        """A record that says it was deleted: the person loses the membership."""
        made = self._leaver.map(record)
        if isinstance(made, Contact):
            self._runner.delete(self._segment, made.email, made.body, self._reader.line)
            return
        if not self._counts.skipped:
            self.logger.warning(
                "Stream '%s': a deleted record carries no address that can be used, so it is "
                "skipped. Have the source send the column '%s' (mapping.email) with deleted rows; "
                "PostgreSQL does so with REPLICA IDENTITY FULL.",
                self.stream_name,
                self._email_column,
                extra=self._segment.about,
            )
        self._counts.skipped += 1

    def _refuse(self, record: dict[str, t.Any], rejection: Rejection) -> None:
        value = record.get(self._email_column)
        self._runner.reject(
            self._segment,
            self._reader.line,
            rejection.code,
            rejection.field,
            rejection.message,
            email_key(value) if isinstance(value, str) and is_encodable(value) else None,
        )

    def activate_version(self, new_version: int) -> None:
        """The stream says that the records of this version are all there are."""
        self._runner.activate(self._segment, new_version)

    def process_batch(self, context: dict[str, t.Any]) -> None:  # noqa: ARG002
        """Cut what has come in into batches."""
        self._runner.flush()

    # -- what the SDK would do otherwise -----------------------------------------------

    def get_batch_processing_timer(self) -> metrics.Timer:
        """Time nothing: a drain only cuts batches, and "succeeded" would be said too early."""
        return _Untold(metrics.Metric.BATCH_PROCESSING_TIME)

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
            self._schema_check = _validator(self.schema)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
            raise InvalidJSONSchema("holds a schema that is not a JSON schema") from None
        return self._fits

    def _fits(self, record: dict[str, t.Any]) -> bool:
        try:
            return self._schema_check.is_valid(record)
        except (ValueError, OverflowError):  # half a surrogate pair: for the mapping to judge
            return True

    def _refuse_invalid(self, record: dict[str, t.Any]) -> None:
        error = next(iter(self._schema_check.iter_errors(record)))
        field = ".".join(str(part) for part in error.instance_path)
        rule = ".".join(str(part) for part in error.schema_path)
        message = f"does not fit the stream's schema at {rule}"
        self._refuse(record, Rejection("record_invalid", field or None, message))

    def _remake(self, line: bytes, email: str) -> bytes:
        """Map a message again whose contact was let go when its batch was taken."""
        message = decode(line)
        record = self._transform(message["record"]) or {}
        if self.include_sdc_metadata_properties:
            self._add_sdc_metadata_to_record(record, message, {})
        made = self._leaver.map(record) if self._is_deleted(record) else self._map(record)
        if isinstance(made, Contact) and made.email == email:
            return made.body
        raise RunFailed(
            ExitCode.FAULT,
            f"The stream_maps of stream '{self.stream_name}' make another person of the same "
            "record the second time; use none that depend on chance or time.",
        )


class _Untold(metrics.Timer):
    def __exit__(self, *_: object) -> None:
        """Say nothing."""


def _validator(schema: dict[str, t.Any]) -> jsonschema_rs.Validator:
    options: dict[str, t.Any] = {"validate_formats": False, "retriever": _no_retrieval}
    try:
        return jsonschema_rs.Draft7Validator(schema, **options)
    except jsonschema_rs.ValidationError:
        # Older taps of databases give every decimal column an `exclusiveMaximum: true`.
        return jsonschema_rs.Draft4Validator(schema, **options)


def _no_retrieval(uri: str) -> t.NoReturn:
    """Let no schema of a tap's reach for the network or for files."""
    raise ValueError(f"a schema that refers to {uri}")


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


def _is_filtered(target: TargetOmnisend, names: set[str]) -> bool:
    """Whether a stream map's `__filter__` may keep some of the stream's people back.

    A map has the name of the stream that the tap sends or, with `__source__`, the name it makes.
    """
    maps = target.config.get("stream_maps") or {}
    return any(
        isinstance(own, dict)
        and own.get("__filter__")
        and any(fnmatch(name, pattern) for name in names)
        for pattern, own in maps.items()
    )


def _stream_map(target: TargetOmnisend, stream: str | None, alias: str) -> StreamMap:
    maps = target.mapper.stream_maps[stream or alias]
    return next(stream_map for stream_map in maps if stream_map.stream_alias == alias)
