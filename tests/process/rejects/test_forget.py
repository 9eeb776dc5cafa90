"""`--forget`: every local trace of a person is gone, down to the bytes; others stay.

docs/questions/privacy.md shows the command: `test_files_are_rewritten_without_the_person` runs it.
"""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from conftest import NOON
from support.command import Command, record, schema, state
from support.s3 import BUCKET, running_s3

from target_omnisend.errors import RunFailed
from target_omnisend.ledger import ErasingLedger, brands_of
from target_omnisend.ledger.journal import Sizes
from target_omnisend.mapping.person import Person
from target_omnisend.output.erasing import Folder, erase
from target_omnisend.output.rejected import read
from target_omnisend.output.rejects import RejectsFile
from target_omnisend.report.rejects_table import make_table

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opener
    from support.sandbox import Sandbox

ANN, BOB = "ann@example.org", "bob@example.org"
ONE = b"1" * 16
KEYED = schema(keys=["id"], id={"type": "integer"})
MENTIONS = [
    record(ANN, id=1, age="x"),
    record("Ann@Example.org ", id=2),
    record("not an address", id=3, note=f"she writes as {ANN.upper()}."),
]
OTHERS = [record("jo" + ANN, id=4), record(ANN + ".br", id=5), record(None, id=6)]


@pytest.fixture
def nowhere(tmp_path: Path) -> Command:
    """The command without an Omnisend: nothing listens there."""
    return Command(tmp_path, "http://127.0.0.1:9/api")


def forget(command: Command, address: str, *, text: bytes = b"", **settings: Any) -> Any:
    ran = command.run("--forget", address, "--config", command.config(**settings), text=text)
    assert ANN.lower() not in (ran.out + ran.log).lower()
    return ran


def rejects_of(folder: Path, *records: Any, name: str = "20261122T102030Z-5eed1234.jsonl") -> Path:
    """A rejects file."""
    folder.mkdir(exist_ok=True, parents=True)
    reason = {"rejection": {"code": "email_invalid", "message": "odd"}}
    lines = [KEYED, *({**one, **reason} for one in records)]
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    path.chmod(0o600)
    return path


def numbers(path: Path) -> list[int]:
    messages = map(json.loads, path.read_text().splitlines())
    return [one["record"]["id"] for one in messages if one["type"] == "RECORD"]


def test_files_are_rewritten_without_the_person(nowhere: Command) -> None:
    folder = nowhere.rejects_path
    both = rejects_of(folder, *MENTIONS, *OTHERS)
    alone = rejects_of(folder, *MENTIONS, name="20261123T102030Z-5eed1234.jsonl")
    theirs = folder / "notes.jsonl"
    theirs.write_text(ANN)
    ran = forget(nowhere, "-", text=f" {ANN.upper()}\n".encode())
    assert ran.code == 0, ran.log
    assert "The person was in 6 places (6 rejected records); exit code 0" in ran.last
    assert (numbers(both), alone.exists(), theirs.exists()) == ([4, 5, 6], False, True)
    assert both.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in folder.iterdir()} == {both.name, theirs.name}


@pytest.mark.parametrize("address", [ANN, "-"])
def test_a_person_who_is_nowhere_is_no_failure(nowhere: Command, address: str) -> None:
    ran = forget(nowhere, address, text=ANN.encode())
    assert (ran.code, ran.out) == (0, "")
    assert "The person was in 0 places; exit code 0" in ran.last
    ran = forget(nowhere, ANN, ledger_url=f"sqlite:///{nowhere.folder}/ledger.db")
    assert ran.code == 0
    assert not (nowhere.folder / "ledger.db").exists()


@pytest.mark.parametrize("address", ["ann", "-"])
@pytest.mark.slow  # a process for each
def test_what_is_not_an_address_is_wrong_use(nowhere: Command, address: str) -> None:
    kept = rejects_of(nowhere.rejects_path, *MENTIONS)
    ran = forget(nowhere, address)
    assert (ran.code, len(numbers(kept))) == (2, 3)
    assert "--forget needs an e-mail address" in ran.log


def test_a_file_that_a_run_still_writes_is_left_alone(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path, "5eed1234", lambda: NOON)
    line = json.dumps(MENTIONS[0]).encode()
    reason: Any = {"code": "email_invalid", "field": None, "message": "", "stage": "mapping"}
    rejects.add(json.dumps(KEYED).encode(), line, **reason)
    with pytest.raises(RunFailed, match="A run is writing rejected records"):
        erase(Folder(tmp_path), Person(ANN).is_in)
    assert numbers(rejects.path) == [1]
    del rejects  # the run ends
    assert erase(Folder(tmp_path), Person(ANN).is_in) == 1


def test_a_file_that_a_run_wrote_is_found(command: Command) -> None:
    assert command(KEYED, *MENTIONS[2:], record(BOB, id=9), state(n=1)).code == 0
    (kept,) = command.rejects_path.glob("*.jsonl")
    assert forget(command, ANN).code == 0
    assert not kept.exists()


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("ledger.db*"))


def test_a_ledger_holds_no_byte_of_the_person(command: Command, sandbox: Sandbox) -> None:
    place: dict[str, Any] = {
        "ledger_url": f"sqlite:///{command.folder}/ledger.db",
        "rejects_path": "ledger",
    }
    assert command(KEYED, *MENTIONS, *OTHERS[:1], record(BOB, id=9), **place).code == 0
    assert ANN.encode() in _bytes_of(command.folder)
    calls = sandbox.store.requests.counts.total()
    ran = forget(command, ANN, **place)
    assert ran.code == 0, ran.log
    assert "The person was in 2 places (1 memberships, 1 rejected records)" in ran.last
    rest = _bytes_of(command.folder).lower()
    assert not re.search(rb"(?<!jo)ann@example\.org", rest)
    assert b"joann@example.org" in rest
    assert sandbox.store.requests.counts.total() == calls, "Omnisend is not asked"
    ran = command(KEYED, *MENTIONS[:2], record(BOB, id=9), **place)
    assert (ran.counts["accepted"], ran.counts["unchanged"]) == (1, 1), "a run can follow"


def test_a_ledger_that_is_in_use_says_so(nowhere: Command, opened: Opener) -> None:
    place = f"sqlite:///{nowhere.folder}/ledger.db"
    ledger = opened(place)
    ledger.confirm("VIP", [(ANN, ONE)])
    ledger.flush()
    with pytest.raises(RunFailed, match="is in use by another run"):
        brands_of(place, wait=0.01)


def test_journal_batches_and_every_brand(url: str, opened: Opener) -> None:
    for brand in ("north", "south"):
        ledger = opened(url, brand=brand, sizes=Sizes(unmerged=10**9))
        ledger.confirm("VIP", [(ANN, ONE), (BOB, ONE)])
        ledger.confirm("Lapsed", [(ANN, ONE)])
        ledger.batches.begin(f"{brand}-both", [ANN, BOB])
        ledger.batches.begin(f"{brand}-alone", [ANN])
        row = {"item": "{}", "schema": "{}", "fingerprint": "", "leaves": False, "tries": 1}
        for email in (ANN, BOB):
            ledger.retries.put("VIP", email, line="{}", code="unconfirmed", **row)
        ledger.flush()
        ledger._database.close()  # the journal stays, as after a kill
    for brand in brands_of(url):
        with closing(opened(url, brand=brand, kind=ErasingLedger)) as ledger:
            assert isinstance(ledger, ErasingLedger)
            found = ledger.erase(ANN, lambda text: Person(ANN).is_in(read(text.encode())))
            ledger.overwrite()
            retried = {"contacts to be sent once more": 1}
            assert found == {"memberships": 2, "open batches": 2, **retried}
            assert ledger.erase(ANN, lambda _: False) == {}
    for brand in ("north", "south"):
        ledger = opened(url, brand=brand)
        assert ledger.known("VIP", [ANN, BOB]) == {BOB: ONE}
        assert [(one.id, one.emails) for one in ledger.batches.all()] == [(f"{brand}-both", [BOB])]
        assert list(ledger.retries.tries) == [("VIP", BOB)]
        ledger.close()


@pytest.mark.slow  # each process imports the store's package
def test_an_object_store_is_rewritten_too(nowhere: Command) -> None:
    with running_s3() as s3:
        kept = rejects_of(nowhere.rejects_path, *MENTIONS, *OTHERS)
        s3.put("rejects/20261122T102030Z-5eed1234-00001.jsonl", kept.read_bytes())
        s3.put("rejects/theirs.jsonl", ANN.encode())
        config = nowhere.config(rejects_path=f"s3://{BUCKET}/rejects")
        ran = nowhere.run("--forget", ANN, "--config", config, variables=s3.variables)
        assert ran.code == 0, ran.log
        assert "The person was in 3 places (3 rejected records)" in ran.last
        texts = s3.files()
        assert len(texts) == 2
        lines = texts["rejects/20261122T102030Z-5eed1234-00001.jsonl"].splitlines()
        assert [json.loads(line)["record"]["id"] for line in lines[1:]] == [4, 5, 6]


def test_a_table_that_names_the_person_is_deleted_and_others_stay(tmp_path: Path) -> None:
    hers = rejects_of(tmp_path, *MENTIONS[:1], *OTHERS)
    others = rejects_of(tmp_path, *OTHERS, name="20261122T102031Z-5eed1234.jsonl")
    alone = rejects_of(tmp_path, *MENTIONS[:1], name="20261122T102032Z-5eed1234.jsonl")
    for file in (hers, others, alone):
        make_table(file)
    alone.unlink()  # its records are corrected, and the table was left behind
    draft = tmp_path / "20261122T102033Z-5eed1234.csv.tmp"
    draft.write_text(f"email\n{ANN}\n")
    assert erase(Folder(tmp_path), Person(ANN).is_in) == 3
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {hers.name, others.name, others.with_suffix(".csv").name}
