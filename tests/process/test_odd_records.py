"""One RECORD line costs one record at the most, whatever it holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.batches import PLAIN, batch
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command

DEEP = "[" * 50_000 + "]" * 50_000
ODD = {
    "lists 50,000 deep": DEEP,
    "objects 2,000 deep": '{"a":' * 2_000 + "1" + "}" * 2_000,
    "lists 980 deep": "[" * 980 + "]" * 980,
    "lists 300 deep": "[" * 300 + "]" * 300,
    "5,000 digits": "7" * 5_000,
    "4,300 digits": "7" * 4_300,
    "400 digits": "-" + "7" * 400,
    "20 digits": "7" * 20,
    "a huge exponent": "1e400",
    "a tiny exponent": "-1e-400",
    "an exponent of many digits": "1e" + "9" * 5_000,
    "many decimals": "0." + "3" * 5_000,
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "NUL": r'"a\u0000b"',
    "controls": r'"\u0001\u001b[31m\u007f\u0085\u2028\u202e"',
    "half a character": r'"\ud83d"',
    "the other half": r'["\udc00", {"\udc00": 1}]',
    "a name that comes twice": '{"a": 1, "a": [2]}',
    "an empty name": '{"": {"": ""}}',
    "many names": "{" + ",".join(f'"n{n}": {n}' for n in range(5_000)) + "}",
    "a megabyte": '"' + "x@" * 500_000 + '"',
    "a megabyte of digits in text": '"' + "7" * 1_000_000 + '"',
}
EXCESS = {"lists 50,000 deep", "objects 2,000 deep", "5,000 digits"}
MAPPED = [
    *("first_name", "last_name", "address", "city", "state", "country", "postal_code", "phone"),
    *("birthdate", "gender", "subscription_status", "subscription_changed_at"),
]
EVERYTHING: dict[str, Any] = {
    "mapping": {"email": "email", **dict.fromkeys(MAPPED, "odd")},
    "custom_properties": {"odd": "odd"},
    "add_record_metadata": True,
    "flattening_enabled": True,
    "flattening_max_depth": 3,
}
NOTHING: dict[str, Any] = {}


def _line(value: str, **message: str) -> bytes:
    rest = "".join(f', "{name}": {text}' for name, text in message.items())
    return (
        f'{{"type": "RECORD", "stream": "members"{rest}, "record": '
        f'{{"email": "member1@example.com", "odd": {value}}}}}'
    ).encode()


@pytest.fixture
def rehearsal(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


@pytest.mark.parametrize("used", [EVERYTHING, NOTHING], ids=["mapped", "unmapped"])
@pytest.mark.parametrize("odd", ODD)
def test_a_value_costs_one_record_at_the_most(
    rehearsal: Rehearsal, tmp_path: Path, odd: str, used: dict[str, Any]
) -> None:
    first, last = [record(f"member{n}@example.com") for n in (2, 3)]
    ledger = f"sqlite:///{tmp_path}/ledger.db"
    ran = rehearsal(
        *(schema(), first, _line(ODD[odd]), last, state(at=1)), ledger_url=ledger, **used
    )
    assert (ran.code, ran.states, ran.counts["received"]) == (0, [{"at": 1}], 3), ran.log
    assert ran.counts["accepted"] + ran.counts["rejected"] == 3
    assert {"member2", "member3"} <= rehearsal.tagged()
    assert odd not in EXCESS or ran.counts["rejected"] == 1


@pytest.mark.parametrize("part", ["version", "time_extracted", "more", "rejection"])
@pytest.mark.parametrize("odd", ODD)
def test_the_rest_of_a_message_costs_one_record_at_the_most(
    rehearsal: Rehearsal, tmp_path: Path, odd: str, part: str
) -> None:
    messages = [schema(), *people(2, 2), _line('"x"', **{part: ODD[odd]}), state(at=1)]
    ran = rehearsal(
        *messages,
        ledger_url=f"sqlite:///{tmp_path}/ledger.db",
        sync_mode="mirror",
        mirror_on="end_of_stream",
        add_record_metadata=True,
    )
    assert (ran.code, ran.states, ran.counts["received"]) == (0, [{"at": 1}], 3), ran.log


@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(exclude_categories=[])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_value_costs_one_record_at_the_most(rehearsal: Rehearsal, value: Any) -> None:
    ran = rehearsal(schema(), *people(1, 2), _line(json.dumps(value)), state(at=1), **EVERYTHING)
    assert (ran.code, ran.states, ran.counts["received"]) == (0, [{"at": 1}], 2), ran.log


def test_a_record_beyond_the_decoder_is_kept_and_can_be_sent_again(command: Command) -> None:
    odd = [_line(DEEP), _line("7" * 5_000), _line(DEEP, rejection='{"code": "record_invalid"}')]
    ran = command(schema(), *people(2, 2), *odd, state(at=1), membership="property")
    assert (ran.code, ran.states, ran.counts["rejected"]) == (0, [{"at": 1}], 3), ran.log

    (file,) = command.rejects_path.glob("*.jsonl")
    for kept, line in zip(file.read_bytes().splitlines()[1:], odd, strict=True):
        assert kept.startswith(line[:-1] + b',"rejection":{"code":"record_invalid","field":null')
        assert b'"message":"The record ' in kept
    again = command.run(
        *("--config", command.config(membership="property", max_rejected_percent=100)),
        *("--input", str(file)),
    )
    assert (again.code, again.counts["rejected"]) == (4, 3), again.log
    assert "Omnisend has none of the records" in again.last


def test_a_batch_file_may_hold_a_record_beyond_the_decoder(command: Command) -> None:
    file = command.folder / "x.jsonl"
    file.write_bytes(
        b'{"email": "member2@example.com"}\n'
        b'{"email": "member3@example.com", "odd": ' + DEEP.encode() + b"}\n"
        b'{"email": "member4@example.com"}\n'
    )
    ran = command(schema(), batch(file, encoding=PLAIN), state(at=1), membership="property")
    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert (ran.counts["accepted"], ran.counts["rejected"]) == (2, 1)
    (rejects,) = command.rejects_path.glob("*.jsonl")
    _, kept = rejects.read_bytes().splitlines()
    assert kept.startswith(b'{"type": "RECORD", "stream": "members", "record": {"email": "member3@')


def test_a_member_whose_record_cannot_be_decoded_is_not_removed(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    mirror = {
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "sync_mode": "mirror",
        "mirror_on": "end_of_stream",
        "max_removed_percent": 100,
    }
    rehearsal(schema(), *people(5, 1), **mirror)
    ran = rehearsal(schema(), *people(3, 2), _line(DEEP), **mirror)
    assert ran.code == 0, ran.log
    assert rehearsal.tagged() == {"member1", "member2", "member3", "member4"}
