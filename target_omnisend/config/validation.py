"""Why settings cannot be used, in sentences that quote no value."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import typing as t

from target_omnisend.config.address import address_problems, webhook_problems
from target_omnisend.config.rejects_path import rejects_path_problems
from target_omnisend.config.schema import CONFIG_JSONSCHEMA, CREDENTIALS, STREAM_SETTINGS
from target_omnisend.names import did_you_mean, nearest

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from jsonschema import ValidationError
    from jsonschema.protocols import Validator


class SettingsError(ValueError):
    """Settings that cannot be used.

    Attributes:
        problems: one plain sentence each; never a setting's value.
    """

    def __init__(self, problems: list[str]) -> None:
        """Keep the sentences."""
        super().__init__(" ".join(problems))
        self.problems = problems


def unfit_values(validator: Validator, config: Mapping[str, t.Any]) -> list[str]:
    """A sentence for each value that does not fit the JSON schema, and for a missing mapping."""
    try:
        unfit = [describe(error) for error in validator.iter_errors(config)]
        return [*unfit, *_missing_mapping(config)]
    except AttributeError:  # the SDK's own schema of `__else__` is not valid
        return ["Setting 'stream_maps.__else__' should be null or '__NULL__'."]


def problems_of(config: Mapping[str, t.Any]) -> list[str]:
    """A sentence for each thing that a JSON schema cannot say of a config that fits it."""
    return [
        *_consent_problems(config),
        *address_problems(config["api_url"]),
        *webhook_problems(config.get("notify_url") or "https://not.set"),
        *_credential_problems(config),
        *_number_problems(config),
        *_path_problems(config),
        *rejects_path_problems(config),
        *_membership_problems(config),
        *_pattern_problems(config),
    ]


def no_settings(config: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """A sentence for each name among the settings that is not a setting's."""
    for name in sorted(set(config) - set(known)):
        yield _no_setting(name, known)


def _no_setting(name: str, known: Iterable[str]) -> str:
    """The name is shown only if it is a slip for a setting's: others can be misplaced keys."""
    if nearest(name, known):
        return f"The setting '{name}' is not known{did_you_mean(name, known)}"
    return (
        "A name among the settings is not a setting's. Compare the names with those of "
        "`target-omnisend --about`."
    )


def _no_field(path: str, name: str, error: ValidationError) -> str:
    known = error.schema["properties"]
    if path.startswith("streams.") and isinstance(error.instance[name], dict):
        return f"Setting '{path}' has no field '{name}'{_of_split_stream(path, name, known)}"
    if nearest(name, known):
        return f"Setting '{path}' has no field '{name}'{did_you_mean(name, known)}"
    return f"Setting '{path}' has a field that it does not know. It knows {', '.join(known)}."


def describe(error: ValidationError) -> str:
    """Say in a sentence what a schema violation means, without the offending value."""
    rule, expected = error.validator, error.validator_value
    inside = rule in {"required", "additionalProperties"}
    path = _place(error.absolute_path, inside=inside)
    if rule == "required":
        return _missing(path, error)
    if rule == "anyOf" and not path:  # of the whole config: only the credentials have it
        name = CREDENTIALS[0]
        return f"Setting '{name}' is missing. {error.schema['properties'][name]['description']}"
    if rule == "additionalProperties":
        strangers = sorted(set(error.instance) - set(error.schema["properties"]))
        return " ".join(_no_field(path, name, error) for name in strangers)
    if expectation := _EXPECTATIONS.get(rule):
        return f"Setting '{path}' {expectation(expected)}."
    return f"Setting '{path}' is not usable. {error.schema.get('description', '')}".rstrip()


def _missing_mapping(config: Mapping[str, t.Any]) -> list[str]:
    """A sentence if no stream can have a mapping."""
    streams = config.get("streams")
    own = streams.values() if isinstance(streams, dict) else ()
    if "mapping" in config or any(isinstance(one, dict) and "mapping" in one for one in own):
        return []
    text = CONFIG_JSONSCHEMA["properties"]["mapping"]["description"]
    return [f"Setting 'mapping' is missing. {text}"]


def _of_split_stream(path: str, name: str, known: Iterable[str]) -> str:
    whole = f"{path.removeprefix('streams.')}.{name}"
    return (
        f"{did_you_mean(name, known) or '.'} Meltano splits the name of a stream at its dots: if "
        f"the stream is '{whole}', give it at least one of {', '.join(sorted(STREAM_SETTINGS))}."
    )


def _place(path: Iterable[str | int], *, inside: bool) -> str:
    """Where in the settings; a name at its end that the operator chose is not shown.

    It can be a key in the wrong place. With something `inside` it is a stream's name. The first
    name is always a setting's: no schema judges the others.
    """
    schema: t.Any = CONFIG_JSONSCHEMA
    parts: list[str] = []
    chosen = False
    for part in path:
        known = schema.get("properties", {}) if isinstance(schema, dict) else {}
        chosen = isinstance(part, str) and part not in known and bool(parts)
        schema = known.get(part) or (schema or {}).get("additionalProperties")
        schema = schema if isinstance(schema, dict) else {}
        parts.append(str(part))
    return ".".join([*parts[:-1], "…"] if chosen and not inside else parts)


def _missing(path: str, error: ValidationError) -> str:
    absent = [name for name in error.validator_value if name not in error.instance]
    # One error names one property, but not which; the message starts with it.
    name = next((n for n in absent if error.message.startswith(f"'{n}'")), absent[0])
    full = f"{path}.{name}" if path else name
    text = error.schema["properties"][name].get("description", "")
    return f"Setting '{full}' is missing. {text}".strip()


def _type_names(expected: str | list[str]) -> str:
    names = [expected] if isinstance(expected, str) else expected
    return " or ".join(name for name in names if name != "null")


_EXPECTATIONS: t.Final[dict[str, t.Callable[[t.Any], str]]] = {
    "type": lambda expected: f"should be of type {_type_names(expected)}",
    "enum": lambda allowed: f"should be one of {', '.join(str(a) for a in allowed if a)}",
    "minimum": lambda least: f"should be at least {least}",
    "maximum": lambda most: f"should be at most {most}",
    "exclusiveMinimum": lambda least: f"should be more than {least}",
    "minLength": lambda _: "should not be empty",
}


def _consent_problems(config: Mapping[str, t.Any]) -> list[str]:
    if config["data_privacy_consent"] is True:
        return []
    sentence = (
        "Setting 'data_privacy_consent' must be true before anything is sent: "
        "it says that you are allowed to transfer these people's data to Omnisend."
    )
    return [sentence]


def _credential_problems(config: Mapping[str, t.Any]) -> list[str]:
    given = [name for name in CREDENTIALS if name in config]
    # Often the line break at the end of a file that held the key.
    problems = [
        f"Setting '{name}' has a space, a line break or another character that cannot be sent."
        for name in (*given, "api_version")
        if not re.fullmatch("[!-~]+", config[name])
    ]
    if len(given) > 1:
        problems.append("Give either 'api_key' or 'access_token', not both.")
    return problems


def _number_problems(config: Mapping[str, t.Any]) -> list[str]:
    # JSON schema lets NaN pass: it is neither below a minimum nor above a maximum.
    return [
        f"Setting '{name}' should be a finite number."
        for name, value in config.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]


def _path_problems(config: Mapping[str, t.Any]) -> list[str]:
    return [
        f"Setting '{name}' has a character that no path can have."
        for name in ("rejects_path", "report_path", "ledger_url")
        if not can_be_path(config.get(name) or "")
    ]


def can_be_path(text: str) -> bool:
    """Whether any file system takes it for a path."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half a character
        return False


def _membership_problems(config: Mapping[str, t.Any]) -> list[str]:
    problems = []
    if config["verify"] == "all" and not config.get("ledger_url"):
        problems.append("Setting 'verify: all' needs 'ledger_url'.")
    for stream, own in [("", {}), *(config.get("streams") or {}).items()]:
        here = {**config, **{name: value for name, value in own.items() if value is not None}}
        where = f" of stream '{stream}'" if stream else ""
        if here["sync_mode"] == "mirror" and not config.get("ledger_url"):
            problems.append(f"Setting 'sync_mode: mirror'{where} needs 'ledger_url'.")
        if here["create_segment"] and here["membership"] == "none":
            problems.append(f"Setting 'create_segment'{where} needs a tag or property to go by.")
    return problems


def _pattern_problems(config: Mapping[str, t.Any]) -> list[str]:
    usable = all(_is_pattern_of_a_day(pattern) for pattern in config.get("date_formats") or ())
    return [] if usable else [_PATTERN_PROBLEM]


def _is_pattern_of_a_day(pattern: str) -> bool:
    """Whether a date that is written by the pattern can be read by it."""
    day = dt.datetime(1987, 11, 23)  # noqa: DTZ001 - a day on paper
    try:
        return dt.datetime.strptime(day.strftime(pattern), pattern).date() == day.date()  # noqa: DTZ007
    except (ValueError, re.error):
        return False


_PATTERN_PROBLEM: t.Final = (
    "Setting 'date_formats' should hold patterns with a day, a month and a year, such as %d/%m/%Y."
)
