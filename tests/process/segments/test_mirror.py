"""Mirrors: who left loses the membership, and nothing else; in doubt nobody leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema, state
from support.rehearsal import KILL, Ran, Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

MIRROR: dict[str, Any] = {"sync_mode": "mirror", "max_removed_percent": 50}
WHOLE: dict[str, Any] = {**MIRROR, "mirror_on": "end_of_stream"}
PROPERTY: dict[str, Any] = {**WHOLE, "membership": "property"}


def versioned(
    messages: list[dict[str, Any]], version: int, *, activate: int | None = 0, stream: str = ""
) -> list[dict[str, Any]]:
    """RECORDs of a version, then its ACTIVATE_VERSION, unless None."""
    stream = stream or "members"
    made = [{**message, "stream": stream, "version": version} for message in messages]
    if activate is not None:
        named = {"stream": stream, "version": activate or version}
        made.append({"type": "ACTIVATE_VERSION", **named})
    return made


def names(*numbers: int) -> set[str]:
    return {f"member{n}" for n in numbers}


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


# -- leaving ---------------------------------------------------------------------------


def test_who_left_loses_the_tag_and_nothing_else(
    command: Command, sandbox: Sandbox, url: str
) -> None:
    store = sandbox.store
    theirs = {
        "status": "subscribed",
        "statusChangedAt": "2024-05-06T07:08:09Z",
        "tags": ["theirs"],
        "customProperties": {"theirs": 1},
        "city": "Novi Sad",
    }
    store.seed([{"email": f"member{n}@example.com", **theirs} for n in range(20)])
    first = [schema(), *versioned(people(20), 1), state(a=1)]
    assert command(*first, ledger_url=url, **MIRROR).code == 0
    before = {email: (c.email_status, c.email_changed) for email, c in store.contacts.items()}
    calls = store.requests.counts.copy()

    ran = command(schema(), *versioned(people(15), 2), state(a=2), ledger_url=url, **MIRROR)

    assert (ran.code, ran.states) == (0, [{"a": 2}]), ran.log
    assert "15 unchanged, 5 removed" in ran.log
    assert store.requests.counts - calls == {"GET /brands/current": 1, "DELETE /contacts/tags": 1}
    for n in range(20):
        contact = store.contacts[f"member{n}@example.com"]
        assert set(contact.tags) == ({"theirs", "VIP"} if n < 15 else {"theirs"})
        assert (contact.city, contact.properties) == ("Novi Sad", {"theirs": 1})
        assert (contact.email_status, contact.email_changed) == before[contact.email]


def test_the_end_of_the_input_can_say_that_it_was_all(night: Rehearsal, url: str) -> None:
    night(schema(), *people(800), ledger_url=url, **WHOLE)
    ran = night(schema(), *people(499), state(a=1), ledger_url=url, **WHOLE)
    assert (ran.code, ran.counts["removed"], ran.states) == (0, 301, [{"a": 1}])
    assert ran.writes == {"DELETE /contacts/tags": 2}  # 250 a call
    assert night.tagged() == names(*range(499))
    back = night(schema(), *people(500), ledger_url=url, **WHOLE)
    assert (back.counts["accepted"], back.counts["tagged"]) == (1, 1)
    assert night.tagged() == names(*range(500))


def test_a_property_is_false_for_members_that_left(night: Rehearsal, url: str) -> None:
    night.store.seed([{"email": "member1@example.com", "customProperties": {"theirs": 1}}])
    night(schema(), *people(4), ledger_url=url, **PROPERTY)
    assert night.marked() == names(0, 1, 2, 3)
    ran = night(schema(), *people(1), *people(2, start=2), ledger_url=url, **PROPERTY)
    assert (ran.code, ran.counts["removed"], ran.writes) == (0, 1, {"POST /batches": 1})
    assert night.marked() == names(0, 2, 3)
    left = night.store.contacts["member1@example.com"].properties
    assert left == {"theirs": 1, "segment_vip": False}
    night(schema(), *people(4), ledger_url=url, **PROPERTY)
    assert night.marked() == names(0, 1, 2, 3)


def test_who_lost_the_tag_in_a_run_that_died_gets_it_back(night: Rehearsal, url: str) -> None:
    night(schema(), *people(4), ledger_url=url, **WHOLE)
    night.store.faults.add(Fault("slow", "DELETE /contacts/tags", seconds=20.0))
    assert night(schema(), *people(3), kill_after=5.0, ledger_url=url, **WHOLE).code < 0
    assert night.tagged() == names(0, 1, 2)
    assert night(schema(), *people(4), ledger_url=url, **WHOLE).code == 0
    assert night.tagged() == names(0, 1, 2, 3)


def test_who_was_tagged_by_hand_stays(night: Rehearsal, ledger: str) -> None:
    night.store.seed([{"email": "theirs@example.com", "tags": ["VIP"]}])
    night(schema(), *people(4), ledger_url=ledger, **WHOLE)
    night(schema(), *people(3), ledger_url=ledger, **WHOLE)
    assert night.tagged() == {*names(0, 1, 2), "theirs"}


def test_further_tags_stay(night: Rehearsal, ledger: str) -> None:
    night(schema(), *people(4), ledger_url=ledger, tags=["more"], **WHOLE)
    night(schema(), *people(3), ledger_url=ledger, tags=["more"], **WHOLE)
    assert (night.tagged(), night.tagged("more")) == (names(0, 1, 2), names(0, 1, 2, 3))


def test_without_membership_nobody_is_anybodys_to_remove(night: Rehearsal, ledger: str) -> None:
    settings = {**WHOLE, "membership": "none", "ledger_url": ledger}
    night(schema(), *people(4), **settings)
    ran = night(schema(), *people(3), **settings)
    assert (ran.code, ran.writes, ran.counts["unchanged"]) == (0, {}, 3)


def test_who_cannot_be_removed_is_tried_again(night: Rehearsal, ledger: str) -> None:
    night(schema(), *people(4), ledger_url=ledger, **PROPERTY)
    night.store.faults.add(Fault("item_refused", email="member3@", code=422))
    ran = night(schema(), *people(3), ledger_url=ledger, **PROPERTY)
    assert (ran.code, ran.counts["removed"], ran.counts["not_removed"]) == (5, 0, 1)
    assert "Omnisend did not take segment 'VIP' back from a member that left it" in ran.log
    night.store.faults.clear()
    assert night(schema(), *people(3), ledger_url=ledger, **PROPERTY).counts["removed"] == 1


# -- staying ---------------------------------------------------------------------------

REFUSALS: dict[str, dict[str, Any]] = {
    "record_invalid": {"consent": 17},
    "consent_date_missing": {"consent": "subscribed"},
    "omnisend_refused": {"note": "new"},
}


@pytest.mark.parametrize("settings", [WHOLE, PROPERTY], ids=["tag", "property"])
@pytest.mark.parametrize("code", REFUSALS)
def test_a_refused_record_of_a_present_person_makes_no_leaver(
    night: Rehearsal, url: str, code: str, settings: dict[str, Any]
) -> None:
    columns = schema(note={}, consent={"type": ["string", "null"]}, at={})
    more = {
        "mapping": {
            "email": "email",
            "subscription_status": "consent",
            "subscription_changed_at": "at",
        },
        "custom_properties": {"note": "note"},
        "max_rejected_percent": 100,
        "ledger_url": url,
        **settings,
    }
    night(columns, *people(8), **more)
    if code == "omnisend_refused":
        night.store.faults.add(Fault("item_refused", email="member[12]@", code=422))
    refused = [record(f" Member{n}@Example.com", **REFUSALS[code]) for n in (1, 2)]

    ran = night(columns, *people(1), *refused, *people(2, start=3), **more)

    assert (ran.code, ran.counts["rejected"], ran.counts["removed"]) == (0, 2, 3)
    assert (night.tagged() | night.marked()) == names(0, 1, 2, 3, 4)


def test_a_person_that_omnisend_cannot_serve_makes_no_leaver(night: Rehearsal, ledger: str) -> None:
    columns = schema(note={})
    more = {"custom_properties": {"note": "note"}, "ledger_url": ledger, **WHOLE}
    night(columns, *people(6), max_rejected_percent=100, **more)
    night.store.faults.add(Fault("item_flaky", email="member1@", code=500, failures=99))
    changed = record("member1@example.com", note="new")
    ran = night(columns, *people(1), changed, *people(3, start=2), **more)
    assert (ran.counts["rejected"], ran.counts["removed"]) == (1, 1)
    assert night.tagged() == names(0, 1, 2, 3, 4)


def test_too_many_refused_remove_nobody(night: Rehearsal, ledger: str) -> None:
    night(schema(), *people(120), ledger_url=ledger, **WHOLE)
    ran = night(schema(), *people(90), *[record("nobody")] * 20, ledger_url=ledger, **WHOLE)
    assert (ran.code, ran.counts["removed"], len(night.tagged())) == (4, 0, 120)


def _tonight(night: Rehearsal, ledger: str, *messages: Any, **settings: Any) -> Ran:
    """After a night of ten, another; nobody may have left by it."""
    settings = {"ledger_url": ledger, **WHOLE, **settings}
    night(schema(), *versioned(people(10), 1), **{**settings, "stream_maps": None})
    ran = night(*messages, **settings)
    assert len(night.tagged()) == 10, ran.log
    return ran


def test_a_stopped_run_and_the_next_one_remove_nobody(night: Rehearsal, url: str) -> None:
    columns = schema(name={})
    named = {"mapping": {"email": "email", "first_name": "name"}, "ledger_url": url, **WHOLE}
    night(columns, *people(10), **named)
    new = [record(f"member{n}@example.com", name="Eve") for n in range(7)]

    assert night(columns, *new, stop_after=1.0, **named).code == 143
    assert len(night.tagged()) == 10
    ran = night(columns, *new, **named)
    assert (ran.code, ran.counts["removed"]) == (0, 0)
    assert "where an earlier one stopped half-way" in ran.log
    assert night(columns, *new, **named).counts["removed"] == 3


def test_a_killed_run_and_one_that_goes_on_from_it_remove_nobody(
    night: Rehearsal, url: str
) -> None:
    more = {"ledger_url": url, **MIRROR}
    night(schema(), *versioned(people(10), 1), **more)
    assert night(schema(), *versioned(people(6), 2, activate=None), KILL, **more).code < 0
    resumed = night(schema(), *versioned(people(3, start=6), 2), **more)
    assert (resumed.code, resumed.counts["removed"]) == (0, 0)
    assert "where an earlier one stopped half-way" in resumed.log
    assert night(schema(), *versioned(people(9), 3), **more).counts["removed"] == 1


def test_a_new_version_after_a_killed_run_is_whole(night: Rehearsal, ledger: str) -> None:
    more = {"ledger_url": ledger, **MIRROR}
    night(schema(), *versioned(people(10), 1), **more)
    assert night(schema(), *versioned(people(10), 2), KILL, **more).code < 0
    assert night(schema(), *versioned(people(9), 3), **more).counts["removed"] == 1


def test_a_failed_run_removes_nobody(night: Rehearsal, ledger: str) -> None:
    night(schema(), *people(10), ledger_url=ledger, **PROPERTY)
    night.store.max_contacts = 10
    ran = night(
        schema(), *people(5), record("new@example.com"), state(a=1), ledger_url=ledger, **PROPERTY
    )
    assert (ran.code, ran.counts["removed"], ran.states) == (3, 0, [])
    assert len(night.marked()) == 10


def test_a_run_with_an_unconfirmed_batch_removes_nobody(night: Rehearsal, ledger: str) -> None:
    night.store.faults.add(Fault("stuck", skip=1))
    ran = _tonight(
        night, ledger, schema(), *people(5), record("new@example.com"), confirm_timeout=30
    )
    assert (ran.code, ran.counts["removed"]) == (5, 0)


def test_a_bad_line_removes_nobody(night: Rehearsal, ledger: str) -> None:
    ran = _tonight(night, ledger, schema(), *people(5), b"{half a li")
    assert (ran.code, ran.counts["unchanged"]) == (1, 5)


@pytest.mark.parametrize("pattern", ["members", "mem*"])
def test_a_filter_removes_nobody(night: Rehearsal, ledger: str, pattern: str) -> None:
    maps = {pattern: {"__filter__": "email < 'member5'"}}
    ran = _tonight(night, ledger, schema(), *people(10), stream_maps=maps)
    assert (ran.code, ran.counts["received"]) == (0, 5)
    assert "removed no member, because a '__filter__' in" in ran.log


def test_a_filter_on_a_stream_made_of_another_removes_nobody(night: Rehearsal, ledger: str) -> None:
    more: dict[str, Any] = {**WHOLE, "ledger_url": ledger}
    made = {"__source__": "members"}
    night(schema(), *people(4), stream_maps={"members": None, "some": made}, **more)
    kept = {**made, "__filter__": "email != 'member1@example.com'"}
    ran = night(schema(), *people(4), stream_maps={"members": None, "some": kept}, **more)
    assert (ran.code, ran.counts["unchanged"], ran.counts["removed"]) == (0, 3, 0)
    assert "removed no member, because a '__filter__' in" in ran.log


def test_an_empty_source_removes_nobody(night: Rehearsal, ledger: str) -> None:
    settings = {"max_removed_percent": 100}
    ran = _tonight(night, ledger, schema(), state(a=1), **settings)
    assert (ran.code, "its source sent no member" in ran.log) == (0, True)


def test_an_empty_version_removes_nobody(night: Rehearsal, ledger: str) -> None:
    activate = versioned([], 2)
    more = {"max_removed_percent": 100, "mirror_on": "activate_version"}
    ran = _tonight(night, ledger, schema(), *activate, **more)
    assert (ran.code, "no record of it carries a version" in ran.log) == (0, True)


def test_a_source_of_refused_records_alone_removes_nobody(night: Rehearsal, ledger: str) -> None:
    ran = _tonight(night, ledger, schema(), *[record(None)] * 3, max_rejected_percent=100)
    assert (ran.counts["rejected"], ran.counts["removed"]) == (3, 0)


@pytest.mark.parametrize(("left", "code"), [(2, 0), (3, 6)])
def test_more_than_may_leave_remove_nobody(
    night: Rehearsal, url: str, left: int, code: int
) -> None:
    more = {"ledger_url": url, **WHOLE, "max_removed_percent": 20}
    night(schema(), *people(10), **more)
    ran = night(schema(), *people(10 - left), state(a=1), **more)
    assert (ran.code, ran.states) == (code, [{"a": 1}])
    assert len(night.tagged()) == (10 if code else 8)
    sentence = "3 of the 10 members of segment 'VIP' would lose the membership, more than"
    assert (f"{sentence} max_removed_percent (20 %)" in ran.log) == bool(code)
    assert night(schema(), *people(10 - left), **{**more, "max_removed_percent": 30}).code == 0
    assert night.tagged() == names(*range(10 - left))


def test_the_guard_as_a_process(command: Command, sandbox: Sandbox, tmp_path: Path) -> None:
    more = {**WHOLE, "ledger_url": f"sqlite:///{tmp_path}/l.db", "max_removed_percent": 0}
    command(schema(), *people(3), **more)
    ran = command(schema(), *people(2), state(a=1), **more)
    assert (ran.code, ran.states, len(ran.errors)) == (6, [{"a": 1}], 1)
    assert sandbox.store.requests.counts["DELETE /contacts/tags"] == 0


def test_a_version_that_is_only_announced_is_told_with_the_cure(
    night: Rehearsal, ledger: str
) -> None:
    messages = [*versioned([], 2), *versioned(people(5), 2, activate=None), state(a=1)]
    ran = _tonight(night, ledger, schema(), *messages, **MIRROR, mirror_on="activate_version")
    assert (ran.code, ran.counts["removed"]) == (0, 0)
    assert "came before its records, and none after them" in ran.log
    assert "Set 'mirror_on: end_of_stream'" in ran.log


def test_activations_can_be_left_out_of_account(night: Rehearsal, ledger: str) -> None:
    off = {"mirror_on": "activate_version", "process_activate_version_messages": False}
    ran = _tonight(night, ledger, schema(), *versioned(people(5), 2), **MIRROR, **off)
    assert (ran.code, ran.counts["removed"]) == (0, 0)
    assert "no ACTIVATE_VERSION" in ran.log


@pytest.mark.parametrize(
    "messages",
    [
        versioned(people(5), 2, activate=None),
        versioned(people(5), 2, activate=3),
        versioned(people(5), 2, activate=1),
        [*versioned([], 2), *versioned(people(5), 2, activate=None)],
        [*people(5), *versioned([], 2)],
        people(5),
    ],
    ids=["none", "newer", "older", "before its records", "without versions", "plain"],
)
def test_without_the_activation_of_what_came_nobody_leaves(
    night: Rehearsal, ledger: str, messages: list[dict[str, Any]]
) -> None:
    ran = _tonight(night, ledger, schema(), *messages, **MIRROR, mirror_on="activate_version")
    assert (ran.code, ran.counts["removed"]) == (0, 0)
    assert "removed no member, because" in ran.log


def test_a_version_that_is_begun_anew_forgets_the_one_before(night: Rehearsal, ledger: str) -> None:
    more = {"ledger_url": ledger, **MIRROR}
    night(schema(), *versioned(people(400), 1), **more)
    half, whole = versioned(people(200), 2, activate=None), versioned(people(250, start=50), 3)
    ran = night(schema(), *half, *whole, **more)
    assert (ran.code, ran.counts["removed"]) == (0, 150)


def test_a_schema_that_changes_in_mid_stream_makes_no_leavers(night: Rehearsal, url: str) -> None:
    more = {"ledger_url": url, **MIRROR}
    night(schema(), *versioned(people(300), 1), **more)
    first = versioned(people(150), 2, activate=None)
    second = versioned(people(140, start=150), 2)
    ran = night(schema(), *first, schema(more={}), *second, **more)
    assert (ran.code, ran.counts["removed"]) == (0, 10)


# -- several streams -------------------------------------------------------------------

TWO: dict[str, Any] = {"streams": {"a": {"segment": "VIP"}, "b": {"segment": "VIP"}}}


def _two(first: int, second: int, version: int, *, apart: bool) -> list[dict[str, Any]]:
    a = versioned(people(first), version, stream="a")
    b = versioned(people(second, start=100), version + 10, stream="b")
    return [schema("a"), *a, schema("b"), *b] if apart else [schema("a"), schema("b"), *a, *b]


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("mode", [MIRROR, WHOLE], ids=["versions", "whole runs"])
def test_a_segment_of_two_streams(
    night: Rehearsal, url: str, mode: dict[str, Any], *, apart: bool
) -> None:
    more = {"ledger_url": url, **mode, **TWO}
    night(*_two(10, 10, 1, apart=apart), **more)
    ran = night(*_two(8, 9, 2, apart=apart), **more)
    assert (ran.code, ran.counts["removed"]) == (0, 3)
    assert night.tagged() == names(*range(8), *range(100, 109))


@pytest.mark.parametrize("mode", [MIRROR, WHOLE], ids=["versions", "whole runs"])
def test_one_stream_of_two_removes_nobody(
    night: Rehearsal, ledger: str, mode: dict[str, Any]
) -> None:
    more = {"ledger_url": ledger, **mode, **TWO}
    night(*_two(10, 10, 1, apart=True), **more)
    ran = night(schema("a"), *versioned(people(9), 2, stream="a"), **more)
    assert ran.counts["removed"] == 0
    assert "stream 'b', which the setting 'streams' names, is missing" in ran.log
    one_whole = [*_two(9, 9, 3, apart=True)][:-1]
    ran = night(*one_whole, **{**more, **MIRROR, "mirror_on": "activate_version"})
    assert (ran.counts["removed"], "no ACTIVATE_VERSION" in ran.log) == (0, True)


def test_two_streams_after_a_killed_run_remove_nobody(night: Rehearsal, ledger: str) -> None:
    more = {"ledger_url": ledger, **MIRROR, **TWO}
    night(*_two(10, 10, 1, apart=True), **more)
    assert night(*_two(10, 10, 2, apart=True)[:-1], KILL, **more).code < 0
    ran = night(*_two(9, 9, 3, apart=True), **more)
    assert (ran.counts["removed"], "stopped half-way" in ran.log) == (0, True)


@pytest.mark.parametrize("between", [None, 3])
def test_records_that_go_back_to_an_earlier_version_remove_nobody(
    night: Rehearsal, ledger: str, between: int | None
) -> None:
    more = {**MIRROR, "ledger_url": ledger}
    everybody = people(10)
    night(schema(), *versioned(everybody, 1), **more)
    stray = versioned(everybody[2:3], between, activate=None) if between else everybody[2:3]
    ran = night(
        schema(),
        *versioned(everybody[:2], 2, activate=None),
        *stray,
        *versioned(everybody[3:], 2),
        **more,
    )
    assert (ran.code, ran.counts["removed"], len(night.tagged())) == (0, 0, 10)
    assert "went back to a version" in ran.log
    assert night(schema(), *versioned(everybody[1:], 4), **more).counts["removed"] == 1


def test_an_address_that_no_database_can_hold_is_a_refused_record(
    night: Rehearsal, url: str
) -> None:
    more: dict[str, Any] = {**WHOLE, "ledger_url": url}
    odd = [record(f"a{text}@example.com") for text in ("\ud800", "\0\ud800", " \0 ")]
    ran = night(schema(), *people(3), *odd, state(a=1), **more)
    assert (ran.code, ran.states, ran.counts["rejected"]) == (0, [{"a": 1}], 3)
