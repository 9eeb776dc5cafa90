"""The one declaration of settings, and `Settings`, their frozen typed view.

`--about`, the README, `meltano.yml` and `.env.example` are made from or checked
against `CONFIG_JSONSCHEMA`.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import os
import re
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from singer_sdk import typing as th

from target_omnisend.names import did_you_mean, nearest

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jsonschema import ValidationError

CONTACT_FIELDS: t.Final = {
    "email": "Column with the e-mail address; it identifies the person.",
    "first_name": "Column with the first name.",
    "last_name": "Column with the last name.",
    "address": "Column with the street address, or a list of columns that are joined.",
    "city": "Column with the city.",
    "state": "Column with the state or region.",
    "country": "Column with the country: a name in any language, ISO alpha-2 or alpha-3.",
    "postal_code": "Column with the postal code.",
    "phone": "Column with the phone number.",
    "birthdate": "Column with the date of birth.",
    "gender": "Column with the gender (f, m, female or male).",
    "subscription_status": "Column with the e-mail channel's status.",
    "subscription_changed_at": "Column with the moment at which that status was given.",
}
STATUSES: t.Final = ("nonSubscribed", "subscribed", "unsubscribed")
MEMBERSHIPS: t.Final = ("tag", "property", "none")
SYNC_MODES: t.Final = ("upsert", "mirror")

_column_or_columns = th.CustomType({"type": ["string", "array"], "items": {"type": "string"}})


def _mapping() -> th.ObjectType:
    return th.ObjectType(
        *(
            th.Property(
                name,
                _column_or_columns if name == "address" else th.StringType,
                required=name == "email",
                description=text,
            )
            for name, text in CONTACT_FIELDS.items()
        ),
        additional_properties=False,
    )


def _per_stream() -> list[th.Property[t.Any]]:
    """Settings that `streams` may give for one stream."""
    return [
        th.Property(
            "custom_properties",
            th.ObjectType(additional_properties=th.StringType),
            description="Omnisend custom property name → column.",
        ),
        th.Property(
            "segment",
            th.StringType(min_length=1),
            description="Name of the segment these records are members of; "
            "the stream's name unless set.",
        ),
        th.Property(
            "tags",
            th.ArrayType(th.StringType(min_length=1)),
            description="Further tags for every member.",
        ),
    ]


def _membership(default: str | None) -> th.Property[t.Any]:
    return th.Property(
        "membership",
        th.StringType,
        allowed_values=list(MEMBERSHIPS),
        default=default,
        description="How membership shows in Omnisend: `tag`, `property` (a boolean custom "
        "property `segment_<slug>`) or `none`.",
    )


def _create_segment(default: bool | None) -> th.Property[t.Any]:  # noqa: FBT001 - as the SDK's
    return th.Property(
        "create_segment",
        th.BooleanType,
        default=default,
        description="Also make an Omnisend segment of that name over the tag or property, if "
        "there is none.",
    )


def _sync_mode(default: str | None) -> th.Property[t.Any]:
    return th.Property(
        "sync_mode",
        th.StringType,
        allowed_values=list(SYNC_MODES),
        default=default,
        description="`upsert`, or `mirror`: members that left lose the membership (needs "
        "`ledger_url`).",
    )


_custom_properties, _segment, _tags = _per_stream()

CONFIG_JSONSCHEMA: t.Final[dict[str, t.Any]] = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType(min_length=1),
        secret=True,
        title="API key",
        description="Omnisend API key with the scopes contacts.read and contacts.write; or "
        "`access_token`.",
    ),
    th.Property(
        "access_token",
        th.StringType(min_length=1),
        secret=True,
        description="OAuth access token with the same scopes, in place of `api_key`.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://api.omnisend.com/api",
        title="API URL",
        description="Base URL of the API; plain http only to this machine.",
    ),
    th.Property(
        "api_version",
        th.StringType(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        default="2026-03-15",
        title="API version",
        description="Version of Omnisend's API, a date (header Omnisend-Version).",
    ),
    th.Property(
        "data_privacy_consent",
        th.BooleanType,
        required=True,
        description="Must be true: you are allowed to transfer these people's data to Omnisend.",
    ),
    th.Property(
        "mapping",
        _mapping(),
        required=True,
        description="Contact field → column. `email` is required.",
    ),
    _custom_properties,
    _segment,
    _membership("tag"),
    _tags,
    _create_segment(default=False),
    _sync_mode("upsert"),
    th.Property(
        "mirror_on",
        th.StringType,
        allowed_values=["activate_version", "end_of_stream"],
        default="activate_version",
        description="What marks a complete run for `sync_mode: mirror`: the stream's "
        "ACTIVATE_VERSION message, or the clean end of the input.",
    ),
    th.Property(
        "max_removed_percent",
        th.NumberType(minimum=0, maximum=100),
        default=20,
        description="A mirror removes nobody when more than this share of a segment would leave; "
        "an empty source never removes anybody.",
    ),
    th.Property(
        "subscription_status",
        th.StringType,
        allowed_values=list(STATUSES),
        default="nonSubscribed",
        description="E-mail channel status for members without a mapped one. `nonSubscribed` "
        "changes nobody's consent; the others need `mapping.subscription_changed_at`.",
    ),
    th.Property(
        "send_welcome_message",
        th.BooleanType,
        default=False,
        description="Let Omnisend send its welcome message to new contacts.",
    ),
    th.Property(
        "null_policy",
        th.StringType,
        allowed_values=["skip", "clear"],
        default="skip",
        description="`skip` leaves what Omnisend has; `clear` removes a custom property whose "
        "column is null.",
    ),
    th.Property(
        "max_rejected_percent",
        th.NumberType(minimum=0, maximum=100),
        default=10,
        description="Above this share of rejected records (of at least 100) the run fails at its "
        "end; earlier only when more than half of the first 1,000 or more are rejected.",
    ),
    th.Property(
        "rejects_path",
        th.StringType(min_length=1),
        default="target-omnisend-rejects/",
        description="Folder for refused records; a file is made only when there is one.",
    ),
    th.Property(
        "ledger_url",
        th.StringType(min_length=1),
        secret=True,
        title="Ledger URL",
        description="SQLAlchemy URL (`sqlite:///ledger.db`, `postgresql+psycopg://…`) of a "
        "database that remembers what was confirmed: only what changed is sent.",
    ),
    th.Property(
        "full_refresh",
        th.BooleanType,
        default=False,
        description="Ignore the ledger's memory once, and rewrite it.",
    ),
    th.Property(
        "report_path",
        th.StringType(pattern=r"\.json$"),
        description="A file `….json` for the run report.",
    ),
    th.Property(
        "quota_share",
        th.NumberType(minimum=0, maximum=1),
        default=0.9,
        description="Share of Omnisend's per-minute limits this run may use; 0 = no pacing of "
        "our own (a 429 is still obeyed).",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0, maximum=3600),
        default=60,
        description="Seconds that one HTTP call may take.",
    ),
    th.Property(
        "confirm_timeout",
        th.NumberType(exclusive_minimum=0),
        default=3600,
        description="Seconds to wait for Omnisend to finish a batch.",
    ),
    th.Property(
        "max_unconfirmed",
        th.IntegerType(minimum=100),
        default=500_000,
        description="Contacts sent and not yet confirmed; bounds memory.",
    ),
    th.Property(
        "batch_config",
        th.ObjectType(
            th.Property(
                "storage",
                th.ObjectType(
                    th.Property("root", th.StringType(min_length=1)),
                    th.Property("prefix", th.StringType),
                    th.Property("params", th.ObjectType()),
                ),
            ),
        ),
        title="BATCH files",
        description="Where the files of BATCH messages are, if not where their manifest says: "
        "`storage.root`; and what its file system has to know: `storage.params`.",
    ),
    th.Property(
        "streams",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("mapping", _mapping()),
                *_per_stream(),
                _membership(None),
                _create_segment(None),
                _sync_mode(None),
                additional_properties=False,
            ),
        ),
        description="Per stream name: its own `segment`, `mapping`, `custom_properties`, "
        "`membership`, `tags`, `create_segment` or `sync_mode`.",
    ),
).to_dict()


CREDENTIALS: t.Final = ("api_key", "access_token")
"""Settings of which a run needs exactly one."""

CONFIG_JSONSCHEMA["anyOf"] = [{"required": [name]} for name in CREDENTIALS]


class SettingsError(ValueError):
    """Settings that cannot be used.

    Attributes:
        problems: one plain sentence each; never a setting's value.
    """

    def __init__(self, problems: list[str]) -> None:
        """Keep the sentences."""
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What decides how one stream's records become members of its segment."""

    segment: str
    mapping: Mapping[str, str | list[str]]
    custom_properties: Mapping[str, str]
    membership: str
    tags: tuple[str, ...]
    create_segment: bool
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a run, checked. Times are in seconds.

    Attributes:
        authorization: value of the HTTP header that API key or access token go into.
    """

    authorization: str = field(repr=False)
    api_url: str
    api_version: str
    mapping: Mapping[str, str | list[str]]
    custom_properties: Mapping[str, str]
    segment: str | None
    membership: str
    tags: tuple[str, ...]
    create_segment: bool
    sync_mode: str
    mirror_on: str
    max_removed_percent: float
    null_policy: str
    ledger_url: str | None = field(repr=False)
    full_refresh: bool
    subscription_status: str
    send_welcome_message: bool
    max_rejected_percent: float
    rejects_path: str
    report_path: str | None
    quota_share: float
    request_timeout: float
    confirm_timeout: float
    max_unconfirmed: int
    streams: Mapping[str, Mapping[str, t.Any]]

    @classmethod
    def from_config(cls, config: Mapping[str, t.Any]) -> Settings:
        """Build the view from a config that fits `CONFIG_JSONSCHEMA`.

        Raises:
            SettingsError: for what a JSON schema cannot say.
        """
        problems = [*_consent_problems(config), *_url_problems(config["api_url"])]
        problems += [*_credential_problems(config), *_number_problems(config)]
        problems += [*_path_problems(config), *_membership_problems(config)]
        if problems:
            raise SettingsError(problems)
        return cls(
            authorization=_authorization(config),
            api_url=config["api_url"].rstrip("/"),
            api_version=config["api_version"],
            mapping=config["mapping"],
            custom_properties=config.get("custom_properties") or {},
            segment=config.get("segment"),
            membership=config["membership"],
            tags=tuple(config.get("tags") or ()),
            create_segment=config["create_segment"],
            sync_mode=config["sync_mode"],
            mirror_on=config["mirror_on"],
            max_removed_percent=config["max_removed_percent"],
            null_policy=config["null_policy"],
            ledger_url=config.get("ledger_url"),
            full_refresh=config["full_refresh"],
            subscription_status=config["subscription_status"],
            send_welcome_message=config["send_welcome_message"],
            max_rejected_percent=config["max_rejected_percent"],
            rejects_path=config["rejects_path"],
            report_path=config.get("report_path"),
            quota_share=config["quota_share"],
            request_timeout=config["request_timeout"],
            confirm_timeout=config["confirm_timeout"],
            max_unconfirmed=config["max_unconfirmed"],
            streams=config.get("streams") or {},
        )

    def of_segment(self, segment: str) -> StreamSettings:
        """The settings of the stream whose people are members of a segment."""
        streams = [name for name in self.streams if self.for_stream(name).segment == segment]
        own = self.for_stream(streams[0] if streams else segment)
        return dataclasses.replace(own, segment=segment)

    def for_stream(self, stream: str) -> StreamSettings:
        """The settings of one stream: its own where it has them, the run's elsewhere."""
        own = {k: v for k, v in self.streams.get(stream, {}).items() if v is not None}
        return StreamSettings(
            segment=own.get("segment") or self.segment or stream,
            mapping=own.get("mapping", self.mapping),
            custom_properties=own.get("custom_properties", self.custom_properties),
            membership=own.get("membership", self.membership),
            tags=tuple(own.get("tags", self.tags)),
            create_segment=own.get("create_segment", self.create_segment),
            mirrored=own.get("sync_mode", self.sync_mode) == "mirror",
        )


def no_setting(name: str, known: Iterable[str]) -> str:
    """What to say of a name among the settings that is not a setting's.

    It is shown only if it is a slip for one that is: any other can be a key in the wrong place.
    """
    if nearest(name, known):
        return f"There is no setting '{name}'{did_you_mean(name, known)}"
    return (
        "A name among the settings is not a setting's. Compare the names with those of "
        "`target-omnisend --about`."
    )


def _no_field(path: str, name: str, known: Iterable[str]) -> str:
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
    if rule == "anyOf":  # only the credentials have it
        name = CREDENTIALS[0]
        return f"Setting '{name}' is missing. {error.schema['properties'][name]['description']}"
    if rule == "additionalProperties":
        known = error.schema["properties"]
        strangers = sorted(set(error.instance) - set(known))
        return " ".join(_no_field(path, name, known) for name in strangers)
    if expectation := _EXPECTATIONS.get(rule):
        return f"Setting '{path}' {expectation(expected)}."
    return f"Setting '{path}' is not usable. {error.schema.get('description', '')}".rstrip()


def _place(path: Iterable[str | int], *, inside: bool) -> str:
    """Where in the settings; a name at its end that the operator chose is not shown.

    It can be a key in the wrong place. With something `inside` it is a stream's name.
    """
    schema: t.Any = CONFIG_JSONSCHEMA
    parts, chosen = [], False
    for part in path:
        known = schema.get("properties", {}) if isinstance(schema, dict) else {}
        chosen = isinstance(part, str) and part not in known
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


def _authorization(config: Mapping[str, t.Any]) -> str:
    # Source: api-docs.omnisend.com/reference/authentication.
    if key := config.get("api_key"):
        return f"Omnisend-API-Key {key}"
    return f"Bearer {config['access_token']}"


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
    for stream, own in [("", {}), *(config.get("streams") or {}).items()]:
        here = {**config, **{name: value for name, value in own.items() if value is not None}}
        where = f" of stream '{stream}'" if stream else ""
        if here["sync_mode"] == "mirror" and not config.get("ledger_url"):
            problems.append(f"Setting 'sync_mode: mirror'{where} needs 'ledger_url'.")
        if here["create_segment"] and here["membership"] == "none":
            problems.append(f"Setting 'create_segment'{where} needs a tag or property to go by.")
    return problems


def _url_problems(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:  # brackets or a port that are none
        return [_URL_PROBLEM]
    if (parts.scheme == "https" and host) or (parts.scheme == "http" and _is_loopback(host)):
        return []
    return [_URL_PROBLEM]


_URL_PROBLEM: t.Final = (
    "Setting 'api_url' should be an https:// address (http:// only to this machine)."
)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
