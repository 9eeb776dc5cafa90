"""STATE leaves as it came, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.command import people, schema

if TYPE_CHECKING:
    from support.command import Command


@pytest.mark.parametrize(
    "value",
    [
        '{"at":0.1000000000000000055511151231257827021181583404541015625}',
        '{"at":1e400,"then":-1E+0999}',
        '{"at":NaN}',
        '{ "b" : 1.0, "a":[ 1 ,2.50 ], "nested":\t{"z":"}\\"\\u00e9é","y":null}}',
        '{"at":"\\ud83d"}',
        '{"at":90071992547409931234567890}',
        '"a text"',
        "7.10",
    ],
)
def test_a_state_leaves_byte_for_byte_as_it_came(command: Command, value: str) -> None:
    line = f' {{"value" : "other", "type": "STATE","value":{value} , "more": [1.50]}}'.encode()
    ran = command(schema(), *people(1), line, membership="property")

    assert (ran.code, ran.out) == (0, f"{value}\n"), ran.log


@pytest.mark.parametrize("value", ["{}", "null", "[]", '""', "0"])
def test_an_empty_state_never_leaves(command: Command, value: str) -> None:
    line = f'{{"type":"STATE","value":{value}}}'.encode()
    ran = command(schema(), *people(1), line, membership="property")

    assert (ran.code, ran.out) == (0, ""), ran.log


def test_half_a_character_leaves_as_its_escape_which_meltano_can_read(command: Command) -> None:
    line = b'{"type":"STATE","value":{"at":"\xed\xa0\xbd"}}'
    ran = command(schema(), *people(1), line, membership="property")

    assert (ran.code, ran.out) == (0, '{"at":"\\ud83d"}\n'), ran.log
    assert json.loads(ran.out) == {"at": "\ud83d"}
