"""`notify_url`: the command says at its end how it went, and nothing depends on it."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING

import pytest
from support.command import KEY, people, record, schema, state
from support.hook import SECRET, Hook, running_hook
from support.rehearsal import Rehearsal
from support.stopping import Run, Tap

from target_omnisend.commands.notices import notify
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.errors import ExitCode, RunFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.command import Command, Ran
    from support.sandbox import Sandbox

PLAIN = {"membership": "property"}  # spares the second that tags take


@pytest.fixture
def hook() -> Iterator[Hook]:
    with running_hook() as running:
        yield running


def _says_nothing_of(ran: Ran, hook: Hook, *more: str) -> None:
    """Neither the log nor a notice holds a secret or a person."""
    for secret in (SECRET, KEY, "example.com", *more):
        assert secret not in f"{ran.log}{ran.out}{hook.got}", secret


def test_a_run_that_went_well_says_so_if_it_is_asked_to(command: Command, hook: Hook) -> None:
    ran = command(
        schema(), *people(3), record(None), state(at=1), notify_url=hook.url, notify_on="always"
    )
    assert (ran.code, ran.states) == (0, [{"at": 1}]), ran.log
    (got,) = hook.got
    assert got["text"].startswith("Needs attention: export of 'VIP' to Omnisend, store '")
    assert "4 received, 3 accepted, 1 rejected; exit code 0" in got["text"]
    assert (got["totals"]["accepted"], got["rejections"]) == (3, {"email_missing": 1})
    _says_nothing_of(ran, hook)


def test_wrong_settings_are_said_also_if_the_environment_names_the_url(
    command: Command, hook: Hook
) -> None:
    config = command.config(max_rejected_percent="many", notify_on="never")
    variables = {"TARGET_OMNISEND_NOTIFY_URL": hook.url}
    ran = command.run("--config", config, "--config", "ENV", variables=variables)
    assert ran.code == 3
    (got,) = hook.got
    assert "2 things are wrong with the settings" in got["text"]
    _says_nothing_of(ran, hook)


def test_a_stopped_run_says_so(command: Command, sandbox: Sandbox, hook: Hook) -> None:
    run = Run(
        *(command, sandbox, Tap(records=240, every=60, silent=True), 0),
        notify_url=hook.url,
        batch_size_rows=50,
    )
    run.wait_until(lambda: run.position > 0)
    run.send(SIGTERM)
    assert run.end().code == 143
    assert [got["run"]["exit_code"] for got in hook.got] == [143]


@pytest.mark.parametrize(
    "url", ["http://example.com/x", f"https://me:{SECRET}@example.com/x", f"ftp://{SECRET}", SECRET]
)
def test_a_url_that_cannot_be_used_is_a_matter_of_settings(tmp_path: Path, url: str) -> None:
    with pytest.raises(Exception, match="Setting 'notify_url' should be an https://") as caught:
        Rehearsal(tmp_path)(schema(), notify_url=url)
    assert SECRET not in str(caught.value)


class TestInThisProcess:
    """The same with time that jumps."""

    def test_a_run_that_went_well_says_nothing_unless_asked(
        self, tmp_path: Path, hook: Hook
    ) -> None:
        ran = Rehearsal(tmp_path)(schema(), *people(2), notify_url=hook.url)
        assert (ran.code, hook.got) == (0, [])

    def test_a_fault_of_our_own_in_it_is_a_warning(
        self, hook: Hook, caplog: pytest.LogCaptureFixture
    ) -> None:
        notify(hook.url, Outcome(), {}, "exit code 0", always=True)  # no report lacks all its keys
        assert "did not arrive (KeyError)" in caplog.text
        assert hook.got == []

    def test_one_that_does_not_arrive_is_a_warning(self, tmp_path: Path, hook: Hook) -> None:
        hook.answers = [500]
        more = {"notify_url": hook.url, "notify_on": "always"}
        ran = Rehearsal(tmp_path)(schema(), *people(2), state(at=1), **more)
        assert (ran.code, ran.states, len(hook.got)) == (0, [{"at": 1}], 2)
        assert "The notice of the run's end did not arrive (the answer is 500)." in ran.log
        assert "exit code 0" in ran.log.splitlines()[-1]
        assert SECRET not in ran.log

    def test_a_wrong_key_is_said_without_any_report(self, tmp_path: Path, hook: Hook) -> None:
        def refuse(*_: object) -> None:
            raise RunFailed(ExitCode.SETTINGS, "Omnisend does not accept the API key. Check it.")

        ran = Rehearsal(tmp_path)(schema(), notify_url=hook.url, parts={"client": refuse})
        assert ran.code == 3
        (got,) = hook.got
        assert got["text"].startswith("Failed: export to Omnisend: ")
        assert "does not accept the API key" in got["text"]
        assert got["run"]["exit_code"] == 3

    def test_a_comparison_that_finds_members_missing_says_so(
        self, tmp_path: Path, hook: Hook
    ) -> None:
        night, url = Rehearsal(tmp_path), f"sqlite:///{tmp_path}/ledger.db"
        night(schema(), *people(2), ledger_url=url)
        for contact in night.store.contacts.values():
            contact.tags = ()
        assert night.verify("VIP", ledger_url=url, notify_url=hook.url).code == 5
        (got,) = hook.got
        assert "verification of 'VIP' in Omnisend" in got["text"]
        assert "exit code 5" in got["text"]
