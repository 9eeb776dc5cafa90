"""`Settings`, the frozen typed view of the settings."""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from target_omnisend.config.validation import SettingsError, problems_of

if t.TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What decides how one stream's records become members of its segment."""

    segment: str
    mapping: Mapping[str, str | list[str]]
    custom_properties: Mapping[str, str | Mapping[str, str | None]]
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
    custom_properties: Mapping[str, str | Mapping[str, str | None]]
    date_formats: tuple[str, ...]
    segment: str | None
    membership: str
    tags: tuple[str, ...]
    create_segment: bool
    sync_mode: str
    mirror_on: str
    max_removed_percent: float
    create_contacts: bool
    max_new_contacts: int | None
    verify: str
    null_policy: str
    ledger_url: str | None = field(repr=False)
    full_refresh: bool
    subscription_status: str
    send_welcome_message: bool
    max_rejected_percent: float
    rejects_path: str
    report_path: str | None
    notify_url: str | None = field(repr=False)
    notify_on: str
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
        if problems := problems_of(config):
            raise SettingsError(problems)
        return cls(
            authorization=_authorization(config),
            api_url=config["api_url"].rstrip("/"),
            api_version=config["api_version"],
            mapping=config.get("mapping") or {},
            custom_properties=config.get("custom_properties") or {},
            date_formats=tuple(config.get("date_formats") or ()),
            segment=config.get("segment"),
            membership=config["membership"],
            tags=tuple(config.get("tags") or ()),
            create_segment=config["create_segment"],
            sync_mode=config["sync_mode"],
            mirror_on=config["mirror_on"],
            max_removed_percent=config["max_removed_percent"],
            create_contacts=config["create_contacts"],
            max_new_contacts=config.get("max_new_contacts"),
            verify=config["verify"],
            null_policy=config["null_policy"],
            ledger_url=config.get("ledger_url"),
            full_refresh=config["full_refresh"],
            subscription_status=config["subscription_status"],
            send_welcome_message=config["send_welcome_message"],
            max_rejected_percent=config["max_rejected_percent"],
            rejects_path=config["rejects_path"],
            report_path=config.get("report_path"),
            notify_url=config.get("notify_url"),
            notify_on=config["notify_on"],
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


def _authorization(config: Mapping[str, t.Any]) -> str:
    # Source: api-docs.omnisend.com/reference/authentication.
    if key := config.get("api_key"):
        return f"Omnisend-API-Key {key}"
    return f"Bearer {config['access_token']}"
