"""What the design leans on in singer-sdk; an upgrade that changes one of these says so here.

Each test watches a target of the SDK's own, without anything of this project's.
"""

from __future__ import annotations

import io
import json
import re
import signal
from importlib.metadata import requires, version
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_sdk import BatchSink, Target
from singer_sdk import typing as th
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.mapper import CustomStreamMap
from singer_sdk.plugin_base import _ConfigInput

if TYPE_CHECKING:
    from collections.abc import Iterator

SDK = f"singer-sdk {version('singer-sdk')}"


class Watched(BatchSink):
    """Notes what the SDK calls, in order."""

    calls: ClassVar[list[str]] = []
    MAX_SIZE_DEFAULT = 3

    def get_validator(self) -> None:
        """Leave records to `process_record`."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        self.calls.append("parse")
        return record

    def _singer_validate_message(self, record: dict[str, Any]) -> None:  # noqa: ARG002
        self.calls.append("keys")

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        self.calls.append(f"record {record['id']}")

    def process_batch(self, context: dict[str, Any]) -> None:  # noqa: ARG002
        self.calls.append("batch")

    def clean_up(self) -> None:
        self.calls.append("clean up")


class WatchedTarget(Target):
    name = "target-watched"
    config_jsonschema = th.PropertiesList().to_dict()
    default_sink_class = Watched
    set_up_signals = 0

    def _setup_signal_handlers(self) -> None:
        type(self).set_up_signals += 1

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:  # noqa: ARG002
        Watched.calls.append("state")

    def _write_state_message(self, state: Any) -> None:  # noqa: ARG002
        Watched.calls.append("state written")


@pytest.fixture(autouse=True)
def calls() -> Iterator[list[str]]:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    Watched.calls.clear()
    yield Watched.calls
    assert handlers == [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]


def _schema(**columns: Any) -> dict[str, Any]:
    properties = {"id": {"type": "integer"}, **columns}
    return {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}}


def _record(number: int) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "s", "record": {"id": number}}


STATE = {"type": "STATE", "value": {"at": 1}}


def _listen(*messages: dict[str, Any], **config: Any) -> WatchedTarget:
    target = WatchedTarget(config=config)
    target.max_parallelism = 1
    target.listen(io.StringIO("".join(json.dumps(message) + "\n" for message in messages)))
    return target


def test_a_record_takes_its_steps_before_the_next_line_is_read(calls: list[str]) -> None:
    _listen(_schema(), _record(1), STATE, _record(2))
    steps = ["parse", "keys", "record 1", "state", "parse", "keys", "record 2"]
    assert calls[:7] == steps, (
        f"{SDK} takes other steps for a record; `SegmentSink` overrides these, and finds the "
        "message under way in its reader (sink.py)."
    )


def test_a_full_sink_is_drained_at_once_and_every_sink_at_the_end(calls: list[str]) -> None:
    _listen(_schema(), *map(_record, range(4)))
    told = [call for call in calls if call not in {"parse", "keys"}]
    assert told == ["record 0", "record 1", "record 2", "batch", "record 3", "batch", "clean up"], (
        f"{SDK} drains at other moments; `SegmentSink.process_batch` cuts batches then, and "
        "`MAX_SIZE_DEFAULT` says how many records that are (sink.py)."
    )


def test_batch_size_rows_wins_over_the_class(calls: list[str]) -> None:
    _listen(_schema(), *map(_record, range(5)), batch_size_rows=2)
    assert calls.count("batch") == 3, f"{SDK} does not let 'batch_size_rows' set the size."


def test_no_state_is_written_that_the_target_did_not_keep(calls: list[str]) -> None:
    _listen(_schema(), _record(1), STATE)
    assert "state written" not in calls, (
        f"{SDK} writes states of its own; `TargetOmnisend` keeps them from it by overriding "
        "`_process_state_message`, since it would write them before they are true (target.py)."
    )


def test_the_same_schema_keeps_its_sink_and_another_makes_one() -> None:
    target = WatchedTarget(config={})
    target.max_parallelism = 1
    sinks = []
    for message in (_schema(), _schema(), _schema(more={"type": "string"})):
        target._process_schema_message(message)
        sinks.append(target.get_sink("s"))
    assert (sinks[0] is sinks[1], sinks[1] is sinks[2]) == (True, False), (
        f"{SDK} makes sinks at other moments; what they share lives in `Run` for that reason."
    )


def test_signal_handlers_are_set_up_in_one_place() -> None:
    before = WatchedTarget.set_up_signals
    WatchedTarget(config={})
    assert WatchedTarget.set_up_signals == before + 1, (
        f"{SDK} sets signal handlers elsewhere; its own acknowledge records that were not sent."
    )


def test_a_stream_map_is_asked_through_its_transform(calls: list[str]) -> None:
    target = WatchedTarget(config={"stream_maps": {"s": {"id": "id + 1"}}})
    target.max_parallelism = 1
    target._process_schema_message(_schema())
    (stream_map,) = target.mapper.stream_maps["s"]
    assert isinstance(stream_map, CustomStreamMap)
    stream_map.transform = lambda record: {**record, "id": 77}  # type: ignore[method-assign]
    target._process_record_message(_record(1))
    assert "record 77" in calls, (
        f"{SDK} goes another way than `transform`, which the sink guards with a lock (sink.py)."
    )


def test_settings_are_read_by_what_config_py_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_WATCHED_ONE", '{"a": 1}')
    one = {"properties": {"one": {"type": ["object", "null"]}}}
    assert parse_environment_config(one, "TARGET_WATCHED_") == {"one": {"a": 1}}, (
        f"{SDK} reads settings from the environment in another way (config.py)."
    )
    assert {"config", "parse_env"} <= set(dir(_ConfigInput())), f"{SDK}: see `check_environment`."


def test_the_retry_library_is_the_one_that_the_sdk_installs() -> None:
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in requires("singer-sdk") or ()}
    assert "python-backoff" in names, (
        f"{SDK} needs another `backoff`; the old one installs into the same folder."
    )
