"""Loss is loud: a line with its cure, an item under "What to do next", and in the dry run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import people, record, schema

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command, Ran
    from support.sandbox import Sandbox

PLAIN: dict[str, Any] = {"membership": "property"}


class Told:
    """A run or a dry run, and what its report says to do next."""

    def __init__(self, command: Command, *messages: Any, dry: bool = False, **more: Any) -> None:
        self._path = command.folder / "report.json"
        settings = {"report_path": str(self._path), **PLAIN, **more}
        text = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        arguments = ["--config", command.config(**settings), *(["--dry-run"] if dry else [])]
        self.ran: Ran = command.run(*arguments, text=text)

    @property
    def next(self) -> list[str]:
        """What to do next."""
        return list(json.loads(self._path.read_text())["next"])

    def says(self, sentence: str) -> None:
        """It is a line of the log and an item of the report."""
        assert sentence in self.ran.log
        assert [step for step in self.next if sentence in step], self.next


def _phones(good: int, bad: int, without: int = 0) -> list[dict[str, Any]]:
    phones = ["+442079460000"] * good + ["none"] * bad + [""] * without
    return [record(f"member{n}@example.com", tel=tel) for n, tel in enumerate(phones)]


PHONES: dict[str, Any] = {"mapping": {"email": "email", "phone": "tel"}}
LOST = "Stream 'members': column 'tel' was left out of"


def test_a_column_that_loses_more_than_half_of_its_values_is_named(command: Command) -> None:
    told = Told(command, schema(tel={}), *_phones(4, 6, without=50), **PHONES)

    assert told.ran.code == 0
    told.says(f"{LOST} 6 of 10 records (phone_invalid). Write it as +44 20 7946 0000")


@pytest.mark.parametrize(("good", "bad"), [(5, 5), (9, 1), (5, 0)])
def test_a_column_that_loses_few_of_them_is_not(command: Command, good: int, bad: int) -> None:
    told = Told(command, schema(tel={}), *_phones(good, bad), **PHONES)

    assert (told.ran.code, LOST in told.ran.log) == (0, False), told.ran.log


def test_a_value_that_is_sent_all_the_same_is_not_lost(command: Command) -> None:
    members = [record(f"member{n}@example.com", land="Atlantis") for n in range(3)]
    told = Told(command, schema(land={}), *members, mapping={"email": "email", "country": "land"})
    assert (told.ran.counts["left_out"], "column 'land'" in told.ran.log) == (3, False)


def test_the_dry_run_says_it_in_would_form_with_the_code(command: Command) -> None:
    told = Told(command, schema(tel={}), *_phones(0, 3), dry=True, **PHONES)

    assert "column 'tel' would be left out of 3 of 3 records (phone_invalid)." in told.ran.log
    assert "3 would be left out (3 phone_invalid)" in told.ran.last
    assert not (command.folder / "report.json").exists()


def test_the_report_counts_codes_by_stream_and_column(command: Command, tmp_path: Path) -> None:
    Told(command, schema(tel={}), *_phones(1, 2), record(None), **PHONES)

    stream = json.loads((tmp_path / "report.json").read_text())["streams"]["members"]
    assert stream["left_out"] == {"phone_invalid": {"tel": 2}}
    assert stream["rejections"] == {"email_missing": 1}


@pytest.mark.parametrize("dry", [False, True])
def test_a_mapped_column_that_is_not_there_is_named(command: Command, *, dry: bool) -> None:
    members = [record(f"member{n}@example.com", TOWN="x") for n in range(2)]
    mapping = {"email": "email", "city": "town", "last_name": "zzz"}
    told = Told(command, schema(TOWN={}), *members, dry=dry, mapping=mapping)
    near = "names the column 'town', which the stream does not have; did you mean 'TOWN'?"
    far = "names the column 'zzz', which the stream does not have. Correct the mapping"
    assert [words in told.ran.log for words in (near, far)] == [True, True], told.ran.log
    if not dry:
        told.says(near)
        told.says(far)


MIRROR: dict[str, Any] = {"sync_mode": "mirror", "mirror_on": "activate_version"}


def test_a_mirror_that_removes_nobody_is_named(command: Command, tmp_path: Path) -> None:
    mirror = {**MIRROR, "ledger_url": f"sqlite:///{tmp_path}/ledger.db"}
    dry = Told(command, schema(), *people(2), dry=True, **mirror)
    assert "Segment 'VIP': this run would remove no member, because" in dry.ran.log

    told = Told(command, schema(), *people(2), **mirror)
    assert told.ran.code == 0
    told.says("Segment 'VIP': this run removed no member, because")


def test_a_member_that_omnisend_does_not_let_go_is_named(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    mirror: dict[str, Any] = {
        "sync_mode": "mirror",
        "mirror_on": "end_of_stream",
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "max_removed_percent": 100,
    }
    assert command(schema(), *people(4), **PLAIN, **mirror).code == 0
    sandbox.store.faults.add(Fault("item_refused", email="member3@", code=422))
    told = Told(command, schema(), *people(3), **mirror)

    assert (told.ran.code, told.ran.counts["not_removed"]) == (5, 1), told.ran.log
    assert "Omnisend did not take segment 'VIP' back from a member that left it" in told.ran.log
    assert [step for step in told.next if "1 members that left kept their" in step], told.next
