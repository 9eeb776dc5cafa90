"""Why settings cannot be used, in sentences that quote no value."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import os
import re
import typing as t

from target_omnisend.config.address import address_problems
from target_omnisend.config.schema import CONFIG_JSONSCHEMA, CREDENTIALS, STREAM_SETTINGS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jsonschema import ValidationError


class SettingsError(ValueError):
    """Settings that cannot be used.

    Attributes:
        problems: one plain sentence each; never a setting's value.
    """

    def __init__(self, problems: list[str]) -> None:
        """Keep the sentences."""
        super().__init__(" ".join(problems))
        self.problems = problems


def problems_of(config: Mapping[str, t.Any]) -> list[str]:
    """A sentence for each thing that a JSON schema cannot say of a config that fits it."""
    return [
        *_consent_problems(config),
        *address_problems(config["api_url"]),
        *_credential_problems(config),
        *_number_problems(config),
        *_path_problems(config),
        *_membership_problems(config),
        *_pattern_problems(config),
    ]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def describe(error: ValidationError) -> str:
    """Say in a sentence what a schema violation means, without the offending value."""
    path = ".".join(str(part) for part in error.absolute_path)
    rule, expected = error.validator, error.validator_value
    if rule == "required":
        return _missing(path, error)
    if rule == "anyOf":  # only the credentials have it
        name = CREDENTIALS[0]
        return f"Setting '{name}' is missing. {error.schema['properties'][name]['description']}"
    if rule == "additionalProperties":
        known = error.schema["properties"]
        strangers = sorted(set(error.instance) - set(known))
        return " ".join(
            f"Setting '{path}' has no field '{name}'{_hint(path, name, error)}"
            for name in strangers
        )
    if expectation := _EXPECTATIONS.get(rule):
        return f"Setting '{path}' {expectation(expected)}."
    return f"Setting '{path}' is not usable. {error.schema.get('description', '')}".rstrip()


def missing_mapping(config: Mapping[str, t.Any]) -> list[str]:
    """A sentence if no stream can have a mapping."""
    streams = config.get("streams")
    own = streams.values() if isinstance(streams, dict) else ()
    if "mapping" in config or any(isinstance(one, dict) and "mapping" in one for one in own):
        return []
    text = CONFIG_JSONSCHEMA["properties"]["mapping"]["description"]
    return [f"Setting 'mapping' is missing. {text}"]


def _hint(path: str, name: str, error: ValidationError) -> str:
    hint = did_you_mean(name, error.schema["properties"])
    if not path.startswith("streams.") or not isinstance(error.instance[name], dict):
        return hint or "."
    whole = f"{path.removeprefix('streams.')}.{name}"
    return (
        f"{hint or '.'} Meltano splits the name of a stream at its dots: if the stream is "
        f"'{whole}', give it at least one of {', '.join(sorted(STREAM_SETTINGS))}."
    )


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
        if not _can_be_path(config.get(name) or "")
    ]


def _can_be_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half a character
        return False


def _membership_problems(config: Mapping[str, t.Any]) -> list[str]:
    problems = []
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
