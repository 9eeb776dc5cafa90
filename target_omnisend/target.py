"""`TargetOmnisend`: command line, wiring, signals, exit code."""

from __future__ import annotations

import copy
import logging
import sys
import typing as t

import click
from singer_sdk import Sink, Target
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator, _ConfigInput

from target_omnisend.commands.command_line import Command, Options, run
from target_omnisend.commands.session import Session
from target_omnisend.config import environment, validation
from target_omnisend.config.schema import CONFIG_JSONSCHEMA
from target_omnisend.config.settings import Settings
from target_omnisend.config.validation import SettingsError
from target_omnisend.direct import DirectWays
from target_omnisend.events import event
from target_omnisend.output.stdio import stand_in_for_the_log, unusable_logging, write_line
from target_omnisend.output.terminal import PrintableRecord
from target_omnisend.signals import Interrupt
from target_omnisend.singer import meltano_test
from target_omnisend.singer.batch_files import BatchFiles
from target_omnisend.singer.batch_messages import head_of, records_of
from target_omnisend.singer.completeness import LastState
from target_omnisend.singer.decoding import raw_value
from target_omnisend.singer.noise import keep_out, quotes_no_value
from target_omnisend.singer.reader import MessageReader
from target_omnisend.singer.schemas import make_readable
from target_omnisend.sinks import SegmentSink
from target_omnisend.stream_problems import mapping_problems

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from target_omnisend.singer.column_watch import ColumnWatch


class TargetOmnisend(Target):
    """Singer target that makes a stream's people members of a segment in Omnisend.

    Its session has to begin before its first message: `with target.session: target.listen(…)`.
    """

    name = "target-omnisend"
    config_jsonschema = copy.deepcopy(CONFIG_JSONSCHEMA)  # the SDK adds its own settings to it
    message_reader_class = MessageReader
    capabilities: t.ClassVar = [
        *(PluginCapabilities.ABOUT, PluginCapabilities.BATCH, PluginCapabilities.STREAM_MAPS),
        *(PluginCapabilities.FLATTENING, PluginCapabilities.ACTIVATE_VERSION),
        *(PluginCapabilities.STRUCTURED_LOGGING, TargetCapabilities.VALIDATE_RECORDS),
    ]

    def __init__(self, *, session: Callable[..., Session] = Session, **kwargs: t.Any) -> None:
        """Check the settings; nothing is sent or read yet. `session` makes a session of them.

        Raises:
            SettingsError: for settings that cannot be used.
        """
        self.interrupt = Interrupt()
        self.watches: dict[str, ColumnWatch] = {}
        self._bare: set[str] = set()
        logging.getLogger("singer_sdk.mapper").addFilter(quotes_no_value)
        super().__init__(**kwargs)
        # A drain only cuts batches, under one lock: the SDK's threads would gain nothing.
        self.max_parallelism = 1
        self.settings = Settings.from_config(self.config)
        self.reader = t.cast("MessageReader", self.message_reader)
        self.reader.interrupt = self.interrupt
        self._direct = DirectWays(self)
        self._last_state = LastState()
        self._batch_files = BatchFiles(self.config.get("batch_config") or {}, self.interrupt)
        self.session = session(
            self.settings,
            version=self.plugin_version,
            interrupt=self.interrupt,
            write_state=self._write_state_message,
            read_share=lambda: self.reader.read_share,
        )
        if problems := mapping_problems(self.settings, self.session.utc_now):
            raise SettingsError(problems)

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
        self._config = environment.tidied(self._config)
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        problems = validation.unfit_values(JSONSchemaValidator(schema), self._config)
        if problems and raise_errors:
            raise SettingsError(problems)
        for sentence in validation.no_settings(self._config, schema["properties"]):
            self.logger.warning("%s", sentence, extra=event("setting_unknown"))
        return problems

    @classproperty
    def _env_var_config(cls) -> dict[str, t.Any]:  # noqa: N805 - the SDK's decorator makes it so
        cls.append_builtin_config(cls.config_jsonschema)
        return environment.read_environment(cls.config_jsonschema)

    # -- messages ----------------------------------------------------------------------

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """The sink of a stream; Meltano's test of the settings has one that sends nothing."""
        email = self.settings.for_stream(stream_name).mapping.get("email", "")
        maps = self.mapper.stream_maps.get(self.reader.stream or "", ())
        columns = meltano_test.columns_of(maps, stream_name)
        if meltano_test.is_meltanos(stream_name, columns, str(email)):
            self.logger.info(
                "Settings and API key are good; the records of a test are not sent.",
                extra=event("test_not_sent"),
            )
            return meltano_test.MeltanosTestSink
        return SegmentSink

    def _process_schema_message(self, message_dict: dict[str, t.Any]) -> None:
        """Take in a schema, and blame the tap for what cannot be read of it.

        Raises:
            InvalidJSONSchema: when it cannot be read.
        """
        self._direct.close(self.reader.stream)
        if isinstance(schema := message_dict.get("schema"), dict):
            keys = message_dict.get("key_properties") or ()
            if "properties" not in schema and not keys:
                self._bare.add(str(message_dict.get("stream")))
            make_readable(schema, keys, flattened=bool(self.config.get("flattening_enabled")))
        try:
            super()._process_schema_message(message_dict)
        except (TypeError, AttributeError, KeyError):
            if self.config.get("stream_maps"):  # they may be to blame
                raise
            raise InvalidJSONSchema("holds a schema that cannot be read") from None
        # The delivery has the records of the sinks whose schema has changed. The SDK keeps these
        # until its next drain: with a schema before each record that would be thousands.
        for sink in self._sinks_to_clear:
            sink.clean_up()
        self._sinks_to_clear.clear()
        self._direct.open(self.reader.stream, self._sinks_active)

    def _process_record_message(self, message_dict: dict[str, t.Any]) -> None:
        self._take(message_dict["record"], message_dict)

    def _take(self, record: dict[str, t.Any], head: dict[str, t.Any]) -> None:
        """Take in a record; `head` is the rest of its message."""
        try:
            if way := self._direct.get(self.reader.stream):
                way.take(record)
            else:
                super()._process_record_message({**head, "record": record})
        except RecursionError:  # decoding bears more levels than flattening, say
            super()._process_record_message(self.reader.decode_less())

    def _process_state_message(self, message_dict: dict[str, t.Any]) -> None:
        """Hand the state's text to the delivery: the SDK would emit it before it is true."""
        self._assert_line_requires(message_dict, requires={"value"})
        value = message_dict["value"]
        self._last_state.take(value)
        # A state that is empty says nothing.
        self.session.runner.state(raw_value(self.reader.line, "value") if value else b"")

    def _write_state_message(self, state: bytes) -> None:  # type: ignore[override]
        """Emit a state, and do not log it as the SDK would: a bookmark may be an e-mail."""
        write_line(state)

    def _process_activate_version_message(self, message_dict: dict[str, t.Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        for name in filter(self.sink_exists, self._aliases(message_dict["stream"])):
            sink = self.get_sink(name)
            if sink.process_activate_version_messages:
                sink.activate_version(message_dict["version"])

    def _process_batch_message(self, message_dict: dict[str, t.Any]) -> None:
        """Have the records take the way of all: the SDK maps and validates none from a file."""
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        sink = self._direct.sink(self.reader.stream)
        needs = (sink.columns_used, sink.fits_all) if sink else ()
        head = head_of(message_dict)
        for record in records_of(message_dict, self._batch_files, self.reader, *needs):
            self._take(record, head)

    def process_endofpipe(self) -> None:
        """Drain, then wait until every record has its verdict.

        Raises:
            InvalidJSONSchema: a stream named neither a column nor a key, and sent no record.
        """
        for watch in self.watches.values():
            watch.end()
        counts = self.session.outcome.stream
        for stream in self._bare:
            if not any(counts(one).received for one in self._aliases(stream)):
                raise InvalidJSONSchema("lacks 'properties', and its stream has no record")
        self.drain()
        self._doubt_what_is_not_over()
        self.session.finish()

    def _doubt_what_is_not_over(self) -> None:
        """Have no mirror remove a member of a stream that can have come in part."""
        if why := self._last_state.why_incomplete(self.reader):
            for name in self.session.outcome.streams:
                self.session.doubt(name, why)
        for source, why in self._last_state.unfinished():
            for name in self._aliases(source):
                self.session.doubt(name, why)

    def _aliases(self, stream: str) -> list[str]:
        """The streams that the tap's stream becomes by stream maps."""
        return [one.stream_alias for one in self.mapper.stream_maps.get(stream, ())]

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
            keep_out(cls.logger)
            return super().cli
        except Exception:  # noqa: BLE001 - whatever the operator's own file makes of it
            sys.exit(unusable_logging())

    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        """Read the settings' files and, for `ENV`, the environment.

        `invoke` reports a file that cannot be read, because it knows the command.
        """
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError, RecursionError):
            ctx.meta[environment.UNREADABLE] = environment.unreadable(value)
            return environment.readable(value)

    @classmethod
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        **options: t.Any,
    ) -> None:
        """Run the command and exit with its code."""
        if about:
            cls.print_about(about_format)
            return
        given = Options(**options)
        given.validate()
        cls.print_version(print_fn=cls.logger.info)
        sys.exit(run(cls._of, config or _ConfigInput(), given, version=cls.plugin_version))

    @classmethod
    def _of(cls, config: _ConfigInput, session: Callable[..., Session]) -> Self:
        """The target of a command line.

        Raises:
            SettingsError: for settings that cannot be used.
        """
        if error := click.get_current_context().meta.get(environment.UNREADABLE):
            raise error
        cls.append_builtin_config(cls.config_jsonschema)
        environment.check_environment(config, cls.config_jsonschema)
        return cls(session=session, config=config.config, parse_env_config=config.parse_env)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add our own options to the SDK's."""
        return Command.of(super().get_singer_command(), cls.logger)

    def drain(self) -> None:
        """Hand on the records that were read and still wait."""
        self._direct.end()
        super().process_endofpipe()
