"""Reading settings from files and the environment, with sentences that quote no value."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._util import read_json_file

from target_omnisend.config.blanks import not_blank_in_environment, without_blanks
from target_omnisend.config.schema import CONFIG_JSONSCHEMA, CONTACT_FIELDS, STREAM_SETTINGS
from target_omnisend.config.stream_names import join_stream_names
from target_omnisend.config.validation import SettingsError

if t.TYPE_CHECKING:
    from singer_sdk.plugin_base import _ConfigInput

ENVIRONMENT_PREFIX: t.Final = "TARGET_OMNISEND_"


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


def unreadable(paths: tuple[str, ...]) -> SettingsError:
    """Why the config files could not be read."""
    for path in paths:
        try:
            if path.lstrip().startswith("{"):  # it may hold the key
                return SettingsError(
                    ["--config takes the path of a config file, and not the settings themselves."]
                )
            if path != "ENV":
                dict(read_json_file(path))
        except OSError as error:
            # The SDK raises one without its reason for a file that is missing.
            reason = error.strerror or "there is no such file"
            return SettingsError([f"The config file {path} cannot be read ({reason})."])
        except (ValueError, TypeError, RecursionError):
            return SettingsError([f"The config file {path} does not hold a JSON object."])
    return SettingsError(["The config files cannot be read."])
