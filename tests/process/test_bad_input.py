"""A line that no tap should write: said by stream and number, after what came before is safe."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state

if TYPE_CHECKING:
    from support.command import Command
    from support.sandbox import Sandbox

CONTENT = "Quillon"
AT_4 = "Line 4 of the input"
TYPES = "SCHEMA, RECORD, STATE, ACTIVATE_VERSION and BATCH"
FORMS = "is neither jsonl, plain or with gzip, nor parquet nor arrow"
BEFORE = [schema(keys=["id"]), record("member1@example.com", id=1), state(at=1)]
AFTER = [record("member2@example.com", id=2), state(at=2)]


def _schema_of(value: Any) -> dict[str, Any]:
    return {"type": "SCHEMA", "stream": "others", "schema": value, "key_properties": []}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            record("x", stream="others", id=3, name=CONTENT),
            "Line 4 of the input, stream 'others', is a record that comes before its schema.",
        ),
        (b'{"type": "RECORD", Quillon', "Line 4 of the input is not JSON (26 bytes)."),
        (b"[1]", "Line 4 of the input is not a JSON object."),
        (
            record("x", name=CONTENT),
            "Line 4 of the input, stream 'members', lacks the key property 'id'.",
        ),
        (
            {"type": "RECORD", "stream": "members", "record": CONTENT},
            "Line 4 of the input, stream 'members', lacks an object 'record'.",
        ),
        (_schema_of(CONTENT), "Line 4 of the input, stream 'others', lacks an object 'schema'."),
        (
            _schema_of({"properties": {"email": {"type": CONTENT}}}),
            "Line 4 of the input, stream 'others', holds a schema that is not a JSON schema.",
        ),
        (
            {"type": "BATCH", "stream": "members", "manifest": [CONTENT], "encoding": {}},
            f"{AT_4}, stream 'members', is a BATCH message whose 'encoding' {FORMS}.",
        ),
        (
            {"type": CONTENT},
            f"{AT_4} has a type that is not one of {TYPES}.",
        ),
        (
            {"type": "RECORD", "stream": {"email": CONTENT}, "record": {"email": CONTENT}},
            "Line 4 of the input has a 'stream' that is not a text.",
        ),
        (
            {**schema(), "stream": [CONTENT]},
            "Line 4 of the input has a 'stream' that is not a text.",
        ),
        (
            {**schema("others"), "key_properties": [[CONTENT]]},
            f"{AT_4}, stream 'others', has 'key_properties' that are not a list of names.",
        ),
        (
            {**schema("others"), "key_properties": CONTENT},
            f"{AT_4}, stream 'others', has 'key_properties' that are not a list of names.",
        ),
        (
            {"type": "ACTIVATE_VERSION", "stream": {"email": CONTENT}, "version": 1},
            "Line 4 of the input has a 'stream' that is not a text.",
        ),
        ({"type": "STATE", "state": CONTENT}, "Line 4 of the input lacks 'value'."),
    ],
)
def test_a_bad_line_ends_the_run_after_what_came_before(
    command: Command, sandbox: Sandbox, line: Any, sentence: str
) -> None:
    ran = command(*BEFORE, line, *AFTER, membership="property")

    assert (ran.code, ran.errors) == (1, [sentence]), ran.log
    assert ran.states == [{"at": 1}]
    assert set(sandbox.store.contacts) == {"member1@example.com"}
    assert CONTENT not in ran.log


def test_a_schema_without_properties_keys_and_records_is_unusable(command: Command) -> None:
    ran = command(_schema_of({"type": "object"}), membership="property")

    assert ran.code == 1
    assert re.fullmatch(r"Line 1 of the input, stream 'others', .*\.", ran.errors[-1]), ran.log


def test_the_schema_of_an_older_tap_is_one_of_an_older_draft(
    command: Command, sandbox: Sandbox
) -> None:
    cents = {
        "type": ["null", "number"],
        "multipleOf": 0.01,
        "maximum": 100,
        "exclusiveMaximum": True,
    }
    amounts = (19.99, 0.07, 100, 99.99, 0.005)
    bought = [record(f"member{n}@example.com", spent=spent) for n, spent in enumerate(amounts)]

    ran = command(schema(spent=cents), *bought, custom_properties={"spent": "spent"})

    assert (ran.code, ran.counts["accepted"], ran.counts["left_out"]) == (0, 5, 1), ran.log
    spent = [(one.properties or {}).get("spent") for one in sandbox.store.contacts.values()]
    assert sorted(spent, key=str) == [0.005, 0.07, 19.99, 99.99, None]


def test_an_input_file_that_is_not_there_is_a_matter_of_usage(command: Command) -> None:
    ran = command.run("--config", command.config(), "--input", "nowhere.jsonl")

    assert ran.code == 2
    assert "nowhere.jsonl" in ran.log


def test_no_input_at_all_is_no_fault(command: Command, sandbox: Sandbox) -> None:
    assert command().code == 0
    assert sandbox.store.batches == []


def test_a_last_line_without_its_end_counts(command: Command, sandbox: Sandbox) -> None:
    text = "\r\n".join(json.dumps(message) for message in [schema(), *people(2)])
    ran = command.run("--config", command.config(membership="property"), text=text.encode())

    assert ran.code == 0, ran.log
    assert len(sandbox.store.contacts) == 2


def test_the_last_line_says_what_to_do_about_a_bad_line(command: Command) -> None:
    ran = command(schema(), *people(3), b"junk")
    assert (ran.code, ran.errors) == (1, ["Line 5 of the input is not JSON (4 bytes)."])
    last = (
        "3 received, 3 accepted; exit code 1; Line 5 of the input is not JSON (4 bytes); each "
        "record before it has its verdict. Correct the line, or the tap that wrote it, then run "
        "again."
    )
    assert ran.log.splitlines()[-1].endswith(last)
