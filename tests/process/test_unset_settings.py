"""Settings that are blank, whole or in part, and a mapping that only the streams have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import KEY, record, schema, state

if TYPE_CHECKING:
    from support.command import Command
    from support.sandbox import Sandbox


def mails(stream: str, column: str = "mail") -> list[dict[str, Any]]:
    message = {"type": "RECORD", "stream": stream, "record": {column: "ada@example.com"}}
    return [schema(stream, mail={}), message, state(done=stream)]


def test_a_blank_field_is_not_mapped(command: Command, sandbox: Sandbox) -> None:
    mapping = {"email": "email", "first_name": None, "city": " ", "address": ["", None]}
    ran = command(schema(), record("ada@example.com"), state(a=1), mapping=mapping, tags=[""])
    assert (ran.code, ran.counts["accepted"], ran.errors) == (0, 1, []), ran.log
    (contact,) = sandbox.store.contacts.values()
    assert contact.tags == ("VIP",)


def test_a_blank_variable_is_not_set(command: Command, sandbox: Sandbox) -> None:
    names = ("ACCESS_TOKEN", "TAGS", "STREAMS", "FULL_REFRESH", "MAX_UNCONFIRMED", "QUOTA_SHARE")
    blank = dict.fromkeys((f"TARGET_OMNISEND_{name}" for name in names), " ")
    blank |= {"TARGET_OMNISEND_DATA_PRIVACY_CONSENT": "", "TARGET_OMNISEND_CREATE_SEGMENT": ""}
    path = command.config(create_segment=True)
    text = b"\n".join([_line(schema()), _line(record("ada@example.com"))])
    ran = command.run("--config", path, "--config", "ENV", text=text, variables=blank)
    assert (ran.code, ran.counts["accepted"]) == (0, 1), ran.log
    assert [s.name for s in sandbox.store.segments.by_id.values()] == ["VIP"]


def _line(message: Any) -> bytes:
    return json.dumps(message).encode()


def test_a_mapping_is_not_needed_if_each_stream_has_its_own(command: Command) -> None:
    streams = {"a": {"mapping": {"email": "mail"}}, "b": {"mapping": {"email": "mail"}}}
    ran = command(*mails("a"), *mails("b"), mapping=None, segment=None, streams=streams)
    assert (ran.code, ran.counts["accepted"]) == (0, 2), ran.log


@pytest.mark.parametrize("streams", [{}, {"b": {"tags": ["x"]}}], ids=repr)
def test_a_stream_without_a_mapping_ends_the_run(command: Command, streams: Any) -> None:
    own = {"a": {"mapping": {"email": "mail"}}, **streams}
    ran = command(*mails("a"), *mails("b"), mapping={"email": ""}, segment=None, streams=own)
    (error,) = ran.errors
    assert ran.code == 3
    assert error.startswith("Stream 'b' has no mapping. Set 'mapping.email', or ")
    assert "'streams.b.mapping.email'" in error


def test_without_any_mapping_the_settings_are_rejected(command: Command) -> None:
    ran = command(*mails("a"), mapping=None, streams={"a": {"tags": ["x"]}})
    (error,) = ran.errors
    assert (ran.code, "Setting 'mapping' is missing." in error) == (3, True)


def test_the_check_needs_no_mapping_beside_those_of_the_streams(command: Command) -> None:
    more: dict[str, Any] = {"mapping": None, "segment": None}
    path = command.config(**more, streams={"a": {"mapping": {"email": "mail"}}})
    ran = command.run("--config", path, "--check")
    assert (ran.code, ran.errors) == (0, []), ran.log
    assert "mapping of stream 'a': each record needs the column mail" in ran.log


def test_a_stream_name_that_meltano_has_split_is_found(command: Command, sandbox: Sandbox) -> None:
    streams = {"shop": {"eu": {"buyers": {"segment": "Buyers", "mapping": {"email": "mail"}}}}}
    ran = command(*mails("shop.eu.buyers"), segment=None, streams=streams)
    assert ran.code == 0, ran.log
    (contact,) = sandbox.store.contacts.values()
    assert contact.tags == ("Buyers",)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"eu": {"sement": "A"}}, "Meltano splits the name of a stream at its dots"),
        ({"customers": {"sement": "A"}}, "if the stream is 'shop.customers'"),
        ({"maping": {"email": "mail"}}, "did you mean 'mapping'?"),
    ],
    ids=repr,
)
def test_a_wrong_setting_of_a_stream_is_named(command: Command, own: Any, words: str) -> None:
    ran = command(*mails("shop"), streams={"shop": own})
    (error,) = ran.errors
    assert (ran.code, words in error) == (3, True), error
    assert KEY not in error
