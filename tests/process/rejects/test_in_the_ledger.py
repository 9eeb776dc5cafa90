"""`rejects_path: ledger`: kept once, printed, corrected, sent again, and gone once accepted.

docs/questions/rejects.md shows the commands: `test_it_is_printed_and_nothing_else_is` runs them.
"""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.calls import NOON
from support.command import record, schema, state
from support.rehearsal import KILL, Rehearsal

from omnisend_sandbox.faults import Fault
from target_omnisend.ledger import DryLedger, brands_of

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.rehearsal import Ran

KEYED = schema(keys=["id"], id={"type": "integer"})
BAD = record("ada at example.org", id=1)
GOOD = record("ada@example.org", id=1)
OTHER = record("bob at example.org", id=2)


def people(number: int, start: int = 100) -> list[dict[str, Any]]:
    """So many records that are accepted."""
    return [record(f"member{n}@example.com", id=n) for n in range(start, start + number)]


class Nights:
    """Runs of the target on one ledger."""

    def __init__(self, folder: Path, url: str) -> None:
        self.night = Rehearsal(folder)
        self.url = url
        self.brand: str | None = None

    def __call__(self, *messages: Any, **settings: Any) -> Ran:
        place = {"rejects_path": "ledger", "ledger_url": self.url, "max_rejected_percent": 100}
        return self.night(*messages, **place, **settings)

    def kept(self, segment: str | None = None) -> list[dict[str, Any]]:
        """What `--rejects` prints."""
        brand = self.brand or brands_of(self.url)[0]
        now = datetime.fromtimestamp(NOON, UTC)
        with closing(DryLedger(self.url, brand=brand, utc_now=lambda: now)) as ledger:
            return [json.loads(line) for line in ledger.kept.messages(segment)]

    def numbers(self) -> list[int]:
        """The column `id` of the records that are kept."""
        return [one["record"]["id"] for one in self.kept() if one["type"] == "RECORD"]


@pytest.fixture
def nights(tmp_path: Path, url: str) -> Nights:
    return Nights(tmp_path, url)


def corrected(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The addresses as they should be."""
    text = json.dumps(messages).replace(" (at) ", "@").replace(" at example", "@example")
    read: list[dict[str, Any]] = json.loads(text)
    return read


def test_a_record_is_printed_corrected_sent_again_and_gone(nights: Nights) -> None:
    ran = nights(KEYED, *people(2), BAD, OTHER, state(n=4))
    assert (ran.code, ran.states) == (0, [{"n": 4}]), ran.log
    assert "rejected records are in the ledger, print them with --rejects" in ran.log
    kept = nights.kept()
    assert [message["type"] for message in kept] == ["SCHEMA", "RECORD", "RECORD"]
    assert kept[0] == KEYED
    assert kept[1]["record"] == BAD["record"]
    assert kept[1]["rejection"]["code"] == "email_invalid"

    ran = nights(*corrected(kept[:2]))
    assert (ran.code, ran.counts["accepted"]) == (0, 1), ran.log
    assert nights.numbers() == [2]


def test_a_record_that_is_rejected_again_is_kept_once(nights: Nights) -> None:
    nights(KEYED, *people(2), BAD, OTHER)
    nights(*nights.kept(), *people(2))
    assert nights.numbers() == [1, 2]


@pytest.mark.parametrize("keyed", [KEYED, schema(id={})], ids=["by key", "as a whole"])
def test_a_source_that_sends_it_every_night_fills_no_table(
    nights: Nights, keyed: dict[str, Any]
) -> None:
    for _ in range(3):
        nights(keyed, *people(2), BAD)
    assert nights.numbers() == [1]


def test_a_source_that_was_corrected_settles_what_is_kept(nights: Nights) -> None:
    nights(KEYED, *people(2), BAD, OTHER)
    nights(KEYED, GOOD)
    assert nights.numbers() == [2]


def test_a_record_that_is_unchanged_settles_it_too(nights: Nights) -> None:
    nights(KEYED, GOOD)
    nights(KEYED, *people(2), BAD)
    assert nights.numbers() == [1]
    ran = nights(KEYED, GOOD)
    assert (ran.counts["unchanged"], nights.numbers()) == (1, [])


def test_of_two_that_become_one_person_neither_stays(nights: Nights) -> None:
    nights(schema(id={}), *people(2), BAD, record("ada (at) example.org", id=7))
    assert nights.numbers() == [1, 7]
    ran = nights(*corrected(nights.kept()))
    assert (ran.counts["accepted"], ran.counts["duplicates"]) == (1, 1), ran.log
    assert nights.numbers() == []


def test_a_contact_that_a_later_run_delivers_by_itself_is_not_kept_any_longer(
    nights: Nights,
) -> None:
    faults = nights.night.store.faults
    faults.add(Fault("item_refused", code=503, email="^ada@"))
    ran = nights(KEYED, *people(2), GOOD)
    assert (ran.counts["rejected"], nights.numbers()) == (1, [1]), ran.log
    faults.clear()
    ran = nights(KEYED, *people(2))
    assert "ada" in nights.night.tagged()
    assert nights.numbers() == []


def test_the_id_is_enough_where_nothing_else_is_the_same(nights: Nights) -> None:
    nights(schema(id={}), *people(2), BAD)
    kept = nights.kept()
    kept[1]["record"] = {"email": "eve@example.org", "id": 9}
    nights(*kept)
    assert nights.numbers() == []


def test_a_run_that_dies_before_omnisend_answers_keeps_it(nights: Nights) -> None:
    nights(KEYED, *people(2), BAD)
    assert nights(*corrected(nights.kept()), KILL).code == -9
    assert nights.numbers() == [1]


def test_no_state_passes_a_record_that_a_dying_run_did_not_keep(nights: Nights) -> None:
    ran = nights(KEYED, *people(100), BAD, state(n=101), *people(9, 500), OTHER, KILL)
    assert ran.code == -9
    assert not ran.states or 1 in nights.numbers()


def test_a_segment_of_several_is_printed_alone(nights: Nights) -> None:
    other = {**record("eve at example.org", "lapsed"), "stream": "lapsed"}
    nights(schema(), record("ada at"), *people(1), schema("lapsed"), other, segment=None)
    assert [one["stream"] for one in nights.kept("lapsed")] == ["lapsed", "lapsed"]
    assert len(nights.kept()) == 4
    assert nights.kept("nothing") == []


def test_another_store_has_its_own(nights: Nights) -> None:
    nights(KEYED, *people(1), BAD)
    nights.brand = "another"
    assert nights.kept() == []


def test_odd_characters_come_back_as_they_were(nights: Nights) -> None:
    line = (
        b'{"type":"RECORD","stream":"members","record":{"email":"\xed\xa0\x80\\u0000","id":1e999}}'
    )
    nights(KEYED, *people(2), line)
    (_, kept) = nights.kept()
    assert kept["record"] == {"email": "\ud800\0", "id": float("inf")}


def test_a_number_beyond_all_limits_is_kept_too(nights: Nights) -> None:
    long = b"9" * 5000
    line = b'{"type":"RECORD","stream":"members","record":{"email":"x@example.org","id":%s}}' % long
    ran = nights(KEYED, *people(2), line)
    assert (ran.code, ran.counts["rejected"]) == (0, 1), ran.log


# -- the command ---------------------------------------------------------------------------


@pytest.mark.slow  # processes for what a session shows as well
def test_it_is_printed_and_nothing_else_is(command: Command) -> None:
    place = {"rejects_path": "ledger", "ledger_url": f"sqlite:///{command.folder}/ledger.db"}
    config = command.config(**place)
    text = b"".join(json.dumps(one).encode() + b"\n" for one in (KEYED, GOOD, OTHER))
    assert command.run("--config", config, text=text).code == 0
    for segment, number in (((), 2), (("VIP",), 2), (("Lapsed",), 0)):
        ran = command.run("--config", config, "--rejects", *segment)
        assert ran.code == 0, ran.log
        assert f"Rejected records that the ledger keeps: {number // 2}; exit code 0" in ran.last
        printed = ran.out.encode()
        assert len(printed.splitlines()) == number
    printed = command.run("--config", config, "--rejects").out.encode()
    ran = command.run("--config", config, text=printed.replace(b" at example", b"@example"))
    assert (ran.code, ran.counts["accepted"]) == (0, 1), ran.log
    assert command.run("--rejects", "--config", config).out == ""


def test_it_needs_a_ledger(command: Command) -> None:
    ran = command.run("--rejects", "--config", command.config())
    assert (ran.code, ran.out) == (3, "")
    assert "--rejects needs the setting 'ledger_url'" in ran.last


@pytest.mark.parametrize("other", ["--check", "--dry-run", "--retire=VIP", "--forget=a@b.c"])
@pytest.mark.slow  # processes for what a session shows as well
def test_it_goes_with_no_other_command(command: Command, other: str) -> None:
    ran = command.run("--rejects", other, "--config", command.config())
    assert ran.code == 2
    assert "do not go together" in ran.log
