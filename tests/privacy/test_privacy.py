"""Nobody's data and no key in any output, whatever happens to them, at the wordiest log level.

One run carries as many ways to say too much as it can. What may hold people's data, the rejects
file and the ledger, is for its owner only.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
import yaml
from support.batches import PLAIN, batch
from support.command import Command, record, schema, state
from support.sandbox import Sandbox, running_sandbox
from support.somebody import KEY, PERSON, another, found

from omnisend_sandbox.faults import Fault
from omnisend_sandbox.model import Store
from omnisend_sandbox.wire import PROBLEM_HEADERS, Reply, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MAPPING = {
    "email": "email",
    "first_name": "first",
    "last_name": "last",
    "address": ["street", "zip"],
    "city": "city",
    "phone": "phone",
    "birthdate": "born",
}
COLUMNS: dict[str, Any] = {name: {} for name in PERSON}
JSON_LOG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"level": "DEBUG", "handlers": ["console"]},
    "loggers": {name: {"level": "DEBUG"} for name in ("sqlalchemy.engine", "psycopg")},
}
BOOKMARK = state(bookmarks={"members": {"after": PERSON["email"]}})


class Prying:
    """The command, and what it says; looks at every file it leaves but those for the owner."""

    def __init__(self, folder: Path, sandbox: Sandbox, variables: Mapping[str, str]) -> None:
        self.folder, self.sandbox, self._variables = folder, sandbox, variables
        self.code, self.log = -1, ""
        self._command = Command(folder, sandbox.api_url)

    def __call__(
        self, *messages: Any, options: tuple[str, ...] = (), variables: Any = (), **settings: Any
    ) -> Prying:
        """Run it, and look; `options` take the place of --config."""
        settings = {
            "api_key": KEY,
            "mapping": MAPPING,
            "custom_properties": {"spent": "spent"},
            "report_path": "report.json",
            "rejects_path": "new/rejects",
            **settings,
        }
        config = self._command.config(**settings)
        lines = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "target_omnisend", *(options or ("--config", config))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env={**os.environ, "TARGET_OMNISEND_LOGLEVEL": "DEBUG", **self._variables}
            | dict(variables),
        )
        return self.look(b"".join(line + b"\n" for line in lines), lines)

    def look(self, text: bytes, lines: list[bytes]) -> Prying:
        out, log = self.process.communicate(text, timeout=60)
        self.code, self.log = self.process.returncode, log.decode()
        assert found(self.log) == [], self.log
        assert "Traceback" not in self.log
        given = [json.loads(line).get("value") for line in lines if b'"STATE"' in line]
        assert [line for line in out.splitlines() if json.loads(line) not in given] == []
        for report in self.folder.glob("report*"):
            assert found(report.read_text()) == []
        return self

    @property
    def refused(self) -> set[str]:
        """The codes in its rejects files."""
        lines = [
            json.loads(line)
            for file in self.folder.glob("new/rejects/*.jsonl")
            for line in file.read_text().splitlines()
        ]
        return {line["rejection"]["code"] for line in lines if "rejection" in line}


@pytest.fixture(params=["plain", "json"])
def prying(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Prying]:
    """With the SDK's plain lines, and with its JSON, which shows all that a line carries."""
    variables = {}
    if request.param == "json":
        (tmp_path / "log.yaml").write_text(yaml.safe_dump(JSON_LOG))
        variables["SINGER_SDK_LOG_CONFIG"] = str(tmp_path / "log.yaml")
    with running_sandbox(_Quoting(time.time, keys={KEY: None})) as sandbox:
        yield Prying(tmp_path, sandbox, variables)


class _Quoting(Store):
    """A store that can quote, in an answer to a batch, all that it was sent."""

    quotes = False

    def handle(self, *call: Any, **more: Any) -> Reply:
        """As the real one, or with a refusal that quotes the whole request in each field."""
        method, path, body = call[0], call[1], call[4] if len(call) > 4 else more.get("body", b"")
        if not self.quotes or method == "GET" or not path.endswith(("/batches", "/tags")):
            return super().handle(*call, **more)
        said = f"{PERSON['email']} {PERSON['last']}: {body.decode()}"
        errors = [{"field": said, "code": said, "message": said}]
        names = ("type", "title", "detail", "instance", "error")
        return Reply(400, PROBLEM_HEADERS, encode({**dict.fromkeys(names, said), "errors": errors}))


def test_people_who_go_through_and_people_who_are_refused(prying: Prying) -> None:
    faults = prying.sandbox.store.faults
    faults.add(
        Fault("item_refused", email=r"\+20@", code=400),
        Fault("item_flaky", email=r"\+2[1-5]@", code=503),
        Fault("no_counts", "GET /batches"),
    )
    refused = [
        another(1, email="Quillonette Zwyndharst"),
        another(2, email=None),
        another(3, first=17, last="\ud800"),
        another(4, phone="0207 Zwyndharst", born="Umberhythe", city=["Umberhythe"]),
        another(5, spent="Zwyndharst" * 300),
    ]
    columns = {**COLUMNS, "first": {"type": "string", "enum": [PERSON["first"]]}}
    messages = [
        {**schema(keys=["email"], **columns)},
        *(record(**one, version=1) for one in [PERSON, PERSON, *refused]),
        BOOKMARK,
        *({**record(**another(n)), "version": 1} for n in range(20, 130)),
        {"type": "ACTIVATE_VERSION", "stream": "members", "version": 1},
        BOOKMARK,
    ]
    settings: dict[str, Any] = {"ledger_url": "sqlite:///kept/ledger.db", "sync_mode": "mirror"}
    run = prying(*messages, **settings)

    assert run.code == 0, run.log
    wanted = {"email_invalid", "email_missing"}
    assert run.refused == wanted | {"omnisend_refused"}
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for folder in ("new", "kept")
        for path in (prying.folder / folder).rglob("*")
    }
    assert modes.pop("rejects") == 0o700
    assert modes["ledger.db"] == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((prying.folder / "kept").stat().st_mode) == 0o700

    # Then what only reads, who leaves, and who is taken back.
    assert prying(*messages, options=("--dry-run", "--config", "config.json")).code == 0
    gone = {"type": "ACTIVATE_VERSION", "stream": "members", "version": 2}
    few = [{**record(**PERSON), "version": 2}, gone]
    assert prying(schema(**COLUMNS), *few, **settings).code == 6
    retire = ("--config", "config.json", "--retire", "VIP")
    faults.add(Fault("status", "DELETE /contacts/tags", status=400))
    assert prying(options=retire, **settings).code in (0, 3)
    assert prying(options=("--check", "--config", "config.json")).code == 0


FAULTS = {
    "of calls": [
        *(Fault(kind, skip=1, times=1) for kind in ("reset_before", "reset_after", "cut")),
        Fault("broken_json", skip=2, times=2),
        Fault("slow", "POST /batches", times=1, seconds=1.5),
        Fault("throttle", "POST /batches", times=1, retry_after=0, header=True),
        Fault("status", "POST /batches", skip=2, times=1, status=502, acted=True),
        Fault("status", "POST /batches", skip=3, times=1, status=413),
    ],
    "of batches": [
        Fault("stopped", every=3, times=1),
        Fault("vanished", skip=1, times=1),
        Fault("stuck", skip=3, times=1),
        Fault("no_counts", every=2),
        Fault("shuffled"),
        Fault("answers", "*", shape="string", every=2),
        Fault("item_flaky", email=r"\+1.@", code=503),
        Fault("item_refused", email=r"\+2.@", code=422),
        Fault("no_arrays", "*", skip=6, every=3, shape="missing"),
    ],
}


@pytest.mark.parametrize("prying", ["json"], indirect=True)
@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_that_omnisend_may_have(prying: Prying, kind: str) -> None:
    store = prying.sandbox.store
    store.faults.add(*FAULTS[kind])
    people = [record(**another(n)) for n in range(350)]
    run = prying(schema(**COLUMNS), *people, BOOKMARK, request_timeout=1, confirm_timeout=4)

    assert run.code == (0 if kind == "of calls" else 5), run.log
    assert set(store.faults.hits) == {fault.kind for fault in FAULTS[kind]}


def test_refusals_that_quote_the_person(prying: Prying) -> None:
    store = prying.sandbox.store
    assert isinstance(store, _Quoting)
    store.quotes = True
    run = prying(schema(**COLUMNS), record(**PERSON), record(**another(1)), BOOKMARK)

    assert (run.code, store.contacts) == (4, {}), run.log
    assert run.refused == {"omnisend_refused"}, "where the reason may stand in full"


MAPS = {
    "filter": {"members": {"__filter__": "email", "mail": "email"}},
    "value": {"members": {"spent": "int(email)"}},
    "name": {"members": {"spent": "record['email'].nothing"}},
    "alias": {"members": {"__alias__": "__stream_name__ + '_x'", "__else__": None}},
}
NAMED = json.dumps(PERSON).encode()
TROUBLE: dict[str, tuple[list[Any], dict[str, Any], int]] = {
    "not JSON": ([NAMED[:-3]], {}, 1),
    "no object": ([b"[" + NAMED + b"]"], {}, 1),
    "no UTF-8": ([NAMED.replace(b"Umber", b"Umber\xff")], {}, 1),
    "no type": ([PERSON], {}, 1),
    "odd type": ([{"type": PERSON["email"], **PERSON}], {}, 1),
    "no schema": ([record(stream="others", **PERSON)], {}, 1),
    "no record": ([{"type": "RECORD", "stream": "members", "record": PERSON["email"]}], {}, 1),
    "no key": ([schema(keys=["id"], **COLUMNS), record(**PERSON)], {}, 1),
    "bad schema": ([schema(first={"type": "x", "default": PERSON["email"]})], {}, 1),
    "bad columns": ([schema(first=PERSON["email"])], {"flattening_enabled": True}, 1),
    "a state without a value": ([{"type": "STATE", "was": PERSON["email"]}], {}, 1),
    "a batch": ([{"type": "BATCH", "stream": "members", "manifest": [PERSON["email"]]}], {}, 1),
    "a batch file": ([batch(f"data:,{quote(NAMED[:-3])}", encoding=PLAIN)], {}, 1),
    "a key to a batch file": ([batch(f"nowhere://me:{KEY}@h/?{KEY}")], {}, 1),
    "deep": ([b'{"type": "RECORD", "email": "' + NAMED[12:30] + b'", "a":' + b"[" * 9000], {}, 1),
    **{f"map: {name}": ([record(**PERSON)], {"stream_maps": own}, 3) for name, own in MAPS.items()},
    "wrong key": ([], {"api_key": f"{KEY}x"}, 3),
    "key as a version": ([], {"api_version": f"{KEY} "}, 3),
    "key in the address": ([], {"api_url": f"https://{KEY}:{KEY}@/api"}, 3),
    "key in the ledger": ([], {"ledger_url": f"postgresql://me:{KEY}@127.0.0.1:1/x"}, 3),
    "key in a number": ([], {"request_timeout": KEY}, 3),
}
TROUBLE["map: filter"] = (*TROUBLE["map: filter"][:2], 0)
TROUBLE["map: alias"] = (*TROUBLE["map: alias"][:2], 0)


@pytest.mark.parametrize("prying", ["json"], indirect=True)
@pytest.mark.parametrize(("lines", "settings", "code"), TROUBLE.values(), ids=TROUBLE)
def test_input_and_settings_that_will_not_do(
    prying: Prying, lines: list[Any], settings: dict[str, Any], code: int
) -> None:
    before = [schema(**COLUMNS), record(**PERSON)]
    run = prying(*before, *lines, membership="property", **settings)
    assert run.code == code, run.log
    assert "this is a bug" not in run.log


@pytest.mark.parametrize("prying", ["json"], indirect=True)
def test_a_key_in_odd_places(prying: Prying) -> None:
    inline = json.dumps({"api_key": KEY})
    assert prying(options=("--config", inline)).code == 3
    variables = {"TARGET_OMNISEND_MAPPING": KEY, "TARGET_OMNISEND_QUOTA_SHARE": KEY}
    assert prying(options=("--config=ENV",), variables=variables).code == 3
    (prying.folder / "bad.json").write_text(f'{{"api_key": "{KEY}",')
    assert prying(options=("--config", "bad.json")).code == 3


@pytest.mark.parametrize("prying", ["json"], indirect=True)
@pytest.mark.parametrize("trouble", ["trigger", "locked", "corrupt"])
def test_a_ledger_that_fails_with_the_person_in_its_rows(prying: Prying, trouble: str) -> None:
    messages = [schema(**COLUMNS), record(**PERSON), BOOKMARK]
    assert prying(*messages, ledger_url="sqlite:///ledger.db").code == 0
    path = prying.folder / "ledger.db"
    with sqlite3.connect(path) as held:
        if trouble == "trigger":
            held.executescript(
                "CREATE TRIGGER no BEFORE INSERT ON target_omnisend_members BEGIN"
                f" SELECT RAISE(ABORT, 'no room for {PERSON['email']}'); END"
            )
        elif trouble == "locked":
            held.execute("BEGIN EXCLUSIVE")
        else:
            path.write_bytes(path.read_bytes()[:5000] + PERSON["email"].encode() * 400)
        run = prying(*messages, record(**another(1)), BOOKMARK, ledger_url="sqlite:///ledger.db")
    held.close()
    assert run.code in (1, 3), run.log
    assert "this is a bug" not in run.log


@pytest.mark.parametrize("prying", ["json"], indirect=True)
def test_a_postgres_trigger_that_quotes_the_row(
    prying: Prying, new_schema: Callable[[], str]
) -> None:
    url = new_schema()
    assert prying(schema(**COLUMNS), record(**PERSON), ledger_url=url).code == 0
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no room for zwyndharst+1@vexmoor.example'; END $$;"
            "CREATE TRIGGER no BEFORE INSERT ON target_omnisend_journal"
            " FOR EACH ROW EXECUTE FUNCTION no()"
        )
    run = prying(schema(**COLUMNS), record(**another(1)), BOOKMARK, ledger_url=url)
    assert run.code == 1, run.log
    assert "failed in the middle of the run (RaiseException)" in run.log


@pytest.mark.parametrize("prying", ["json"], indirect=True)
def test_a_run_that_is_stopped_in_the_middle(prying: Prying) -> None:
    store = prying.sandbox.store
    store.faults.add(Fault("stuck"))

    def stop() -> None:
        until = time.monotonic() + 30
        while not store.batches and time.monotonic() < until:
            time.sleep(0.05)
        for _ in range(2):  # the second spares the grace
            prying.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)

    stopping = threading.Thread(target=stop)
    stopping.start()
    run = prying(schema(**COLUMNS), record(**PERSON), BOOKMARK)
    stopping.join()
    assert run.code == 143, run.log
