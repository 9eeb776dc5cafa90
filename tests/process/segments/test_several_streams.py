"""Several segments in one run, each with settings of its own; `null_policy: clear`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.rehearsal import Rehearsal

from target_omnisend.config.validation import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

STREAMS: dict[str, Any] = {
    "vip": {"segment": "VIP", "custom_properties": {"level": "level"}, "create_segment": True},
    "lapsed": {"segment": "Lapsed", "membership": "property", "mapping": {"email": "mail"}},
    "plain": {"membership": "none", "tags": ["seen"]},
}
SCHEMAS = [schema("vip", level={}), schema("lapsed", mail={}), schema("plain")]


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def of(name: str, *numbers: int, **more: Any) -> list[dict[str, Any]]:
    column = "mail" if name == "lapsed" else "email"
    address = "member{}@example.com"
    return [
        {
            "type": "RECORD",
            "stream": name,
            "record": {column: address.format(n), **more},
        }
        for n in numbers
    ]


def test_streams_share_a_run_and_no_person_is_in_two_open_batches(
    command: Command, sandbox: Sandbox, url: str
) -> None:
    mixed = [m for n in range(40) for name in STREAMS for m in of(name, n, level="gold")]
    more = {"streams": STREAMS, "segment": None, "ledger_url": url}
    ran = command(*SCHEMAS, *mixed, state(a=1), **more)
    assert (ran.code, ran.states, ran.counts["accepted"]) == (0, [{"a": 1}], 120), ran.log
    assert [s.name for s in sandbox.store.segments.by_id.values()] == ["VIP"]
    for contact in sandbox.store.contacts.values():
        assert set(contact.tags) == {"VIP", "seen"}
        assert contact.properties == {"level": "gold", "segment_lapsed": True}
    again = command(*SCHEMAS, *mixed, state(a=2), **more)
    assert (again.counts["unchanged"], again.states) == (120, [{"a": 2}])


def test_who_leaves_one_segment_stays_in_the_other(night: Rehearsal, url: str) -> None:
    mirrored = {name: {**own, "sync_mode": "mirror"} for name, own in STREAMS.items()}
    more: dict[str, Any] = {"streams": mirrored, "segment": None, "ledger_url": url}
    more |= {"mirror_on": "end_of_stream", "max_removed_percent": 50}
    both = [*of("vip", *range(6)), *of("lapsed", *range(6)), *of("plain", 1)]
    night(*SCHEMAS, *both, **more)
    ran = night(*SCHEMAS, *of("vip", *range(4)), *of("lapsed", 2, 3, 4, 5), *both[-1:], **more)
    assert (ran.code, ran.counts["removed"]) == (0, 4)
    assert night.tagged() == {f"member{n}" for n in range(4)}
    assert night.marked("segment_lapsed") == {f"member{n}" for n in range(2, 6)}
    assert (ran.streams["vip"]["removed"], ran.streams["lapsed"]["removed"]) == (2, 2)


def test_one_segment_over_its_limit_keeps_everybody_in_both(night: Rehearsal, url: str) -> None:
    mirrored = {n: {"sync_mode": "mirror"} for n in ("a", "b")}
    more: dict[str, Any] = {"streams": mirrored, "segment": None, "ledger_url": url}
    more |= {"mirror_on": "end_of_stream"}
    night(schema("a"), schema("b"), *of("a", *range(10)), *of("b", *range(10)), **more)
    ran = night(schema("a"), schema("b"), *of("a", *range(9)), *of("b", *range(5)), **more)
    assert (ran.code, len(night.tagged("a")), len(night.tagged("b"))) == (6, 10, 10)


def test_a_mirror_beside_a_stream_that_only_adds(night: Rehearsal, url: str) -> None:
    more: dict[str, Any] = {"streams": {"a": {"sync_mode": "mirror"}}, "segment": None}
    more |= {"mirror_on": "end_of_stream", "ledger_url": url, "max_removed_percent": 50}
    night(schema("a"), schema("b"), *of("a", 1, 2), *of("b", 1, 2), **more)
    night(schema("a"), schema("b"), *of("a", 1), *of("b", 1), **more)
    assert (night.tagged("a"), night.tagged("b")) == ({"member1"}, {"member1", "member2"})


@pytest.mark.parametrize(("policy", "left"), [("skip", {"note": "x"}), ("clear", None)])
def test_a_null_clears_a_property_only_if_told_to(
    night: Rehearsal, url: str, policy: str, left: Any
) -> None:
    more = {"custom_properties": {"note": "note"}, "null_policy": policy, "ledger_url": url}
    columns = schema(note={})
    night(columns, *people(1), record("member1@example.com", note="x"), **more)
    ran = night(columns, *people(1), record("member1@example.com", note=None), **more)
    contact = night.store.contacts["member1@example.com"]
    assert (ran.counts["accepted"], contact.properties, contact.tags) == (1, left, ("VIP",))
    ran = night(columns, *people(2), **more)  # no such column says nothing
    assert night.store.contacts["member1@example.com"].properties == left


def test_who_is_back_in_the_segment_of_a_needless_deletion_is_a_member(
    night: Rehearsal, url: str
) -> None:
    more: dict[str, Any] = {"streams": {"a": {}, "b": {}}, "segment": None, "ledger_url": url}
    gone = of("a", 1, _sdc_deleted_at="2026-11-21T00:00:00Z")
    # The second record of 'b' comes behind that of 'a', so that 'a' follows itself directly.
    back = [*of("b", 1), *of("a", 1), *of("b", 1)]
    ran = night(schema("a", _sdc_deleted_at={}), schema("b"), *gone, *back, state(a=1), **more)
    assert (ran.code, ran.states) == (0, [{"a": 1}])
    assert night.tagged("a") == night.tagged("b") == {"member1"}
    counts = ran.counts
    assert (counts["accepted"], counts["duplicates"], counts["unchanged"]) == (2, 1, 1)
    assert "DELETE /contacts/tags" not in ran.writes


@pytest.mark.parametrize(
    ("membership", "names", "mark"),
    [("property", ("A b", "a-B"), "property 'segment_a_b'"), ("tag", ("A/b", "A_b"), "tag 'A_b'")],
)
def test_two_segments_that_would_show_alike_are_refused(
    night: Rehearsal, membership: str, names: tuple[str, str], mark: str
) -> None:
    streams = {"a": {"segment": names[0]}, "b": {"segment": names[1]}, "c": {"segment": names[1]}}
    with pytest.raises(SettingsError, match=f"would both show as the {mark}"):
        night(streams=streams, membership=membership)
    del streams["a"]
    assert night(streams=streams, membership=membership).code == 0


def test_streams_of_one_segment_with_their_own_mappings_change_nothing_each_night(
    night: Rehearsal, url: str
) -> None:
    more: dict[str, Any] = {"ledger_url": url, "segment": "VIP"}
    more["streams"] = {"east": {}, "west": {"mapping": {"email": "email", "city": "town"}}}
    messages = [schema("east"), schema("west", town={}), *of("east", 1), *of("west", 2), state(a=1)]
    night(*messages, **more)
    ran = night(*messages, **more)
    assert (ran.code, ran.counts["unchanged"], "sent again" in ran.log) == (0, 2, False), ran.log
