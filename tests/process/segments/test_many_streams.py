"""Many streams and changing schemas share batches, and the work is linear."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest
from support.command import record, schema, state
from support.rehearsal import Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import FrameType

    from support.command import Command
    from support.sandbox import Sandbox


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def short_streams(number: int, each: int = 3) -> Iterator[dict[str, Any]]:
    """So many streams with a few records each."""
    for stream in map("list{}".format, range(number)):
        yield schema(stream)
        for n in range(each):
            yield record(f"{stream}-{n}@example.com", stream)
    yield state(streams=number)


def changing(number: int) -> Iterator[dict[str, Any]]:
    """Records of one stream, each under a schema of its own."""
    for n in range(number):
        columns: dict[str, Any] = {f"answer{n}": {}}
        yield schema(**columns)
        yield record(f"pupil{n}@example.com", **{f"answer{n}": "yes"})
    yield state(records=number)


def test_a_schema_that_changes_with_each_record_sends_no_batch_of_one(night: Rehearsal) -> None:
    ran = night(*changing(250))
    assert (ran.code, ran.states, ran.counts["accepted"]) == (0, [{"records": 250}], 250)
    assert ran.writes == {"POST /batches": 3, "POST /contacts/tags": 2}  # one is the tag check's


@pytest.mark.parametrize("membership", ["tag", "property", "none"])
def test_short_streams_of_one_segment_fill_batches_together(
    night: Rehearsal, membership: str
) -> None:
    ran = night(*short_streams(70), membership=membership)
    assert (ran.code, ran.counts["accepted"]) == (0, 210)
    assert ran.writes["POST /batches"] == 3
    # One of the two is the tag check's.
    assert ran.writes.get("POST /contacts/tags", 0) == (2 if membership == "tag" else 0)
    assert {name: one["accepted"] for name, one in ran.streams.items()} == {
        f"list{n}": 3 for n in range(70)
    }


def test_a_dry_run_says_how_many_calls_the_streams_share(command: Command) -> None:
    path = command.config()
    text = b"".join(json.dumps(message).encode() + b"\n" for message in short_streams(2))
    dry = command.run("--config", path, "--dry-run", text=text)
    assert "for several streams together: batch calls: 1, tag calls: 1" in dry.log


def test_streams_with_other_settings_do_not_share_a_batch(night: Rehearsal) -> None:
    own: dict[str, Any] = {"list1": {"tags": ["extra"]}}
    ran = night(*short_streams(4), streams=own)
    assert ran.writes["POST /batches"] == 2
    assert night.tagged("extra") == {f"list1-{n}" for n in range(3)}
    assert len(night.tagged("VIP")) == 12


def test_each_rejected_record_of_a_shared_batch_keeps_the_schema_it_came_under(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.store.faults.add(Fault("item_refused", email="pupil[02]@", code=400))
    ran = command(*changing(3), max_rejected_percent=100)
    assert ran.counts["rejected"] == 2, ran.log
    schemas = [m["schema"]["properties"] for m in command.rejects() if m["type"] == "SCHEMA"]
    records = [m["record"] for m in command.rejects() if m["type"] == "RECORD"]
    assert [set(one) for one in schemas] == [set(one) for one in records]


def test_a_person_of_two_streams_of_a_segment_is_one_contact_and_one_duplicate(
    night: Rehearsal,
) -> None:
    both = [record("ada@example.com", name) for name in ("a", "b")]
    ran = night(schema("a"), schema("b"), *both, state(a=1))
    assert (ran.code, ran.states, ran.writes["POST /batches"]) == (0, [{"a": 1}], 1)
    assert (ran.streams["a"]["duplicates"], ran.streams["b"]["accepted"]) == (1, 1)


class Calls:
    """Counts calls of the target's own functions: a measure of work that no other load changes."""

    def __init__(self) -> None:
        self.number = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        self.number += event == "call" and "target_omnisend" in frame.f_code.co_filename


@pytest.mark.parametrize("segment", ["VIP", None], ids=["one segment", "a segment a stream"])
def test_the_work_grows_as_the_streams_do_and_no_faster(
    tmp_path: Path, segment: str | None
) -> None:
    work = []
    for number in (60, 240):
        night = Rehearsal(tmp_path)
        with Calls() as calls:
            night(*short_streams(number), segment=segment, membership="none", quota_share=0)
        work.append(calls.number)
    assert work[1] < 4.5 * work[0]


def test_the_work_grows_as_the_schemas_do_and_no_faster(tmp_path: Path) -> None:
    work = []
    for number in (60, 240):
        with Calls() as calls:
            Rehearsal(tmp_path)(*changing(number), quota_share=0)
        work.append(calls.number)
    assert work[1] < 4.5 * work[0]


def sent_by(counts: Mapping[str, Mapping[str, int]]) -> int:
    return sum(one["accepted"] for one in counts.values())


def test_segments_that_share_a_person_are_all_given_it(night: Rehearsal) -> None:
    streams = [f"club{n}" for n in range(5)]
    messages = [schema(name) for name in streams]
    messages += [record("ada@example.com", name) for name in streams]
    ran = night(*messages, state(done=True), segment=None)
    assert (ran.code, ran.states, sent_by(ran.streams)) == (0, [{"done": True}], 5)
    assert all(night.tagged(name) == {"ada"} for name in streams)
