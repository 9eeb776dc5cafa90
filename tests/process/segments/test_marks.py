"""One mark, one owner: a tag or property never shows two segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from support.command import record, schema, state
from support.rehearsal import Rehearsal

from target_omnisend.config.validation import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox

MIRROR: dict[str, Any] = {
    "segment": None,
    "sync_mode": "mirror",
    "mirror_on": "end_of_stream",
    "max_removed_percent": 100,
}


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def lists(*streams: str) -> list[dict[str, Any]]:
    """The same two people in each stream."""
    people = [record(f"{name}@example.com", one) for one in streams for name in ("ada", "bo")]
    return [*map(schema, streams), *people, state(done=True)]


@pytest.mark.parametrize(
    ("membership", "streams", "marks"),
    [
        ("property", ("Новые gold", "Старые gold"), ["segment__gold"]),
        ("property", ("Oslo 1", "oslo-1"), ["segment_oslo_1"]),
        ("property", ("Gäste", "G ste"), ["segment_g_ste"]),
        ("tag", ("Summer", "SUMMER"), ["'Summer'", "'SUMMER'"]),
        ("tag", ("a+b", "a/b"), ["a_b"]),
        ("tag", ("Straße+", "STRASSE/"), ["'Straße_'", "'STRASSE_'"]),
        ("tag", ("Cafe\u0301", "CAF\u00c9"), ["'CAF\u00c9'"]),
    ],
)
def test_a_second_segment_with_the_same_mark_ends_the_run_at_its_schema(
    command: Command,
    sandbox: Sandbox,
    url: str,
    membership: str,
    streams: tuple[str, str],
    marks: list[str],
) -> None:
    first, second = streams
    before = command(*lists(first), **MIRROR, membership=membership, ledger_url=url)
    assert before.code == 0, before.log
    people = {c.email: (c.tags, c.properties) for c in sandbox.store.contacts.values()}
    ran = command(schema(first), *lists(second), **MIRROR, membership=membership, ledger_url=url)
    assert (ran.code, ran.states) == (3, []), ran.log
    (error,) = ran.errors
    assert [w for w in (f"'{first}'", f"'{second}'", "'segment'", *marks) if w not in error] == []
    assert {c.email: (c.tags, c.properties) for c in sandbox.store.contacts.values()} == people


@pytest.mark.parametrize(
    ("membership", "own"),
    [
        ("tag", {"segment": "Blue", "tags": ["RED"]}),
        ("property", {"segment": "Blue", "custom_properties": {"Segment_Red": "color"}}),
    ],
)
def test_a_mark_that_another_stream_gives_is_rejected(
    night: Rehearsal, membership: str, own: dict[str, Any]
) -> None:
    more: dict[str, Any] = {"segment": None, "membership": membership}
    ran = night(*lists("blue", "red"), **more, streams={"blue": own})
    assert (ran.code, ran.states) == (3, [])
    words = ["'red' (stream 'red')", "'Blue' (stream 'blue')", "Leave it out of"]
    assert [word for word in words if word not in ran.log] == []
    with pytest.raises(SettingsError, match="would give it too"):
        night(*lists("blue"), **more, streams={"blue": own, "red": {}})


def test_one_tag_for_all_streams_may_not_show_one_of_them(night: Rehearsal) -> None:
    more: dict[str, Any] = {"segment": None, "tags": ["north"]}
    assert night(*lists("north"), **more).code == 0
    ran = night(*lists("north", "south"), **more)
    assert ran.code == 3
    assert "Leave it out of 'tags'" in ran.log


@pytest.mark.parametrize(
    "settings",
    [
        {"segment": "Team"},
        {"segment": None, "tags": ["all"]},
        {"segment": None, "membership": "none"},
        {"segment": None, "streams": {"red": {"membership": "property"}}},
    ],
    ids=repr,
)
def test_streams_that_share_no_mark_are_accepted(
    night: Rehearsal, settings: dict[str, Any]
) -> None:
    assert night(*lists("red", "Blue"), **settings).code == 0


def test_streams_of_one_segment_show_it_in_one_way(night: Rehearsal) -> None:
    ran = night(*lists("red", "blue"), streams={"red": {"membership": "property"}})
    assert ran.code == 3
    assert "'red' and 'blue' of segment 'VIP' differ in 'membership'" in ran.log


@pytest.mark.parametrize(
    ("membership", "mark"),
    [("tag", "the tag 'Spring sale'"), ("property", "the property 'segment_spring_sale'")],
)
def test_the_log_says_at_each_schema_which_mark_shows_the_segment(
    night: Rehearsal, membership: str, mark: str
) -> None:
    ran = night(schema("a"), schema("a", more={}), segment="Spring sale", membership=membership)
    assert ran.log.count(f"Stream 'a': segment 'Spring sale' shows as {mark}.") == 1


def test_the_log_says_that_nothing_shows_the_segment(night: Rehearsal) -> None:
    ran = night(schema("a"), segment="Quiet", membership="none")
    assert "segment 'Quiet' does not show in Omnisend" in ran.log


# -- segments that only the ledger knows -----------------------------------------------------


def test_another_loader_may_not_take_the_mark_of_a_segment_in_the_ledger(
    night: Rehearsal, url: str
) -> None:
    assert night(*lists("x"), segment="Lake", ledger_url=url).code == 0
    ran = night(*lists("x"), segment="LAKE", ledger_url=url)
    assert (ran.code, ran.states, ran.writes) == (3, [], {})
    assert "Set 'segment' to 'Lake'" in ran.log
    ran = night(*lists("x"), segment="Sea", tags=["lake"], ledger_url=url)
    assert (ran.code, ran.writes) == (3, {})
    assert night(*lists("x"), segment="LAKE", membership="property", ledger_url=url).code == 0
    assert night(*lists("x"), segment="Lake", ledger_url=url).code == 0


def test_a_retired_segment_frees_its_mark(night: Rehearsal, url: str) -> None:
    night(*lists("x"), segment="Lake", ledger_url=url)
    assert night.retire("Lake", segment="Lake", ledger_url=url).code == 0
    assert night(*lists("x"), segment="LAKE", ledger_url=url).code == 0
    assert night.tagged("LAKE") == {"ada", "bo"}


@pytest.mark.parametrize(
    "settings",
    [
        {"segment": "LAKE"},
        {"segment": "Sea", "tags": ["lake"]},
        {"segment": None, "tags": ["lake"]},
        {"segment": None, "streams": {"x": {"segment": "lAKE"}}},
        {"segment": None, "streams": {"x": {"segment": "Sea", "tags": ["lAKE"]}}},
    ],
    ids=repr,
)
def test_a_segment_is_not_retired_while_another_one_uses_its_mark(
    night: Rehearsal, url: str, settings: dict[str, Any]
) -> None:
    night(*lists("x"), segment="Lake", ledger_url=url)
    ran = night.retire("Lake", **settings, ledger_url=url)
    assert (ran.code, ran.writes, night.tagged("Lake")) == (3, {}, {"ada", "bo"})
    assert "Segment 'Lake' cannot be retired." in ran.log


def test_who_is_in_another_segment_with_the_same_mark_keeps_it(night: Rehearsal, url: str) -> None:
    night(*lists("x"), segment="Lake", ledger_url=url)
    _as_an_earlier_version_did(night, url)
    ran = night.retire("Lake", segment="Other", ledger_url=url)
    assert (ran.code, ran.counts["removed"], night.tagged("Lake")) == (0, 1, {"ada"})
    assert "1 members of segment 'Lake' keep the tag 'Lake'" in ran.log
    assert (
        night(schema("x"), record("ada@example.com", "x"), segment="LAKE", ledger_url=url).code == 0
    )


def _as_an_earlier_version_did(night: Rehearsal, url: str) -> None:
    """Let segment 'LAKE' show by the tag of 'Lake': its name was another one at first."""
    night(schema("x"), record("ada@example.com", "x"), segment="Pond", ledger_url=url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE target_omnisend_segments SET name = 'LAKE' WHERE name = 'Pond'")
        )
    engine.dispose()
