"""What the SDK gives every target works in this one."""

from __future__ import annotations

import json
import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state

from target_omnisend.config.schema import CONFIG_JSONSCHEMA

if TYPE_CHECKING:
    from support.command import Command
    from support.sandbox import Sandbox

PLAIN = {"membership": "property"}  # spares the second that tags take


def test_version(command: Command) -> None:
    ran = command.run("--version")
    assert (ran.code, ran.out) == (
        0,
        f"target-omnisend v{version('target-omnisend')}, Meltano SDK v{version('singer-sdk')}\n",
    )


@pytest.mark.parametrize("about", [(), ("--format=json",), ("--format=markdown",)])
def test_about_shows_every_setting(command: Command, about: tuple[str, ...]) -> None:
    ran = command.run("--about", *about)
    assert ran.code == 0
    assert [name for name in CONFIG_JSONSCHEMA["properties"] if name not in ran.out] == []
    if about == ("--format=json",):
        settings = json.loads(ran.out)["settings"]
        assert settings["properties"]["api_key"]["secret"] is True
        assert settings["required"] == ["data_privacy_consent"]
        assert settings["anyOf"] == [{"required": ["api_key"]}, {"required": ["access_token"]}]


def test_meltanos_test_of_the_settings_sends_nothing(command: Command, sandbox: Sandbox) -> None:
    test = "meltano_test_stream"
    columns = {"id": {"type": "integer"}, "name": {"type": "string"}}
    messages = [
        {**schema(test, keys=["id"]), "schema": {"type": "object", "properties": columns}},
        {"type": "RECORD", "stream": test, "record": {"id": 1, "name": "Meltano Test Record"}},
        {"type": "STATE", "value": {"bookmarks": {test: {"last_record": 1}}}},
        {"type": "ACTIVATE_VERSION", "stream": test, "version": 1},
    ]
    more = {"create_segment": True, "streams": {"members": {"segment": "VIP"}}}
    ran = command(*messages, **more)
    assert (ran.code, ran.states) == (0, [messages[2]["value"]]), ran.log
    assert [word for word in ("error", "exception") if word in ran.log.lower()] == []
    assert sandbox.store.requests.counts == {"GET /brands/current": 1}
    assert [path.name for path in command.folder.iterdir()] == ["config.json"]
    assert command(*messages, api_key="wrong").code == 3


@pytest.mark.parametrize(
    "columns", [{}, {"properties": {"id": {"type": "integer"}, "email": {"type": "string"}}}]
)
def test_a_stream_named_like_meltanos_test_is_a_stream_like_others(
    command: Command, sandbox: Sandbox, columns: dict[str, Any]
) -> None:
    test = "meltano_test_stream"
    messages = [
        {**schema(test, keys=["id"]), "schema": {"type": "object", "properties": {}, **columns}},
        {"type": "RECORD", "stream": test, "record": {"id": 1, "email": "member1@example.com"}},
        {"type": "RECORD", "stream": test, "record": {"id": 2, "email": None}},
    ]
    ran = command(*messages, membership="property")
    assert (ran.code, ran.counts["accepted"], ran.counts["rejected"]) == (0, 1, 1), ran.log
    assert set(sandbox.store.contacts) == {"member1@example.com"}


def test_the_e_mail_column_of_meltanos_test_is_the_mapped_one(
    command: Command, sandbox: Sandbox
) -> None:
    test = "meltano_test_stream"
    mapped = {"mapping": {"email": "name"}}
    columns = {"id": {"type": "integer"}, "email": {"type": "string"}, "name": {"type": "string"}}
    named = {**schema(test), "schema": {"type": "object", "properties": columns}}
    one = {"type": "RECORD", "stream": test, "record": {"name": "member1@example.com"}}
    assert command(named, one, membership="property", streams={test: mapped}).code == 0
    assert set(sandbox.store.contacts) == {"member1@example.com"}


def test_settings_come_from_the_environment(command: Command, sandbox: Sandbox) -> None:
    settings = {
        "API_KEY": "sandbox-key",
        "API_URL": sandbox.api_url,
        "DATA_PRIVACY_CONSENT": "true",
        "MAPPING": '{"email": "mail", "first_name": "name"}',
        "CUSTOM_PROPERTIES": '{"spent": "spent"}',
        "SEGMENT": "VIP",
        "TAGS": '["one", "two"]',
        "QUOTA_SHARE": "0.5",
        "REQUEST_TIMEOUT": "5",
        "MAX_UNCONFIRMED": "1000",
        "REJECTS_PATH": str(command.rejects_path),
    }
    message = record("x", mail="member1@example.com", name="Ada", spent=1.5)
    ran = command.run(
        "--config=ENV",
        text="\n".join(map(json.dumps, [schema(mail={}, name={}, spent={}), message])).encode(),
        variables={f"TARGET_OMNISEND_{name}": value for name, value in settings.items()},
    )
    assert ran.code == 0, ran.log
    contact = sandbox.store.contacts["member1@example.com"]
    assert (contact.first_name, contact.properties) == ("Ada", {"spent": 1.5})
    assert contact.tags == ("VIP", "one", "two")


def test_stream_maps_rename_filter_and_alias(command: Command, sandbox: Sandbox) -> None:
    maps: dict[str, Any] = {
        "people": {
            "email": "mail.lower()",
            "name": "first + ' ' + last",
            "__filter__": "spent > 10",
            "__alias__": "big_spenders",
        },
        "noise": None,
    }
    columns = {name: {"type": "string"} for name in ("mail", "first", "last")}
    rich = {"mail": "Member1@example.com", "first": "Ada", "last": "Ek", "spent": 11}
    ran = command(
        schema("people", **columns, spent={"type": "number"}),
        schema("noise"),
        record(None, "people", **rich),
        record(None, "people", **{**rich, "mail": "member2@example.com", "spent": 9}),
        record("member3@example.com", "noise"),
        state(at=1),
        stream_maps=maps,
        mapping={"email": "email", "first_name": "name"},
        segment=None,
    )
    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    (contact,) = sandbox.store.contacts.values()
    assert (contact.email, contact.first_name) == ("member1@example.com", "Ada Ek")
    assert contact.tags == ("big_spenders",)


def test_what_a_stream_map_refuses_can_be_sent_again(command: Command, sandbox: Sandbox) -> None:
    settings: dict[str, Any] = {
        "stream_maps": {"members": {"email": "mail", "mail": "__NULL__"}},
        **PLAIN,
    }
    original = record(None, mail="nobody", id=1)
    assert command(schema(mail={"type": "string"}, id={}), original, **settings).code == 4
    _, refused = command.rejects()
    assert refused.pop("rejection")["code"] == "email_invalid"
    assert refused == original, "as the tap wrote it, not as the map made it"

    refused["record"]["mail"] = "member1@example.com"
    assert command(schema(mail={"type": "string"}, id={}), refused, **settings).code == 0
    assert set(sandbox.store.contacts) == {"member1@example.com"}


def test_nested_columns_flatten(command: Command, sandbox: Sandbox) -> None:
    text = {"type": "string"}
    nested = {
        "type": "object",
        "properties": {"mail": text, "home": {"properties": {"town": text}}},
    }
    nested["properties"]["home"]["type"] = "object"  # type: ignore[index]
    ran = command(
        schema(contact=nested),
        record(None, contact={"mail": "member1@example.com", "home": {"town": "Bath"}}),
        flattening_enabled=True,
        flattening_max_depth=3,
        mapping={"email": "contact__mail", "city": "contact__home__town"},
        **PLAIN,
    )
    assert ran.code == 0, ran.log
    assert sandbox.store.contacts["member1@example.com"].city == "Bath"


def test_batch_size_rows_says_how_many_a_drain_takes(command: Command, sandbox: Sandbox) -> None:
    ran = command(schema(), *people(255), batch_size_rows=50, **PLAIN)
    assert ran.code == 0, ran.log
    assert sorted(batch.total for batch in sandbox.store.batches) == [55, 100, 100]
    assert '"metric":"record_count","value":255' in ran.log.replace(": ", ":").replace(", ", ",")


def test_records_that_do_not_fit_their_schema_pass_if_asked_to(
    command: Command, sandbox: Sandbox
) -> None:
    short = {"type": "string", "maxLength": 9}
    messages = [schema(email=short), record("member1@example.com")]

    assert command(*messages, **PLAIN).counts["rejected"] == 1
    assert sandbox.store.batches == []
    assert command.rejects()[1]["rejection"]["field"] == "email"
    assert command(*messages, validate_records=False, **PLAIN).counts["accepted"] == 1
    assert set(sandbox.store.contacts) == {"member1@example.com"}


def test_each_stream_may_have_settings_of_its_own(command: Command, sandbox: Sandbox) -> None:
    ran = command(
        schema("a", town={}),
        schema("b", mail={}, rank={}),
        schema("c"),
        record("member1@example.com", "a", town="Bath"),
        record(None, "b", mail="member2@example.com", rank=3),
        record("member3@example.com", "c"),
        record("member1@example.com", "c"),
        state(at=1),
        segment=None,
        mapping={"email": "email"},
        streams={
            "a": {"mapping": {"email": "email", "city": "town"}, "segment": "Bath", "tags": ["t"]},
            "b": {
                "mapping": {"email": "mail"},
                "custom_properties": {"rank": "rank"},
                "membership": "property",
            },
        },
    )
    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    contacts = {email.partition("@")[0]: c for email, c in sandbox.store.contacts.items()}
    assert (contacts["member1"].city, set(contacts["member1"].tags)) == ("Bath", {"Bath", "t", "c"})
    assert (contacts["member2"].properties, contacts["member2"].tags) == (
        {"rank": 3, "segment_b": True},
        (),
    )
    assert contacts["member3"].tags == ("c",)


def test_a_mapped_column_that_neither_schema_nor_records_have_is_named(command: Command) -> None:
    ran = command(
        schema(fist_name={}),
        record("member1@example.com", fist_name="Ada"),
        mapping={"email": "email", "first_name": "first_name", "city": "town"},
        custom_properties={"spent": "spent"},
        **PLAIN,
    )
    assert ran.code == 0, ran.log
    told = dict(re.findall(r"WARNING .*Stream 'members': (\S+) names the column (.*)", ran.log))
    lacks, cure = "which the stream does not have", "Correct the mapping, or have the tap send it."
    assert told == {
        "mapping.first_name": f"'first_name', {lacks}; did you mean 'fist_name'? {cure}",
        "mapping.city": f"'town', {lacks}. {cure}",
        "custom_properties.spent": f"'spent', {lacks}. {cure}",
    }


def test_nothing_is_written_where_it_runs(command: Command) -> None:
    assert command(schema(), *people(3), **PLAIN).code == 0
    assert [path.name for path in command.folder.iterdir()] == ["config.json"]


def test_the_example_of_an_environment_file_can_be_used(command: Command, sandbox: Sandbox) -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text()
    variables = re.findall(r"^(?:# )?(TARGET_OMNISEND_\w+=.*)$", text, re.MULTILINE)
    assert len(variables) > len(CONFIG_JSONSCHEMA["properties"]), "the SDK's too"
    # Quoted for a shell as for Meltano.
    example = dict(shlex.split(line)[0].split("=", 1) for line in variables)
    del example["TARGET_OMNISEND_ACCESS_TOKEN"]  # in place of the key
    mine = {
        "TARGET_OMNISEND_API_KEY": "sandbox-key",
        "TARGET_OMNISEND_API_URL": sandbox.api_url,
        "TARGET_OMNISEND_DATA_PRIVACY_CONSENT": "true",
        "TARGET_OMNISEND_LEDGER_URL": f"sqlite:///{command.folder}/ledger.db",
        "TARGET_OMNISEND_REPORT_PATH": str(command.folder / "report.json"),
    }
    ran = command.run("--config=ENV", variables={**example, **mine})
    assert ran.code == 0, ran.log
