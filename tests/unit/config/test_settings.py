"""Settings: what is wrong is named in a sentence, and never quoted."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from target_omnisend.config.environment import ENVIRONMENT_PREFIX
from target_omnisend.config.settings import Settings
from target_omnisend.config.validation import SettingsError
from target_omnisend.names import did_you_mean
from target_omnisend.target import TargetOmnisend

if TYPE_CHECKING:
    from pathlib import Path

    from target_omnisend.config.settings import Settings

KEY = "key-that-nobody-may-see"
VALUE = "value-that-nobody-may-see"
GOOD: dict[str, Any] = {
    "api_key": KEY,
    "data_privacy_consent": True,
    "mapping": {"email": "email"},
}


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


def target_of(**changes: Any) -> TargetOmnisend:
    config = {**GOOD, **changes}
    target = TargetOmnisend(config={n: v for n, v in config.items() if v is not ...})
    target.interrupt.close()
    return target


def settings_of(**changes: Any) -> Settings:
    return target_of(**changes).settings


def problems_of(**changes: Any) -> str:
    with pytest.raises(SettingsError) as error:
        target_of(**changes)
    assert error.value.problems, "no sentence"
    return str(error.value)


def test_what_is_not_set_has_its_default() -> None:
    settings = settings_of()
    assert settings.api_url == "https://api.omnisend.com/api"
    assert settings.api_version == "2026-03-15"
    assert (settings.membership, settings.subscription_status) == ("tag", "nonSubscribed")
    assert (settings.send_welcome_message, settings.segment) == (False, None)
    assert (settings.quota_share, settings.max_rejected_percent) == (0.9, 10)
    assert (settings.request_timeout, settings.confirm_timeout) == (60, 3600)
    assert (settings.max_unconfirmed, settings.rejects_path) == (
        500_000,
        "target-omnisend-rejects/",
    )


@pytest.mark.parametrize("name", ["api_key", "data_privacy_consent", "mapping"])
@pytest.mark.parametrize("value", [..., None, "", " "], ids=repr)
def test_a_missing_setting_is_named(name: str, value: Any) -> None:
    assert f"Setting '{name}' is missing." in problems_of(**{name: value})


def test_every_missing_setting_is_named_at_once() -> None:
    said = problems_of(api_key=..., mapping=..., data_privacy_consent=...)
    assert said.count("is missing") == 3


def test_the_column_with_the_email_is_required() -> None:
    assert "Setting 'mapping.email' is missing." in problems_of(mapping={"city": "town"})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"api_key": ""}, "'api_key'"),
        ({"api_key": 7}, "'api_key'"),
        ({"api_key": f"{VALUE}\n"}, "'api_key'"),
        ({"api_key": f" {VALUE}"}, "'api_key'"),
        ({"api_key": f"{VALUE} {VALUE}"}, "'api_key'"),
        ({"api_key": f"{VALUE}\u2026"}, "'api_key'"),
        ({"api_url": f"http://{VALUE}.example.com/api"}, "'api_url'"),
        ({"api_url": f"http://127.0.0.1.{VALUE}.example.com"}, "'api_url'"),
        ({"api_url": "http://10.0.0.1/api"}, "'api_url'"),
        ({"api_url": f"ftp://{VALUE}"}, "'api_url'"),
        ({"api_url": VALUE}, "'api_url'"),
        ({"api_url": "https://"}, "'api_url'"),
        ({"api_url": f"https://[{VALUE}"}, "'api_url'"),
        ({"api_url": f"https://api.example.com:{VALUE}/api"}, "'api_url'"),
        ({"api_version": VALUE}, "'api_version'"),
        ({"api_version": "2026-03-15\n"}, "'api_version'"),
        ({"api_version": "\u0662\u0660\u0662\u0666-03-15"}, "'api_version'"),
        ({"data_privacy_consent": False}, "'data_privacy_consent'"),
        ({"data_privacy_consent": VALUE}, "'data_privacy_consent'"),
        ({"mapping": VALUE}, "'mapping'"),
        ({"mapping": {"email": ["a", VALUE]}}, "'mapping.email'"),
        ({"mapping": {"email": "e", "frist_name": VALUE}}, "'frist_name'"),
        ({"custom_properties": {"a": 7}}, "'custom_properties.…'"),
        ({"segment": 7}, "'segment'"),
        ({"membership": VALUE}, "'membership'"),
        ({"tags": VALUE}, "'tags'"),
        ({"tags": [7]}, "'tags.0'"),
        ({"subscription_status": VALUE}, "'subscription_status'"),
        ({"send_welcome_message": VALUE}, "'send_welcome_message'"),
        ({"max_rejected_percent": 101}, "'max_rejected_percent'"),
        ({"max_rejected_percent": VALUE}, "'max_rejected_percent'"),
        ({"rejects_path": 7}, "'rejects_path'"),
        ({"report_path": f"{VALUE}.txt"}, "'report_path'"),
        ({"quota_share": 1.01}, "'quota_share'"),
        ({"quota_share": -1}, "'quota_share'"),
        ({"quota_share": float("nan")}, "'quota_share'"),
        ({"quota_share": "nan"}, "'quota_share'"),
        ({"request_timeout": 0}, "'request_timeout'"),
        ({"request_timeout": float("inf")}, "'request_timeout'"),
        ({"confirm_timeout": -5}, "'confirm_timeout'"),
        ({"confirm_timeout": float("nan")}, "'confirm_timeout'"),
        ({"max_unconfirmed": 99}, "'max_unconfirmed'"),
        ({"max_unconfirmed": 100.5}, "'max_unconfirmed'"),
        ({"streams": {"a": {"mapping": {"city": VALUE}}}}, "'streams.a.mapping.email'"),
        ({"streams": {"a": {"membership": VALUE}}}, "'streams.a.membership'"),
        ({"streams": {"a": {"mappings": VALUE}}}, "'mapping'"),
        ({"streams": VALUE}, "'streams'"),
    ],
    ids=repr,
)
def test_a_wrong_setting_is_named_and_its_value_is_not(changes: dict[str, Any], named: str) -> None:
    said = problems_of(**changes)
    assert named in said
    assert said.rstrip().endswith((".", "?"))
    assert KEY not in said
    assert VALUE not in said


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/api",
        "http://127.1.2.3/api",
        "http://[::1]:8000/api",
        "http://localhost:8000/api",
        "https://api.omnisend.com/api",
        "https://proxy.example.com:8443/omnisend/api",
    ],
)
def test_http_is_for_this_machine_and_https_for_any(url: str) -> None:
    assert settings_of(api_url=url).api_url == url


def test_a_slash_at_the_end_of_the_address_does_not_matter() -> None:
    assert settings_of(api_url="https://a.example/api/").api_url == "https://a.example/api"


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(settings_of())


def test_a_stream_has_its_own_settings_and_the_others_those_of_the_run() -> None:
    settings = settings_of(
        segment="All",
        tags=["t"],
        streams={"vip": {"segment": "VIP", "mapping": {"email": "mail"}, "tags": []}},
    )
    vip, other = settings.for_stream("vip"), settings.for_stream("other")
    assert (vip.segment, vip.mapping, vip.tags) == ("VIP", {"email": "mail"}, ())
    assert (other.segment, other.mapping, other.tags) == ("All", {"email": "email"}, ("t",))
    assert vip.membership == other.membership == "tag"


def test_a_segment_is_named_after_its_stream_unless_named() -> None:
    assert settings_of().for_stream("vip").segment == "vip"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("quota_share", "0.5", 0.5),
        ("quota_share", "1", 1),
        ("max_rejected_percent", "25", 25),
        ("request_timeout", "2.5", 2.5),
        ("confirm_timeout", "60", 60),
        ("max_unconfirmed", "1000", 1000),
        ("segment", "VIP", "VIP"),
        ("send_welcome_message", "true", True),
    ],
    ids=repr,
)
def test_settings_come_from_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any
) -> None:
    around = {"api_key": KEY, "data_privacy_consent": "true", "mapping": '{"email": "e"}'}
    for setting, given in {**around, name: text}.items():
        monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}{setting.upper()}", given)
    target = TargetOmnisend(parse_env_config=True)
    target.interrupt.close()
    assert getattr(target.settings, name) == value


def run_command(*arguments: str, caplog: pytest.LogCaptureFixture) -> tuple[Any, str]:
    """Exit code of the command and what it logged."""
    with pytest.raises(SystemExit) as exit_:
        TargetOmnisend.cli.main(list(arguments), standalone_mode=True)
    return exit_.value.code, caplog.text


@pytest.mark.parametrize(
    ("name", "text"),
    [("mapping", f"{{{VALUE}"), ("max_unconfirmed", VALUE), ("quota_share", VALUE)],
    ids=repr,
)
def test_an_unreadable_variable_is_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, text: str
) -> None:
    variables = {"api_key": KEY, "data_privacy_consent": "true", "mapping": '{"email": "e"}'}
    for setting, given in {**variables, name: text}.items():
        monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}{setting.upper()}", given)
    code, said = run_command("--config=ENV", caplog=caplog)
    assert code == 3
    assert name in said.lower()
    assert VALUE not in said
    assert KEY not in said


@pytest.mark.parametrize("content", ["", "[1]", f'{{"api_key": "{VALUE}', "7"], ids=repr)
def test_an_unreadable_config_file_is_named_and_not_quoted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    code, said = run_command(f"--config={path}", caplog=caplog)
    assert (code, str(path) in said, VALUE in said) == (3, True, False)


def test_wrong_settings_end_the_command_with_3(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**GOOD, "membership": VALUE}))
    code, said = run_command(f"--config={path}", caplog=caplog)
    assert (code, "'membership'" in said, VALUE in said) == (3, True, False)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("emial", "; did you mean 'email'?"),
        ("EMAIL", "; did you mean 'email'?"),
        ("E-Mail", "; did you mean 'email'?"),
        ("postal code", "; did you mean 'PostalCode'?"),
        ("xyz", ""),
        ("name", ""),
        ("mode", ""),
    ],
)
def test_the_nearest_name_is_suggested(name: str, hint: str) -> None:
    assert did_you_mean(name, ["email", "city", "PostalCode", "remote_id"]) == hint


def test_streams_of_one_segment_show_it_in_the_same_way() -> None:
    one = {"segment": "VIP", "membership": "tag"}
    other = {"segment": "VIP", "membership": "property"}
    assert "'VIP'" in problems_of(streams={"a": one, "b": other})
    target_of(streams={"a": other, "b": other})


@pytest.mark.parametrize("kind", ["text", "number", "boolean", "date", "list"])
def test_a_property_can_have_a_type(kind: str) -> None:
    named = {"p": {"column": "c", "type": kind}, "q": "d"}
    assert settings_of(custom_properties=named).custom_properties == named
    own = {"members": {"custom_properties": named}}
    assert settings_of(streams=own).for_stream("members").custom_properties == named


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ({"column": "c", "type": VALUE}, "custom_properties.p.type"),
        ({"type": "date"}, "custom_properties.p.column"),
        ({"column": "c", "kind": "date"}, "custom_properties.p"),
        ({"column": 5}, "custom_properties.p.column"),
        (5, "custom_properties.…"),
    ],
)
def test_a_property_that_cannot_be_used_is_named(named: object, path: str) -> None:
    problems = problems_of(custom_properties={"p": named})
    assert f"'{path}'" in problems
    assert VALUE not in problems


@pytest.mark.parametrize("pattern", ["%d/%m/%Y", "%Y%m%d", "%d.%m.%y", "%d %b %Y %H:%M", "%x"])
def test_a_pattern_of_a_day_is_a_date_format(pattern: str) -> None:
    assert settings_of(date_formats=[pattern]).date_formats == (pattern,)


@pytest.mark.parametrize("pattern", [VALUE, "%d/%m", "%Y", "%", "%d/%m/%Y %q", "DD/MM/YYYY", "%H"])
def test_a_pattern_without_a_whole_day_is_none(pattern: str) -> None:
    problems = problems_of(date_formats=["%d/%m/%Y", pattern])
    assert problems.startswith("Setting 'date_formats' should hold patterns with a day")
    assert VALUE not in problems


def test_a_wrong_value_of_one_of_the_sdks_settings_is_told_by_its_name() -> None:
    problems = problems_of(flattening_enabled=VALUE, batch_size_rows=VALUE)
    assert "'flattening_enabled' should be of type boolean" in problems
    assert "'batch_size_rows' should be of type integer" in problems
    assert VALUE not in problems
