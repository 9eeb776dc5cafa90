"""`TargetOmnisend`: command line, wiring, signals, exit code."""

from __future__ import annotations

import copy
import datetime as dt
import gc
import json
import logging
import sys
import traceback
import typing as t
import uuid
from collections import Counter
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import click
from singer_sdk import Target, mapper
from singer_sdk.exceptions import (
    InvalidJSONSchema,
    MapExpressionError,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
    StreamMapConfigError,
)
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator, _ConfigInput
from singer_sdk.singerlib.exceptions import InvalidInputLine

from target_omnisend.api import clock
from target_omnisend.api.client import OmnisendClient
from target_omnisend.config import check_environment, tidied, unreadable
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.memory import Memory
from target_omnisend.delivery.pipeline import Delivery, Limits
from target_omnisend.delivery.runner import MAX_CALLS_AT_ONCE, Runner
from target_omnisend.interrupt import Interrupt, Stopped
from target_omnisend.members.normalize import email_key
from target_omnisend.outcome import ExitCode, Outcome, RunFailed, unexpected
from target_omnisend.plan import (
    compile_mapping,
    conditions,
    make_segment,
    member_tags,
    mixed_segments,
)
from target_omnisend.reader import MessageReader
from target_omnisend.rejects import RejectsFile
from target_omnisend.report.data import build, write
from target_omnisend.report.summary import by_stream, in_all
from target_omnisend.settings import (
    CONFIG_JSONSCHEMA,
    Settings,
    SettingsError,
    describe,
    did_you_mean,
)
from target_omnisend.sink import SegmentSink

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.delivery.batch import Segment
    from target_omnisend.ledger import Ledger

INPUT_ERRORS: t.Final = (
    InvalidInputLine,
    InvalidJSONSchema,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
"""What a tap can do wrong; their text never quotes a record."""


class TargetOmnisend(Target):
    """Singer target that makes a stream's people members of a segment in Omnisend."""

    name = "target-omnisend"
    config_jsonschema = copy.deepcopy(CONFIG_JSONSCHEMA)  # the SDK adds its own settings to it
    default_sink_class = SegmentSink
    message_reader_class = MessageReader
    capabilities: t.ClassVar = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    def __init__(self, **kwargs: t.Any) -> None:
        """Check the settings; nothing is sent or read yet.

        Raises:
            SettingsError: for settings that cannot be used.
        """
        self.interrupt = Interrupt()
        logging.getLogger("singer_sdk.mapper").addFilter(_quotes_no_value)
        super().__init__(**kwargs)
        # A drain only cuts batches, under one lock: threads of the SDK's would gain nothing.
        self.max_parallelism = 1
        self.run_id = uuid.uuid4().hex[:8]
        self.started_at = clock.utc_now()
        self.settings = Settings.from_config(self.config)
        self.outcome = Outcome(max_rejected_percent=self.settings.max_rejected_percent)
        self.reader = t.cast("MessageReader", self.message_reader)
        self.reader.interrupt = self.interrupt
        self.ledger: Ledger | None = None
        self.incomplete: set[str] = set()
        self._check_mappings()

    # -- wiring ------------------------------------------------------------------------

    @cached_property
    def rejects(self) -> RejectsFile:
        """Where refused records go."""
        return RejectsFile(Path(self.settings.rejects_path), self.run_id, clock.utc_now)

    @cached_property
    def runner(self) -> Runner:
        """The delivery under way; made, and the API key checked, at its first use.

        Raises:
            RunFailed: when Omnisend or the rejects folder cannot be used.
        """
        settings = self.settings
        api = OmnisendClient(
            settings.api_url,
            api_key=settings.api_key,
            api_version=settings.api_version,
            user_agent=f"{self.name}/{self.plugin_version}",
            timeout=settings.request_timeout,
            connections=MAX_CALLS_AT_ONCE,
        )
        delivery = Delivery(
            Limits(
                quota_share=settings.quota_share,
                confirm_timeout=settings.confirm_timeout,
                max_unconfirmed=settings.max_unconfirmed,
                # A day early: the day in Omnisend's `dateFrom` may be of another time zone.
                since=(self.started_at - dt.timedelta(days=1)).date(),
            ),
            now=clock.monotonic(),
            key=email_key,
            checkpoint=Checkpoint(self._emit_state),
            rejects=self.rejects,
            outcome=self.outcome,
        )
        runner = Runner(
            delivery,
            api,
            clock=clock.monotonic,
            check_stopped=self.interrupt.check,
            failed=self.interrupt.fail,
        )
        runner.check()
        if isinstance(name := runner.brand.get("name"), str):
            self.logger.info("The API key belongs to the store '%s'.", name)
        self.ledger = self._open_ledger(runner)
        return runner

    def _open_ledger(self, runner: Runner) -> Ledger | None:
        settings = self.settings
        if settings.ledger_url is None:
            return None
        from target_omnisend.ledger import Ledger  # noqa: PLC0415 - a tenth of a second

        # A key without brands.read does not know its store; then it stands for it.
        key = f"key {blake2b(settings.api_key.encode(), digest_size=8).hexdigest()}"
        brand = str(runner.brand.get("brandID") or key)
        ledger = Ledger(settings.ledger_url, brand=brand, utc_now=clock.utc_now)
        runner.remember_by(
            Memory(
                ledger,
                full_refresh=settings.full_refresh,
                whole_runs=settings.mirror_on == "end_of_stream",
                max_removed_percent=settings.max_removed_percent,
                incomplete=self.incomplete,
                shared=_shared_segments(settings),
            )
        )
        return ledger

    def _emit_state(self, state: dict[str, t.Any]) -> None:
        if self.ledger is not None:
            self.ledger.flush()
        self.rejects.sync()
        self._write_state_message(state)

    def _write_state_message(self, state: t.Any) -> None:
        """Emit a state, and do not log it as the SDK would: a bookmark may be an e-mail."""
        sys.stdout.write(f"{json.dumps(state)}\n")
        sys.stdout.flush()

    # -- settings ----------------------------------------------------------------------

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings, with sentences that quote no value.

        Raises:
            SettingsError: when some are missing or wrong.
        """
        self._config = tidied(self._config)
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        try:
            errors = list(JSONSchemaValidator(schema).iter_errors(self._config))
        except AttributeError:  # the SDK's own schema of `__else__` is none
            raise SettingsError(
                ["Setting 'stream_maps.__else__' should be null or '__NULL__'."]
            ) from None
        problems = [describe(error) for error in errors]
        if problems and raise_errors:
            raise SettingsError(problems)
        for name in sorted(set(self._config) - set(schema["properties"])):
            hint = did_you_mean(name, schema["properties"])
            self.logger.warning("There is no setting '%s'%s", name, hint or ".")
        return problems

    def _check_mappings(self) -> None:
        # A stream that brings its own name for a segment is not known yet; any will do for it.
        for stream in ("", *self.settings.streams):
            settings = self.settings.for_stream(stream or "stream")
            try:
                compile_mapping(self.settings, settings, self.started_at)
                member_tags(settings)
            except ValueError as error:
                where = f"In 'streams.{stream}': " if stream else ""
                raise SettingsError([f"{where}{error}"]) from None
        if problems := mixed_segments(self.settings):
            raise SettingsError(problems)

    # -- messages ----------------------------------------------------------------------

    def _process_state_message(self, message_dict: dict[str, t.Any]) -> None:
        """Hand the state to the delivery: the SDK would emit it before it is true."""
        self._assert_line_requires(message_dict, requires={"value"})
        self.runner.state(message_dict["value"])

    def _process_activate_version_message(self, message_dict: dict[str, t.Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        for stream_map in self.mapper.stream_maps.get(message_dict["stream"], ()):
            if self.sink_exists(stream_map.stream_alias):
                sink = self.get_sink(stream_map.stream_alias)
                sink.activate_version(message_dict["version"])

    def _process_batch_message(self, message_dict: dict[str, t.Any]) -> None:  # noqa: ARG002
        raise InvalidInputLine("is a BATCH message, which this target does not read")

    def process_endofpipe(self) -> None:
        """Drain, then wait until every record has its verdict."""
        self._finish(departures=None)

    def _finish(self, departures: Iterator[tuple[Segment, list[str]]] | None) -> None:
        super().process_endofpipe()
        missing = [name for name in self.settings.streams if name not in self.outcome.streams]
        self.incomplete |= {self.settings.for_stream(name).segment for name in missing}
        self.runner.finish(segments=self._wanted_segments(), departures=departures)

    def _wanted_segments(self) -> dict[str, list[t.Any]]:
        used = [self.settings.for_stream(name) for name in self.outcome.streams]
        return {own.segment: conditions(own) for own in used if own.create_segment}

    # -- command line ------------------------------------------------------------------

    def _setup_signal_handlers(self) -> None:
        """Take over the signals: the SDK's handlers acknowledge records that were not sent."""
        self.interrupt.install()

    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the settings' files and, for `ENV`, the environment."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError):
            sys.exit(cls._complain(unreadable(value)))

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: t.IO[str] | None = None,
        retire: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Run the command and exit with its code."""
        if about:
            cls.print_about(about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        config = config or _ConfigInput()
        try:
            cls.append_builtin_config(cls.config_jsonschema)
            check_environment(config, cls.config_jsonschema)
            target = cls(config=config.config, parse_env_config=config.parse_env)
        except SettingsError as error:
            sys.exit(cls._complain(error))
        if dry_run and retire is None:  # which would send everything
            raise click.UsageError("--dry-run goes with --retire SEGMENT.")
        if retire is not None:
            sys.exit(target.run(lambda: target.retire(retire, dry_run=dry_run)))
        sys.exit(target.run(lambda: target.read(file_input)))

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add our own options to the SDK's."""
        command = super().get_singer_command()
        command.params += [
            click.Option(
                ["--retire"],
                metavar="SEGMENT",
                help="Take the membership of a segment back from everyone the ledger says this "
                "target gave it to.",
            ),
            click.Option(
                ["--dry-run"], is_flag=True, help="With --retire: only say how many that are."
            ),
        ]
        return command

    @classmethod
    def _complain(cls, error: SettingsError) -> int:
        for problem in error.problems:
            cls.logger.error(problem)
        return ExitCode.SETTINGS

    def run(self, work: t.Callable[[], None]) -> int:
        """Do the work to its end, or to whatever ends it early; the exit code."""
        # Open entries are many, long-lived and in no cycle: looking for garbage among them, or
        # among the modules, as often as the default would costs a tenth of the reading.
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        try:
            _ = self.runner  # before the first line is read
            work()
        except RunFailed as failure:
            self._end_early(failure)
        except Stopped as stopped:
            self.outcome.stopped_by = stopped.args[0]
            self._end_early(None)
        except Exception as error:  # noqa: BLE001 - a traceback might quote a record
            self._end_early(self._stream_map_fault(error) or unexpected(error))
        self.interrupt.ignore()
        self._close_ledger()
        self._write_report()
        for sentence in by_stream(self.outcome):
            self.logger.info(sentence)
        rejects = self.rejects.path if self.outcome.total().rejected else None
        self.logger.info(in_all(self.outcome, rejects))
        return self.outcome.exit_code

    def _write_report(self) -> None:
        if self.settings.report_path is None:
            return
        lanes = self.runner.lanes if "runner" in self.__dict__ else {}
        report = build(
            self.outcome,
            lanes,
            run_id=self.run_id,
            version=self.plugin_version,
            started_at=self.started_at,
            ended_at=clock.utc_now(),
            segments=self.runner.made_segments if "runner" in self.__dict__ else {},
        )
        try:
            write(Path(self.settings.report_path), report)
        except OSError as error:
            # The report tells the outcome, it does not change it.
            self.logger.warning("The report cannot be written (%s).", error.strerror)

    def _close_ledger(self) -> None:
        if self.ledger is None:
            return
        try:
            self.ledger.flush()
        except RunFailed as failure:
            if self.outcome.failure is None:
                self.outcome.failure = failure
                self.logger.error(failure.sentence)  # noqa: TRY400 - a traceback says no more
        self.ledger.close()

    def retire(self, name: str, *, dry_run: bool) -> None:
        """Take a segment's membership back from all who have it from this target.

        Raises:
            RunFailed: when there is no ledger, or it knows no such segment.
        """
        if self.ledger is None:
            raise RunFailed(ExitCode.SETTINGS, "--retire needs the setting 'ledger_url'.")
        known = dict(self.ledger.segments())
        if name not in known:
            names = ", ".join(f"'{other}' ({count})" for other, count in known.items())
            raise RunFailed(
                ExitCode.SETTINGS,
                f"The ledger knows no members of a segment '{name}'; it knows {names or 'none'}.",
            )
        self.logger.info("Segment '%s' has %d members by this target.", name, known[name])
        if dry_run:
            return
        own = self.settings.of_segment(name)
        if own.membership == "none":
            raise RunFailed(
                ExitCode.SETTINGS,
                f"'membership: none' shows no membership of segment '{name}' that could be taken "
                "back; set 'membership' to what it was when they were made members.",
            )
        segment = make_segment(
            own,
            stream=name,
            schema=b"",
            counts=self.outcome.stream(name),
            remake=lambda line, _: line,
        )
        self.runner.open_segment(segment)
        departures = ((segment, emails) for emails in self.ledger.members(name))
        self.runner.finish(departures=departures)

    def read(self, file_input: t.IO[str] | None) -> None:
        """Read messages to their end, and see them settled.

        Raises:
            RunFailed: when something ends the run early.
            Stopped: when a signal came.
        """
        try:
            self.listen(file_input)
        except INPUT_ERRORS as error:
            failure = RunFailed(ExitCode.FAULT, self._at_line(error))
            self.logger.error(failure.sentence)  # noqa: TRY400 - a traceback says nothing more
            # What came before the bad line is good: deliver it, remove nobody, then fail.
            self._finish(departures=iter(()))
            self.outcome.failure = self.outcome.failure or failure

    def _end_early(self, failure: RunFailed | None) -> None:
        if failure is not None and self.outcome.failure is None:
            self.outcome.failure = failure
            self.logger.error(failure.sentence)
        if "runner" in self.__dict__:
            self.runner.stop(hurried=lambda: self.interrupt.hurried)

    def _stream_map_fault(self, error: Exception) -> RunFailed | None:
        """What an expression of the operator's made of a record, told without the record."""
        files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
        if mapper.__file__ not in files:
            return None
        # Other errors come from within an expression, and their text may quote what it got.
        own = isinstance(error, (MapExpressionError, StreamMapConfigError))
        return RunFailed(
            ExitCode.SETTINGS,
            f"The setting 'stream_maps' does not work on line {self.reader.number} of the input, "
            f"stream '{self.reader.stream}' ({error if own else type(error).__name__}); mend the "
            "expression, then run again.",
        )

    def _at_line(self, error: Exception) -> str:
        stream = f", stream '{self.reader.stream}'," if self.reader.stream else ""
        if isinstance(error, RecordsWithoutSchemaException):
            error = RecordsWithoutSchemaException("is a record that comes before its schema")
        return f"Line {self.reader.number} of the input{stream} {error}."


def _shared_segments(settings: Settings) -> set[str]:
    names = Counter(settings.for_stream(stream).segment for stream in settings.streams)
    return {name for name, streams in names.items() if streams > 1}


def _quotes_no_value(record: logging.LogRecord) -> bool:
    # What a stream map's filter evaluates to is often the e-mail itself ("__filter__": "email").
    return not str(record.msg).startswith("Filter result for")
