"""`meltano run tap-jsonl target-omnisend`, in a copy of the project, against the sandbox."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.checkout import ROOT
from support.project import MELTANO, Project, Sandbox, copy_of_checkout, sandbox_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAG = "VIP customers"
REFUSED = {"email_missing": 4, "email_invalid": 6}  # sample/README.md says so too
MEMBERS = 380

pytestmark = [
    pytest.mark.timeout(900),  # installs from the package index
    pytest.mark.skipif(MELTANO is None, reason="no meltano: run the nox session e2e"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("a checkout") / "target omnisend"  # spaces on purpose
    copy = copy_of_checkout(folder)
    copy.meltano("install")
    return copy


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandbox_process() as running:
        yield running


def _records(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _rejections(folder: Path) -> Counter[str]:
    messages = [message for file in folder.glob("*.jsonl") for message in _records(file)]
    return Counter(m["rejection"]["code"] for m in messages if m["type"] == "RECORD")


def _newest_lifetime_values() -> dict[str, float]:
    return {
        (record.get("email") or "").strip("\u200b \t\n").lower(): record["lifetime_value"]
        for record in _records(ROOT / "sample" / "vip_customers.jsonl")
    }


def test_the_sample_segment_arrives_and_a_repeat_changes_nothing(
    project: Project, sandbox: Sandbox, tmp_path: Path
) -> None:
    def run(rejects: Path) -> str:
        return project.meltano(
            *("--environment=sandbox", "run", "tap-jsonl", "target-omnisend"),
            api_url=f"{sandbox.site}/api",
            rejects_path=rejects,
        )

    output = run(tmp_path / "first")

    contacts = sandbox.contacts()
    assert len(contacts) == MEMBERS
    assert [email for email, contact in contacts.items() if contact["tags"] != [TAG]] == []
    assert {contact["status"] for contact in contacts.values()} == {"nonSubscribed"}
    state = sandbox.state()
    assert (state["welcomeMessages"], state["ignoredFields"]) == ([], {})
    assert state["tagMisses"] == 1, "the address that cannot exist, which tries the tag"
    newest = _newest_lifetime_values()
    assert {email: c["customProperties"]["lifetimeValue"] for email, c in contacts.items()} == {
        email: newest[email] for email in contacts
    }
    assert _rejections(tmp_path / "first") == REFUSED
    assert [email for email in contacts if email in output.lower()] == []
    assert "sandbox-key" not in output
    bookmarks = project.meltano("state", "get", "sandbox:tap-jsonl-to-target-omnisend")
    assert '"replication_key_value"' in bookmarks, "STATE came back to Meltano"

    run(tmp_path / "second")  # tap-jsonl 0.3.1 reads the whole file again, whatever the state

    assert _but_for_update_times(sandbox.contacts()) == _but_for_update_times(contacts)
    assert sandbox.state()["welcomeMessages"] == []


def _but_for_update_times(contacts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        email: {name: value for name, value in contact.items() if name != "updatedAt"}
        for email, contact in contacts.items()
    }


def test_the_try_command_says_what_arrived(project: Project) -> None:
    output = project.run(sys.executable, "scripts/try.py", "--meltano", str(MELTANO))

    assert f"{MEMBERS} contacts, {MEMBERS} of them tagged '{TAG}'" in output
    assert "10 records rejected: 6 email_invalid, 4 email_missing" in output
    assert _rejections(project.folder / "output" / "rejects") == REFUSED


def test_meltano_can_test_the_settings_and_nothing_is_written(
    project: Project, sandbox: Sandbox
) -> None:
    command = (str(MELTANO), "--log-level=debug", "--environment=sandbox", "config", "test")

    def test(code: int, **settings: str) -> str:
        done = project.try_(*command, "target-omnisend", api_url=f"{sandbox.site}/api", **settings)
        assert f"Process return code: {code}" in done.stdout, done.stdout
        if "ProcessLookupError" not in done.stdout:
            # Meltano 4.4.1 terminates a loader that has ended already, and falls over that,
            # whichever loader it is (asyncio knows no process any more).
            assert done.returncode == bool(code), done.stdout
        return "\n".join(line for line in done.stdout.splitlines() if "logger_name" in line)

    good = test(0)
    assert "Settings and API key are good" in good
    assert [word for word in ("error", "exception") if word in good.lower()] == []
    assert sandbox.contacts() == {}

    assert "does not accept the API key" in test(3, api_key="wrong")


def test_meltano_leaves_its_project_file_as_it_is(project: Project) -> None:
    project.meltano("config", "list", "target-omnisend")

    theirs = (project.folder / "meltano.yml").read_bytes()
    assert theirs == (ROOT / "meltano.yml").read_bytes()
