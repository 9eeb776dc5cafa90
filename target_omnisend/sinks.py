"""Singer's rim: a record in, nothing else known."""

from __future__ import annotations

import typing as t

import msgspec
from singer_sdk import BatchSink, metrics
from singer_sdk.exceptions import MissingKeyPropertiesError

from target_omnisend.delivery import doubts
from target_omnisend.delivery.model import Origin, fingerprint
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.mapping.address import email_key
from target_omnisend.mapping.contact import Contact, LeftOut, Rejection
from target_omnisend.mapping.deletion import is_deletion, marker_columns
from target_omnisend.mapping.mapper import missing_columns
from target_omnisend.mapping.normalize import is_encodable
from target_omnisend.singer.column_check import ColumnCheck
from target_omnisend.singer.column_watch import ColumnWatch
from target_omnisend.singer.decoding import decode
from target_omnisend.singer.rows import Row
from target_omnisend.singer.schemas import declared
from target_omnisend.singer.stream_maps import one_at_a_time, own_maps, stream_map_of
from target_omnisend.stream_problems import hopeless, hopeless_without_dates
from target_omnisend.streams import (
    compile_leaver,
    compile_mapping,
    loader_of,
    settings_mark,
)

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_omnisend.mapping.properties import Declared
    from target_omnisend.target import TargetOmnisend


class SegmentSink(BatchSink):
    """Makes a stream's records members of its segment.

    A drain cuts the records that have come in into batches. It does not wait for them, and
    batches that are not full wait for the next drain. The delivery notes each record's verdict.
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
        self._runner = target.session.runner
        self._lose = target.session.outcome.lose
        self._sent_again = target.session.rejects.sent_again
        types = declared(self.schema)
        stream_maps = own_maps(target, {self._reader.stream or stream_name, stream_name})
        try:
            segment = target.session.segments.of_stream(stream_name)
            mapper = compile_mapping(target.settings, settings, target.session.utc_now, types)
        except ValueError as error:
            # The settings were checked: it is the stream's name that makes no segment.
            raise RunFailed(
                ExitCode.SETTINGS,
                f"The name of stream '{stream_name}' cannot name its segment ({error}). "
                "Give the stream a 'segment' under 'streams'.",
            ) from None
        self._mapper, self._map, self._settings = mapper, mapper.map, settings
        columns = frozenset(mapper.columns.values())
        # The types of what a stream map makes are the SDK's guesses.
        made = {column for own in stream_maps for column in own}
        self._check = self._compile_schema(columns - made, types)
        self._costly = _costly_columns(settings.mapping)
        watch = ColumnWatch(columns, self._report_missing)
        self._watch = target.watches.setdefault(stream_name, watch)
        self._watch.find(self.schema["properties"])
        for sentence in hopeless_without_dates(target.settings, settings):
            self._complain(sentence)
        self._leaver = compile_leaver(settings)
        self._email_column = str(settings.mapping["email"])
        self._version: t.Any = None
        self._transform = one_at_a_time(stream_map_of(target, self._reader.stream, stream_name))
        self._counts = target.session.outcome.stream(stream_name)
        if any(own.get("__filter__") for own in stream_maps):
            # A filter can keep some of the stream's people back.
            target.session.incomplete[settings.segment] = doubts.FILTERED
        self._mark = settings_mark(segment.settings) if target.session.ledger else None
        self._mirrored = segment.mirrored
        self._origin = Origin(
            stream=stream_name,
            schema=self._reader.line,
            counts=self._counts,
            remake=self._remake,
            segment=segment,
            columns=mapper.columns,
            loader=loader_of(segment.settings),
        )
        self._runner.open(self._origin)
        self._bring = self._origin.present.append
        self._markers = marker_columns(self.schema["properties"])

    # -- each record -------------------------------------------------------------------

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:  # noqa: ARG002
        """Hand the record's contact to the delivery, or the record to the rejects."""
        self._counts.received += 1
        if self._mirrored and self._reader.version != self._version:
            self._version = self._reader.version
            self._runner.bring(self._origin, self._version)
        if self._reader.excess:
            message = f"The record {self._reader.excess}."
            self._refuse(record, Rejection("record_invalid", None, message))
            return
        for column in self._markers:
            if record.get(column) and is_deletion(record[column]):
                self._delete(record)
                return
        if self._watch.is_open:
            self._watch.look(record)
        made = self._map(record) if self._reader.is_fit else self._contact_of(record)
        if not isinstance(made, Contact):
            self._refuse(record, made)
            return
        if made.warnings:
            self._counts.leave_out(made.warnings)
        if self._counts.given:
            self._counts.give(record)
        mark = self._mark and fingerprint(self._mark, made.body)
        self._bring(hash(made.email))
        line = self._reader.source
        if self._reader.is_fed_back:
            self._sent_again(self._reader.line, self._settings.segment, made.email)
        self._runner.admit(self._origin, made.email, made.body, line, mark, made.consent)

    def _contact_of(self, record: dict[str, t.Any]) -> Contact | Rejection:
        if self._check is None or self._check.fits(record):
            return self._map(record)
        return self._contact_of_what_fits(record, self._check.unfit(record))

    def _contact_of_what_fits(
        self, record: dict[str, t.Any], unfit: dict[str, str]
    ) -> Contact | Rejection:
        """The contact without values that do not fit the schema; few columns cost the record."""
        for column in self._costly & unfit.keys():
            message = f"does not fit the stream's schema at {unfit[column]}"
            return Rejection("record_invalid", column, message)
        made = self._map({name: value for name, value in record.items() if name not in unfit})
        if isinstance(made, Rejection):
            return made
        left_out = [LeftOut("value_unfit", column) for column in unfit]
        return msgspec.structs.replace(made, warnings=(*made.warnings, *left_out))

    def _delete(self, record: dict[str, t.Any]) -> None:
        """A record that says it was deleted: the person loses the membership."""
        made = self._leaver.map(record)
        if isinstance(made, Contact):
            self._runner.delete(self._origin, made.email, made.body, self._reader.source)
            return
        if not self._counts.skipped:
            self.logger.warning(
                "Stream '%s': a deleted record carries no address that can be used, so it is "
                "skipped. Have the source send the column '%s' (mapping.email) with deleted rows; "
                "PostgreSQL does so with REPLICA IDENTITY FULL.",
                self.stream_name,
                self._email_column,
                extra=event("deletion_skipped", **self._origin.about),
            )
        self._counts.skipped += 1

    def _refuse(self, record: dict[str, t.Any], rejection: Rejection) -> None:
        value = record.get(self._email_column)
        self._runner.reject(
            self._origin,
            self._reader.line,
            rejection.code,
            rejection.field,
            rejection.message,
            email_key(value) if isinstance(value, str) and is_encodable(value) else None,
        )

    @property
    def columns_used(self) -> frozenset[str] | None:
        """The columns of a record that this sink uses; None if it has to see all of them."""
        if self._watch.is_open:  # it names the columns there are
            return None
        return frozenset({*self._mapper.columns.values(), *self._markers, *self.key_properties})

    def fits_all(self, kinds: Mapping[str, str]) -> bool:
        """Whether no value of a file with columns of these types needs to be validated."""
        return self._check is None or self._check.fits_all(kinds)

    def activate_version(self, new_version: int) -> None:
        """The stream says that the records of this version are all there are."""
        self._runner.activate(self._origin, new_version)

    def process_batch(self, context: dict[str, t.Any]) -> None:  # noqa: ARG002
        """Cut what has come in into batches."""
        self._runner.flush()

    # -- what the SDK would do otherwise -----------------------------------------------

    def get_batch_processing_timer(self) -> metrics.Timer:
        """Time nothing: a drain only cuts batches, and "succeeded" would be said too early."""
        return _SilentTimer(metrics.Metric.BATCH_PROCESSING_TIME)

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

    def _compile_schema(self, columns: frozenset[str], types: Declared) -> ColumnCheck | None:
        return ColumnCheck(self.schema, columns, types.types) if self.validate_schema else None

    def _report_missing(self, found: set[str]) -> None:
        """Name the mapped columns that neither the schema nor the first records have."""
        for sentence in missing_columns(self._mapper, found):
            whole = f"Stream '{self.stream_name}': {sentence}"
            self.logger.warning(whole, extra=event("column_missing", **self._about))
            self._lose(whole)
        for sentence in hopeless(self._settings, found):
            self._complain(sentence)

    def _complain(self, sentence: str) -> None:
        whole = f"Stream '{self.stream_name}': {sentence}"
        self.logger.error(whole, extra=event("records_hopeless", **self._about))
        self._lose(whole)

    @property
    def _about(self) -> dict[str, str]:
        return {"stream_name": self.stream_name, "segment": self._settings.segment}

    def _remake(self, line: t.SupportsBytes, email: str) -> bytes:
        """Map a message again whose contact was let go when its batch was taken."""
        message = line.message if isinstance(line, Row) else decode(bytes(line))
        record = self._transform(message["record"]) or {}
        if self.include_sdc_metadata_properties:
            self._add_sdc_metadata_to_record(record, message, {})
        deleted = any(is_deletion(record.get(column)) for column in self._markers)
        made = self._leaver.map(record) if deleted else self._contact_of(record)
        if isinstance(made, Contact) and made.email == email:
            return made.body
        raise RunFailed(
            ExitCode.FAULT,
            f"The stream_maps of stream '{self.stream_name}' make another person of the same "
            "record the second time. Use expressions that do not depend on chance or time.",
        )


class _SilentTimer(metrics.Timer):
    def __exit__(self, *_: object) -> None:
        """Say nothing."""


def _costly_columns(mapping: Mapping[str, str | list[str]]) -> frozenset[str]:
    """Columns whose value costs the record if it does not fit: e-mail and consent."""
    fields = ("email", "subscription_status", "subscription_changed_at")
    return frozenset(str(mapping[field]) for field in fields if field in mapping)
