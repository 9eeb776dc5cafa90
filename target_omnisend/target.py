"""`TargetOmnisend`: command line, wiring, signals, exit code."""

from __future__ import annotations

import copy
import logging
import sys
import typing as t
from functools import partial

import click
from singer_sdk import Sink, Target
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import (
    InvalidJSONSchema,
)
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator, SingerCommand, _ConfigInput

from target_omnisend import waits
from target_omnisend.commands.check import Check
from target_omnisend.commands.closing import end_unstarted
from target_omnisend.commands.dry_run import DryRun
from target_omnisend.commands.session import Run, nothing
from target_omnisend.config.environment import (
    check_environment,
    read_environment,
    readable,
    tidied,
    unreadable,
    with_environment,
)
from target_omnisend.config.schema import CONFIG_JSONSCHEMA
from target_omnisend.config.settings import Settings
from target_omnisend.config.validation import (
    SettingsError,
    describe,
    missing_mapping,
    no_setting,
)
from target_omnisend.delivery import doubts
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.output.stdio import (
    check_open,
    stand_in_for_the_log,
    tap,
    unusable_logging,
    write_line,
)
from target_omnisend.output.terminal import PrintableRecord
from target_omnisend.signals import Interrupt
from target_omnisend.singer import meltano_test
from target_omnisend.singer.batch_files import BatchFiles
from target_omnisend.singer.batch_messages import records_of
from target_omnisend.singer.completeness import under_way, unfinished
from target_omnisend.singer.input_errors import INPUT_ERRORS, at_line, of_stream_maps
from target_omnisend.singer.reader import MessageReader, raw_value, spell_out
from target_omnisend.singer.schemas import complete, make_flattenable
from target_omnisend.sinks import SegmentSink
from target_omnisend.streams import (
    compile_mapping,
    member_tags,
    mixed_segments,
)

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from target_omnisend.singer.column_watch import ColumnWatch

UNREADABLE: t.Final = "target_omnisend.unreadable"
"""Where the command line's context keeps why the config files cannot be read."""


class TargetOmnisend(Target):
    """Singer target that makes a stream's people members of a segment in Omnisend."""

    name = "target-omnisend"
    config_jsonschema = copy.deepcopy(CONFIG_JSONSCHEMA)  # the SDK adds its own settings to it
    message_reader_class = MessageReader
    capabilities: t.ClassVar = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.BATCH,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    def __init__(self, *, run: type[Run] = Run, **kwargs: t.Any) -> None:
        """Check the settings; nothing is sent or read yet. `run` is what shall be done.

        Raises:
            SettingsError: for settings that cannot be used.
        """
        self.interrupt = Interrupt()
        self.watches: dict[str, ColumnWatch] = {}
        self._bare: set[str] = set()
        logging.getLogger("singer_sdk.mapper").addFilter(_quotes_no_value)
        super().__init__(**kwargs)
        # A drain only cuts batches, under one lock: threads of the SDK's would gain nothing.
        self.max_parallelism = 1
        self.settings = Settings.from_config(self.config)
        self.reader = t.cast("MessageReader", self.message_reader)
        self.reader.interrupt = self.interrupt
        self._state: t.Any = None
        self._has_states = False
        self._batch_files = BatchFiles(self.config.get("batch_config") or {}, self.interrupt)
        self.run = run(
            self.settings,
            version=self.plugin_version,
            interrupt=self.interrupt,
            write_state=self._write_state_message,
            read_share=lambda: self.reader.read_share,
        )
        self._check_mappings()

    # -- settings ----------------------------------------------------------------------

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, t.Any]) -> None:
        """Add the SDK's settings, but for one that says nothing about members of a segment."""
        super().append_builtin_config(config_jsonschema)
        config_jsonschema["properties"].pop("load_method", None)

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
        problems = [*map(describe, errors), *missing_mapping(self._config)]
        if problems and raise_errors:
            raise SettingsError(problems)
        for name in sorted(set(self._config) - set(schema["properties"])):
            self.logger.warning("%s", no_setting(name, schema["properties"]))
        return problems

    @classproperty
    def _env_var_config(cls) -> dict[str, t.Any]:  # noqa: N805 - the SDK's decorator makes it so
        cls.append_builtin_config(cls.config_jsonschema)
        return read_environment(cls.config_jsonschema)

    def _check_mappings(self) -> None:
        # A stream that brings its own name for a segment is not known yet; any will do for it.
        for stream in ("", *self.settings.streams):
            settings = self.settings.for_stream(stream or "stream")
            try:
                if settings.mapping:  # else the stream may never come
                    compile_mapping(self.settings, settings, self.run.utc_now)
                member_tags(settings)
            except ValueError as error:
                where = f"In 'streams.{stream}': " if stream else ""
                raise SettingsError([f"{where}{error}"]) from None
        if problems := mixed_segments(self.settings):
            raise SettingsError(problems)

    # -- messages ----------------------------------------------------------------------

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """The sink of a stream; Meltano's test of the settings has one that sends nothing."""
        email = self.settings.for_stream(stream_name).mapping.get("email", "")
        if meltano_test.is_meltanos(stream_name, self._columns_of(stream_name), str(email)):
            self.logger.info("Settings and API key are good; the records of a test are not sent.")
            return meltano_test.MeltanosTestSink
        return SegmentSink

    def _columns_of(self, stream_name: str) -> Collection[str]:
        """The columns, less keys, of a stream whose SCHEMA is under way, after its stream map."""
        for stream_map in self.mapper.stream_maps.get(self.reader.stream or "", ()):
            if stream_map.stream_alias == stream_name:
                columns = set(stream_map.transformed_schema["properties"])
                return columns.difference(stream_map.transformed_key_properties or ())
        return ()

    def _process_schema_message(self, message_dict: dict[str, t.Any]) -> None:
        """Take in a schema, and blame the tap for what cannot be read of it.

        Raises:
            InvalidJSONSchema: when it cannot be read.
        """
        if isinstance(schema := message_dict.get("schema"), dict):
            self._make_readable(schema, message_dict)
        try:
            super()._process_schema_message(message_dict)
        except (TypeError, AttributeError, KeyError):
            if self.config.get("stream_maps"):  # they may be to blame
                raise
            raise InvalidJSONSchema("holds a schema that cannot be read") from None
        self._let_go_of_old_sinks()

    def _let_go_of_old_sinks(self) -> None:
        """End the sinks whose schema has changed: what they have received is the delivery's.

        The SDK keeps them until its next drain, which a schema a record would make thousands.
        """
        for sink in self._sinks_to_clear:
            sink.clean_up()
        self._sinks_to_clear.clear()

    def _process_record_message(self, message_dict: dict[str, t.Any]) -> None:
        try:
            super()._process_record_message(message_dict)
        except RecursionError:  # decoding bears more levels than flattening, say
            super()._process_record_message(self.reader.decode_less())

    def _make_readable(self, schema: dict[str, t.Any], message: dict[str, t.Any]) -> None:
        keys = message.get("key_properties") or ()
        if "properties" not in schema and not keys:
            self._bare.add(str(message.get("stream")))
        complete(schema, keys)
        spell_out(schema)
        if self.config.get("flattening_enabled"):
            make_flattenable(schema)

    def _process_state_message(self, message_dict: dict[str, t.Any]) -> None:
        """Hand the state's text to the delivery: the SDK would emit it before it is true."""
        self._assert_line_requires(message_dict, requires={"value"})
        value = message_dict["value"]
        self._state, self._has_states = value, True
        # A state that is empty says nothing.
        self.run.runner.state(raw_value(self.reader.line, "value") if value else b"")

    def _write_state_message(self, state: bytes) -> None:  # type: ignore[override]
        """Emit a state, and do not log it as the SDK would: a bookmark may be an e-mail."""
        write_line(state)

    def _process_activate_version_message(self, message_dict: dict[str, t.Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        for stream_map in self.mapper.stream_maps.get(message_dict["stream"], ()):
            if self.sink_exists(stream_map.stream_alias):
                sink = self.get_sink(stream_map.stream_alias)
                if sink.process_activate_version_messages:
                    sink.activate_version(message_dict["version"])

    def _process_batch_message(self, message_dict: dict[str, t.Any]) -> None:
        """Have the records take the way of all: the SDK maps and validates none from a file."""
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        for record in records_of(message_dict, self._batch_files, self.reader):
            self._process_record_message(record)

    def process_endofpipe(self) -> None:
        """Drain, then wait until every record has its verdict.

        Raises:
            InvalidJSONSchema: a stream told neither a column nor a key, and sent no record.
        """
        for watch in self.watches.values():
            watch.end()
        if any(not self._has_records(stream) for stream in self._bare):
            raise InvalidJSONSchema("lacks 'properties', and its stream has no record")
        super().process_endofpipe()
        self._doubt_what_is_not_over()
        self.run.finish()

    def _doubt_what_is_not_over(self) -> None:
        """Have no mirror remove anybody whose stream the input may not have brought whole."""
        reader, everywhere = self.reader, ""
        if reader.is_fed_back:
            everywhere = doubts.FED_BACK
        elif stream := under_way(self._state):
            everywhere = doubts.under_way(stream)
        elif self._has_states and reader.kind in {"RECORD", "BATCH"}:
            everywhere = doubts.CUT_OFF
        for name in self.run.outcome.streams if everywhere else ():
            self.run.doubt(name, everywhere)
        for source in unfinished(self._state):
            for stream_map in self.mapper.stream_maps.get(source, ()):
                self.run.doubt(stream_map.stream_alias, doubts.under_way(source))

    def _has_records(self, stream: str) -> bool:
        names = [stream_map.stream_alias for stream_map in self.mapper.stream_maps[stream]]
        return any(self.run.outcome.stream(name).received for name in names)

    # -- command line ------------------------------------------------------------------

    def _setup_signal_handlers(self) -> None:
        """Take over the signals: the SDK's handlers acknowledge records that were not sent."""
        self.interrupt.install()

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805 - the SDK's decorator makes it a class's
        """The command; its log is set up here."""
        stand_in_for_the_log()
        logging.setLogRecordFactory(PrintableRecord)
        try:
            return super().cli
        except Exception:  # noqa: BLE001 - whatever the operator's own file makes of it
            sys.exit(unusable_logging())

    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the settings' files and, for `ENV`, the environment.

        What cannot be read is said by `invoke`, which knows what the command is to do.
        """
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError, RecursionError):
            ctx.meta[UNREADABLE] = unreadable(value)
            return readable(value)

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
        check: bool = False,
    ) -> None:
        """Run the command and exit with its code."""
        if about:
            cls.print_about(about_format)
            return
        if check and retire is not None:
            raise click.UsageError("--check and --retire do not go together.")
        cls.print_version(print_fn=cls.logger.info)
        config = config or _ConfigInput()
        reads_input = not check and retire is None and file_input is None
        try:
            if error := click.get_current_context().meta.get(UNREADABLE):
                raise error
            cls.append_builtin_config(cls.config_jsonschema)
            check_environment(config, cls.config_jsonschema)
            target = cls(
                run=Check if check else DryRun if dry_run else Run,
                config=config.config,
                parse_env_config=config.parse_env,
            )
        except SettingsError as error:
            interrupt = Interrupt()
            interrupt.install()
            code = end_unstarted(
                error.problems,
                {} if dry_run else with_environment(config),
                version=cls.plugin_version,
                wait=partial(_let_the_tap_end, interrupt) if reads_input else nothing,
            )
            sys.exit(code)
        run = target.run
        if isinstance(run, Check):
            sys.exit(run.execute(run.describe))
        check_open(reading=reads_input)
        if retire is not None:
            sys.exit(run.execute(lambda: run.retire(retire)))
        failed = partial(_let_the_tap_end, target.interrupt) if reads_input else nothing
        sys.exit(run.execute(lambda: target.read(file_input), failed=failed))

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add our own options to the SDK's."""
        command = _Command.of(super().get_singer_command(), cls.logger)
        command.params += [
            click.Option(
                ["--check"],
                is_flag=True,
                help="Say whose API key it is, what it may read and what the mapping needs; read "
                "no input and write nothing.",
            ),
            click.Option(
                ["--retire"],
                metavar="SEGMENT",
                help="Take the membership of a segment back from everyone the ledger says this "
                "target gave it to.",
            ),
            click.Option(
                ["--dry-run"],
                is_flag=True,
                help="Read the whole input, or retire, and say what would be done; send and write "
                "nothing.",
            ),
        ]
        return command

    def read(self, file_input: t.IO[str] | None) -> None:
        """Read messages to their end, and see them settled.

        Raises:
            RunFailed: when something ends the run early.
            Stopped: when a signal came.
        """
        try:
            self.listen(file_input)
        except INPUT_ERRORS as error:
            sentence = at_line(error, self.reader)
            failure = RunFailed(
                ExitCode.FAULT,
                f"{sentence.removesuffix('.')}; what came before it has its verdict: mend the "
                "line, or the tap that wrote it, then run again.",
            )
            self.logger.error(  # noqa: TRY400 - a traceback says nothing more
                sentence,
                extra={
                    "exit_code": int(failure.exit_code),
                    "stream_name": self.reader.stream,
                    "input_line": self.reader.number,
                },
            )
            # What came before the bad line is good: deliver it, remove nobody, then fail.
            super().process_endofpipe()
            self.run.finish(removing=False)
            self.run.outcome.failure = self.run.outcome.failure or failure
        except Exception as error:  # noqa: BLE001 - raised again in any case
            raise of_stream_maps(error, self.reader) or error from None


class _Command(SingerCommand):
    """A command whose last line names the exit code for a wrong command line too."""

    @classmethod
    def of(cls, command: click.Command, logger: logging.Logger) -> _Command:
        """The same command."""
        return cls(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
            logger=logger,
        )

    def main(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Run it."""
        try:
            return super().main(*args, **kwargs)
        except SystemExit as end:
            if end.code == ExitCode.USAGE:
                self.logger.error(  # noqa: TRY400 - not a fault
                    "Wrong use of the command line; exit code 2; see target-omnisend --help."
                )
            raise


def _let_the_tap_end(interrupt: Interrupt) -> None:
    """After a failure, go on reading for a while: a tap whose pipe breaks covers our sentence."""
    if (pipe := tap()) is not None:
        interrupt.discard(pipe, waits.seconds(waits.DISCARD))


def _quotes_no_value(record: logging.LogRecord) -> bool:
    # What a stream map's filter evaluates to is often the e-mail itself ("__filter__": "email").
    return not str(record.msg).startswith("Filter result for")
