"""`--dry-run`: the whole input is judged; nothing is sent, written or emitted."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from support.command import people, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command, Ran
    from support.sandbox import Sandbox

CHECK = {"GET /brands/current": 1}


def _dry(command: Command, *messages: Any, **settings: Any) -> Ran:
    text = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    return command.run("--config", command.config(**settings), "--dry-run", text=text)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_says_what_would_become_of_each_record(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    ran = _dry(
        command,
        schema(first={"type": "string"}, tel={}, consent={"type": "string"}),
        *people(250),
        record("member7@example.com"),
        record(None),
        record("nobody"),
        record("member300@example.com", consent=5),
        record("member301@example.com", first="Wilhelmina", tel="12"),
        state(read=254),
        mapping={
            "email": "email",
            "first_name": "first",
            "phone": "tel",
            "subscription_status": "consent",
        },
        report_path=str(tmp_path / "report.json"),
        max_rejected_percent=0,
    )
    assert (ran.code, ran.out) == (4, ""), ran.log
    assert ran.counts == {
        "received": 255,
        "accepted": 251,
        "rejected": 3,
        "duplicates": 1,
        "left_out": 1,
    }
    segment = next(line for line in ran.log.splitlines() if "Dry run, segment 'VIP'" in line)
    assert "stream 'members'" in segment
    for code in ("email_missing", "email_invalid", "record_invalid"):
        assert f"1 {code}" in segment
    assert segment.endswith("; batch calls: 3, tag calls: 2.")
    assert "about 62 seconds at 90% of Omnisend's limits" in ran.log
    assert sandbox.store.requests.counts == CHECK
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_sample_contacts_show_their_shape_and_nobody(command: Command) -> None:
    ran = _dry(
        command,
        schema(first={}, spent={}, born={}),
        *[
            record(f"member{n}@example.com", first="Zoë-Ann", spent=12.5, born="1990-12-31")
            for n in range(5)
        ],
        mapping={"email": "email", "first_name": "first", "birthdate": "born"},
        custom_properties={"lifetimeValue": "spent"},
    )
    samples = [
        json.loads(line.split(": ", 1)[1]) for line in ran.log.splitlines() if "masked" in line
    ]
    assert samples == 3 * [
        {
            "identifiers": [
                {
                    "type": "email",
                    "id": "xxxxxxx@xxxxxxx.xxx",
                    "channels": {
                        "email": {
                            "status": "nonSubscribed",
                            "statusChangedAt": "2000-01-01T00:00:00Z",
                        }
                    },
                    "sendWelcomeMessage": False,
                }
            ],
            "firstName": "xxx-xxx",
            "birthdate": "xxxx-xx-xx",
            "customProperties": {"lifetimeValue": 0},
        }
    ]


def test_a_custom_property_is_masked_whatever_its_name(command: Command) -> None:
    names = ("status", "type", "id", "statusChangedAt")
    ran = _dry(
        command,
        schema(name={}),
        record("member1@example.com", name="Wilhelmina"),
        custom_properties=dict.fromkeys(names, "name"),
    )
    assert "Wilhelmina" not in ran.log
    assert ran.log.count('"xxxxxxxxxx"') == len(names), ran.log


def test_how_long_a_batch_may_take_is_no_matter(command: Command) -> None:
    ran = _dry(command, schema(), *people(20), confirm_timeout=1)
    assert (ran.code, ran.counts["accepted"]) == (0, 20), ran.log


def test_it_foresees_where_a_run_would_end_for_its_rejected_records(command: Command) -> None:
    bad = [record(None) for _ in range(600)]
    ran = _dry(command, schema(), *people(400), *bad, *people(500, 400))
    assert (ran.code, ran.counts["received"], ran.counts["rejected"]) == (4, 1500, 600), ran.log
    last = ran.log.splitlines()[-1]
    assert "A run would end after 1000 records, because 600 of them are rejected" in last


def test_it_foresees_that_a_run_would_fail_at_its_end(command: Command) -> None:
    bad = [record(None) for _ in range(11)]
    ran = _dry(command, schema(), *people(90), *bad)
    last = ran.log.splitlines()[-1]
    assert (ran.code, "11 of 101 records would be rejected" in last) == (4, True), ran.log
    assert _dry(command, schema(), *people(90), *bad[:10]).code == 0

    ran = _dry(command, schema(), *bad[:2])
    last = ran.log.splitlines()[-1]
    assert (ran.code, "none would be accepted" in last) == (4, True), ran.log


def test_what_changes_within_a_run_is_counted_as_the_run_counts_it(
    command: Command, tmp_path: Path
) -> None:
    settings = {
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "custom_properties": {"tier": "tier"},
        "batch_size_rows": 100,
        "sync_mode": "mirror",
        "mirror_on": "end_of_stream",
        "max_removed_percent": 100,
    }
    columns = schema(tier={}, _sdc_deleted_at={})

    def hundred(**more: str) -> list[dict[str, Any]]:
        return [record(f"member{n}@example.com", **more) for n in range(100)]

    assert command(columns, *hundred(tier="A"), *people(100, 200), **settings).code == 0
    there_and_back = [*hundred(tier="B"), *hundred(tier="A")]
    gone = hundred(_sdc_deleted_at="2026-01-01")
    for messages, unchanged, removed in ((there_and_back, 100, 0), ([*gone, *gone], 100, 100)):
        # What needs no call comes last: the ones before it are on their way by then.
        dry = _dry(command, columns, *messages, *people(100, 200), **settings)
        real = command(columns, *messages, *people(100, 200), **settings)
        assert (dry.code, dry.counts) == (real.code, real.counts), dry.log
        assert (dry.counts["unchanged"], dry.counts["removed"]) == (unchanged, removed)


def test_without_pacing_a_dry_run_reckons_with_omnisends_own_limits(command: Command) -> None:
    messages = [schema(), *people(41_000)]
    unpaced, paced = (
        _dry(command, *messages, membership="property", quota_share=share) for share in (0, 1)
    )
    (time,) = re.findall(r"(about \d+ \w+) at 100% of Omnisend's limits", unpaced.log)
    assert time == "about 2 minutes", "411 calls, of which Omnisend takes 400 a minute"
    assert time in paced.log


def test_a_file_that_is_no_ledger_yet_stays_as_it_is(command: Command, tmp_path: Path) -> None:
    empty, others = tmp_path / "empty.db", tmp_path / "others.db"
    empty.touch()
    with closing(sqlite3.connect(others)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = _files(tmp_path)
    for path in (empty, others):
        ran = _dry(command, schema(), *people(3), ledger_url=f"sqlite:///{path}")
        assert (ran.code, ran.counts["accepted"]) == (0, 3), ran.log
        (tmp_path / "config.json").unlink()
    assert _files(tmp_path) == before


def test_a_ledger_that_no_run_could_make_is_told(command: Command) -> None:
    ran = _dry(command, schema(), ledger_url="sqlite:///config.json/ledger.db")
    words = "The ledger config.json/ledger.db cannot be written to (Not a directory). Check "
    assert (ran.code, [error.startswith(words) for error in ran.errors]) == (3, [True]), ran.log
    assert "Not a directory" in ran.log.splitlines()[-1], "the last line says why"


def test_a_report_that_no_run_could_write_is_told(command: Command) -> None:
    ran = _dry(command, schema(), *people(3), report_path="config.json/report.json")
    assert (ran.code, "cannot be written" in ran.log.splitlines()[-1]) == (3, True), ran.log


def test_it_compares_with_the_ledger_and_leaves_it_as_it_is(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    mirrored = {
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "sync_mode": "mirror",
        "mirror_on": "end_of_stream",
        "max_removed_percent": 50,
    }
    assert command(schema(), *people(200), **mirrored).code == 0
    before, calls = _files(tmp_path), sandbox.store.requests.counts.copy()

    ran = _dry(command, schema(), *people(150, 50), *people(30, 300), **mirrored)
    assert ran.code == 0, ran.log
    assert (ran.counts["unchanged"], ran.counts["accepted"], ran.counts["removed"]) == (150, 30, 50)
    assert "batch calls: 1, tag calls: 2" in ran.log

    guarded = _dry(command, schema(), *people(10), **mirrored)
    assert (guarded.code, "before it removed them" in guarded.log) == (6, True)

    assert sandbox.store.requests.counts - calls == {"GET /brands/current": 2}
    config = tmp_path / "config.json"
    assert {**_files(tmp_path), config: b""} == {**before, config: b""}
    assert command(schema(), *people(200), **mirrored).counts["unchanged"] == 200


def test_a_ledger_in_postgresql_stays_empty(command: Command, new_schema: Any) -> None:
    url = new_schema()
    ran = _dry(command, schema(), *people(20), ledger_url=url)
    assert (ran.code, ran.counts["accepted"]) == (0, 20), ran.log
    ran = command(schema(), *people(20), ledger_url=url)
    assert ran.counts["accepted"] == 20, "the dry run remembered nobody"


def test_all_is_read_however_many_are_refused(command: Command) -> None:
    ran = _dry(command, schema(), *(record(None) for _ in range(500)), *people(500))
    assert (ran.code, ran.counts["received"], ran.counts["rejected"]) == (4, 1000, 500)


def test_a_wrong_key_is_told_before_anything_is_read(command: Command) -> None:
    ran = command.run("--config", command.config(api_key="wrong"), "--dry-run", text=None)
    assert (ran.code, ran.out) == (3, "")
    assert "does not accept the API key" in ran.log


def test_a_bad_line_is_told_with_its_number(command: Command) -> None:
    ran = command.run(
        *("--config", command.config(), "--dry-run"),
        text=json.dumps(schema()).encode() + b"\nno JSON\n",
    )
    assert (ran.code, "Line 2 of the input" in ran.log) == (1, True), ran.log
