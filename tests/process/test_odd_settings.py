"""Settings that are unusual and right: they do what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.command import people, record, schema, state

if TYPE_CHECKING:
    from support.command import Command
    from support.sandbox import Sandbox


@pytest.mark.parametrize(
    "settings",
    [
        {"request_timeout": 5.5},
        {"confirm_timeout": 20.5},
        {"quota_share": 0.5, "max_rejected_percent": 12.5},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_number_in_the_config_file_may_have_a_fraction(
    command: Command, sandbox: Sandbox, settings: dict[str, float]
) -> None:
    ran = command(schema(), *people(2), state(at=1), membership="property", **settings)

    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    assert len(sandbox.store.contacts) == 2


def test_without_a_segment_setting_the_property_is_named_after_the_stream(
    command: Command, sandbox: Sandbox
) -> None:
    ran = command(schema(), *people(1), membership="property", segment=None)

    assert ran.code == 0, ran.log
    contact = sandbox.store.contacts["member0@example.com"]
    assert contact.properties == {"segment_members": True}


@pytest.mark.parametrize(
    ("stream", "membership", "why"),
    [
        ("***", "tag", "a tag needs at least one letter or digit"),
        ("x" * 129, "tag", "a tag may have at most 128 characters"),
        ("客户", "property", "a property's name needs at least one ASCII letter or digit"),
    ],
    ids=["no letter", "too long", "not ASCII"],
)
def test_a_stream_whose_name_can_name_no_segment_is_a_matter_of_settings(
    command: Command, stream: str, membership: str, why: str
) -> None:
    messages = [schema(stream), record("member1@example.com", stream)]
    ran = command(*messages, membership=membership, segment=None)

    assert (ran.code, len(ran.errors)) == (3, 1), ran.log
    assert why in ran.errors[0]
    assert "'streams'" in ran.errors[0]
    named = {stream: {"segment": "VIP"}}
    assert command(*messages, membership=membership, segment=None, streams=named).code == 0


def test_a_tag_that_is_none_is_found_before_anything_is_read(command: Command) -> None:
    ran = command(schema(), membership="tag", segment=None, tags=["***"])

    assert (ran.code, ran.errors) == (3, ["a tag needs at least one letter or digit"])


# -- stream maps -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("maps", "why"),
    [
        ({"members": {"number": "email +"}}, "line 1 of the input, stream 'members' (Failed to"),
        ({"members": {"__alias__": "x +"}}, "line 1 of the input, stream 'members' (Failed to"),
        ({"members": {"number": "nowhere"}}, "line 2 of the input, stream 'members' (Failed to"),
        ({"members": {"number": "int(email)"}}, "line 2 of the input, stream 'members' (ValueErr"),
        ({"members": "x"}, "Setting 'stream_maps.…' is not usable."),
        ({"__else__": "x"}, "Setting 'stream_maps.__else__' should be null or '__NULL__'."),
    ],
    ids=["syntax", "alias", "name", "value", "type", "else"],
)
def test_a_stream_map_that_does_not_work_is_a_matter_of_settings(
    command: Command, maps: dict[str, str], why: str
) -> None:
    ran = command(schema(), *people(2), stream_maps=maps)

    assert (ran.code, len(ran.errors)) == (3, 1), ran.log
    assert why in ran.errors[0]


# -- what the log must not tell --------------------------------------------------------


def test_neither_a_filter_nor_a_state_is_quoted_in_the_log(command: Command) -> None:
    ran = command(
        schema(name={}),
        record("member1@example.com", name="Quillon"),
        state(bookmark="Zembla"),
        membership="property",
        stream_maps={"members": {"__filter__": "name", "email": "email"}},
    )

    assert (ran.code, ran.states) == (0, [{"bookmark": "Zembla"}]), ran.log
    assert "Quillon" not in ran.log
    assert "Zembla" not in ran.log
