"""Reading settings from files and the environment, with sentences that quote no value."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from decimal import Decimal
from pathlib import Path

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._util import read_json_file
from singer_sdk.plugin_base import _ConfigInput

from target_omnisend.config.address import webhook_problems
from target_omnisend.config.blanks import not_blank_in_environment, without_blanks
from target_omnisend.config.parts import CONTACT_FIELDS
from target_omnisend.config.schema import CONFIG_JSONSCHEMA, STREAM_SETTINGS
from target_omnisend.config.stream_names import join_stream_names
from target_omnisend.config.validation import SettingsError, can_be_path

ENVIRONMENT_PREFIX: t.Final = "TARGET_OMNISEND_"

UNREADABLE: t.Final = "target_omnisend.unreadable"
"""Where the command line's context keeps why the config files cannot be read."""


def tidied(config: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The config without blank values, with whole names of streams and with numbers as numbers.

    The environment gives text; from a file the SDK reads `Decimal`, which no timeout takes.

    Raises:
        SettingsError: when a stream is there twice.
    """
    properties = CONFIG_JSONSCHEMA["properties"]
    filled = without_blanks({**config, **_whole_names(config)})
    tidied = {name: _floating(value) for name, value in filled.items()}
    for name, value in tidied.items():
        if isinstance(value, str) and "number" in properties.get(name, {}).get("type", ()):
            try:
                tidied[name] = float(value)
            except ValueError:
                continue  # validation will say what it should be
    return tidied


def _whole_names(config: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    if not isinstance(config.get("streams"), dict):
        return {}
    streams, problems = join_stream_names(config["streams"], STREAM_SETTINGS, CONTACT_FIELDS)
    if problems:
        raise SettingsError(problems)
    return {"streams": streams}


def _floating(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _floating(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_floating(part) for part in value]
    return float(value) if isinstance(value, Decimal) else value


def read_environment(schema: dict[str, t.Any]) -> dict[str, t.Any]:
    """The settings that environment variables give; a blank variable gives none."""
    given = not_blank_in_environment(schema, ENVIRONMENT_PREFIX)
    return parse_environment_config(given, ENVIRONMENT_PREFIX)


def check_environment(config: _ConfigInput, schema: dict[str, t.Any]) -> None:
    """Name the variable that cannot be read; the SDK's error would quote its value."""
    if not config.parse_env:
        return
    problems = []
    for name, setting in not_blank_in_environment(schema, ENVIRONMENT_PREFIX)["properties"].items():
        try:
            parse_environment_config({"properties": {name: setting}}, ENVIRONMENT_PREFIX)
        except ValueError:
            variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
            problems.append(f"The environment variable {variable} is not valid JSON or a number.")
    if problems:
        raise SettingsError(problems)


def readable(paths: tuple[str, ...]) -> _ConfigInput:
    """The settings of those config files that can be read."""
    read = _ConfigInput(parse_env="ENV" in paths)
    for path in paths:
        with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
            read.config.update(_ConfigInput.from_cli_args(path).config)
    return read


def loader_name() -> str | None:
    """The name of this loader in `meltano.yml`, if Meltano runs it.

    Source: Meltano's documentation, "Environment variables", `MELTANO_<PLUGIN TYPE>_NAME`.
    """
    return os.environ.get("MELTANO_LOADER_NAME") or None


def with_environment(config: _ConfigInput) -> dict[str, t.Any]:
    """The settings, and where they are read from the environment, two of those that are there.

    These name the places that get the end of a run.
    """
    if not config.parse_env:
        return dict(config.config)
    variables = {name: f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in _OF_THE_END}
    given = {name: os.environ[one] for name, one in variables.items() if one in os.environ}
    return {**config.config, **given}


_OF_THE_END: t.Final = ("report_path", "notify_url")


def notify_url_of(config: t.Mapping[str, t.Any]) -> str | None:
    """Where a notice goes by settings that were not checked; None for any other text."""
    url = config.get("notify_url")
    return url if isinstance(url, str) and not webhook_problems(url) else None


def report_path_of(config: t.Mapping[str, t.Any]) -> str | None:
    """Where the report goes by settings that were not checked; None for a path that is not one."""
    path = config.get("report_path")
    usable = isinstance(path, str) and path.endswith(".json") and can_be_path(path)
    return path if usable else None


def unreadable(paths: tuple[str, ...]) -> SettingsError:
    """Why the config files could not be read."""
    for path in paths:
        try:
            if path != "ENV":
                dict(read_json_file(path))
        except OSError as error:
            # The SDK raises one without its reason for a file that is missing.
            reason = error.strerror or "the file does not exist"
            cure = "" if _is_name(path) else " --config takes the path of a file and no settings."
            return SettingsError(
                [f"The config file{_quoted(path)} cannot be read ({reason}).{cure}"]
            )
        except (ValueError, TypeError, RecursionError):
            return SettingsError([f"The config file{_quoted(path)} does not hold a JSON object."])
    return SettingsError(["The config files cannot be read."])


def _quoted(path: str) -> str:
    return f" {path}" if _is_name(path) else ""


def _is_name(path: str) -> bool:
    """Whether it names a file: otherwise it can be the settings themselves, or a key."""
    if re.fullmatch(r"[\w./~ @+-]{1,400}\.json", path):
        return True
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
