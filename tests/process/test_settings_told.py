"""Settings that cannot be used: which one and what it should be, before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.command import KEY, people, schema

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from support.command import Command
    from support.sandbox import Sandbox


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (
            {"api_key": None, "data_privacy_consent": None, "mapping": None},
            [
                "Setting 'api_key' is missing. Omnisend API key",
                "Setting 'data_privacy_consent' is missing. Must be true",
                "Setting 'mapping' is missing. Contact field → column.",
            ],
        ),
        (
            {
                "api_key": 5,
                "api_version": "latest",
                "data_privacy_consent": "yes",
                "mapping": {"email": "e", "frist_name": "n"},
                "max_unconfirmed": 10,
                "membership": "group",
                "quota_share": 2,
                "request_timeout": 0,
                "streams": {"members": {"segmant": "VIP"}},
            },
            [
                "Setting 'api_key' should be of type string.",
                "Setting 'api_version' is not usable. Version of Omnisend's API, a date",
                "Setting 'data_privacy_consent' should be of type boolean.",
                "Setting 'mapping' has no field 'frist_name'; did you mean 'first_name'?",
                "Setting 'max_unconfirmed' should be at least 100.",
                "Setting 'membership' should be one of tag, property, none.",
                "Setting 'quota_share' should be at most 1.",
                "Setting 'request_timeout' should be more than 0.",
                "Setting 'streams.members' has no field 'segmant'; did you mean 'segment'?",
            ],
        ),
        (
            {"data_privacy_consent": False, "api_url": "http://api.omnisend.com/api"},
            [
                "Setting 'api_url' should be an https:// address",
                "Setting 'data_privacy_consent' must be true before",
            ],
        ),
        ({"mapping": {"first_name": "n"}}, ["Setting 'mapping.email' is missing. Column with"]),
        ({"custom_properties": {"a": "t", "b c": "t"}}, ["custom_properties, name number 2: a"]),
        ({"segment": "x" * 200}, ["128"]),
    ],
)
def test_wrong_settings_are_told_before_stdin_is_read(
    command: Command, sandbox: Sandbox, settings: dict[str, Any], sentences: list[str]
) -> None:
    ran = command.run("--config", command.config(**settings), text=None)

    assert ran.code == 3, ran.log
    assert len(ran.errors) == len(sentences), ran.log
    for error, sentence in zip(sorted(ran.errors), sorted(sentences), strict=True):
        assert sentence in error
    assert sandbox.store.requests.counts == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "config.json does not hold a JSON object."),
        ("[1]", "config.json does not hold a JSON object."),
        (None, "config.json cannot be read (the file does not exist)."),
    ],
)
def test_a_config_file_that_is_none_is_told(
    command: Command, tmp_path: Path, content: str | None, sentence: str
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    ran = command.run("--config", str(path), text=None)

    assert ran.code == 3
    assert ran.errors[0].endswith(sentence), ran.log


def test_environment_variables_that_cannot_be_read_are_named(command: Command) -> None:
    variables = {
        "TARGET_OMNISEND_MAPPING": "{email: Quillon}",
        "TARGET_OMNISEND_STREAM_MAPS": "{Quillon",
        "TARGET_OMNISEND_BATCH_SIZE_ROWS": "Quillon",
    }
    ran = command.run("--config=ENV", text=None, variables=variables)

    assert ran.code == 3
    assert sorted(ran.errors) == [
        f"The environment variable {name} is not valid JSON or a number."
        for name in sorted(variables)
    ]
    assert "Quillon" not in ran.log


def test_a_setting_that_does_not_exist_is_told_and_ignored(command: Command) -> None:
    ran = command(max_reject_percent=5)

    assert ran.code == 0
    assert (
        "The setting 'max_reject_percent' is not known; did you mean 'max_rejected_percent'?"
        in (ran.log)
    )


def test_a_rejects_folder_that_cannot_be_written_to_is_told_first(
    command: Command, tmp_path: Path, sandbox: Sandbox
) -> None:
    (tmp_path / "file").write_text("")
    ran = command.run(
        "--config", command.config(rejects_path=str(tmp_path / "file" / "rejects")), text=None
    )

    assert ran.code == 3
    assert "'rejects_path'" in ran.errors[0]
    assert sandbox.store.batches == []


def test_an_access_token_takes_the_place_of_the_api_key(
    command: Command, sandbox: Sandbox, tmp_path: Path
) -> None:
    token = {"api_key": None, "access_token": KEY}
    assert command(schema(), *people(3), **token).counts["accepted"] == 3
    url = f"sqlite:///{tmp_path}/ledger.db"
    assert command(schema(), *people(3), **token, ledger_url=url).code == 0

    both = command(schema(), access_token=KEY)
    assert (both.code, "either 'api_key' or 'access_token', not both" in both.log) == (3, True)
    wrong = command(schema(), **{**token, "access_token": "wrong"})
    assert (wrong.code, "'access_token'" in wrong.log) == (3, True)

    # Tokens change from run to run: without a store's ID the ledger would forget everybody.
    sandbox.store.faults.add(Fault("status", endpoint="GET /brands/current", status=403))
    ran = command(schema(), **token, ledger_url=url)
    assert (ran.code, "needs to know the store" in ran.log) == (3, True)
