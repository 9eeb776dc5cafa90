"""The one declaration of settings.

`--about`, the README, `meltano.yml` and `.env.example` are made from or checked
against `CONFIG_JSONSCHEMA`.
"""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

from target_omnisend.config.parts import (
    STATUSES,
    create_segment,
    mapping,
    membership,
    per_stream,
    sync_mode,
)

VERIFY: t.Final = ("sample", "all", "off")


_custom_properties, _segment, _tags = per_stream()

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
        mapping(),
        description="Contact field → column. `email` is required. Required, unless each stream "
        "that comes has its own under `streams`.",
    ),
    _custom_properties,
    th.Property(
        "date_formats",
        th.ArrayType(th.StringType(min_length=1)),
        description="Patterns of dates (those of `strptime`, such as `%d/%m/%Y`), tried after "
        "ISO 8601 for `birthdate`, `subscription_changed_at` and properties of type `date`.",
    ),
    _segment,
    membership("tag"),
    _tags,
    create_segment(default=False),
    sync_mode("upsert"),
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
        description="A run removes no members when more than this share of a segment would leave, "
        "by a mirror or by deleted rows; an empty source never removes a member.",
    ),
    th.Property(
        "create_contacts",
        th.BooleanType,
        default=True,
        description="`false`: only people that Omnisend already has are sent; the others are "
        "skipped.",
    ),
    th.Property(
        "max_new_contacts",
        th.IntegerType(minimum=0),
        description="A run that would make more new contacts than this sends nothing; contacts "
        "count for the plan.",
    ),
    th.Property(
        "verify",
        th.StringType,
        allowed_values=list(VERIFY),
        default="sample",
        description="Look at what Omnisend has: at a `sample` of people before and after the "
        "first batch, at `all` members too when the run ends (needs `ledger_url`), or not "
        "(`off`).",
    ),
    th.Property(
        "subscription_status",
        th.StringType,
        allowed_values=list(STATUSES),
        default="nonSubscribed",
        description="E-mail channel status for members without a mapped one. `nonSubscribed` "
        "does not change consent; the others need `mapping.subscription_changed_at`.",
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
        "column is null or, from taps that know only text, empty.",
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
        description="Where rejected records are kept: a folder, the URL of one in an object store "
        "(`s3://bucket/rejects`, `gs://…`, `az://…`), or `ledger`, a table beside the ledger.",
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
        "notify_url",
        th.StringType(min_length=1),
        secret=True,
        title="Notify URL",
        description="A URL that gets a POST at the end of a run: JSON with `text`, one sentence "
        "that Slack and Teams show, and the report's numbers; https, or plain http to this "
        "machine.",
    ),
    th.Property(
        "notify_on",
        th.StringType,
        allowed_values=["failure", "always"],
        default="failure",
        description="Which ends of a run it gets: `failure` (any exit code but 0) or `always`.",
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
                th.Property("mapping", mapping()),
                *per_stream(),
                membership(None),
                create_segment(None),
                sync_mode(None),
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


STREAM_SETTINGS: t.Final = frozenset(
    CONFIG_JSONSCHEMA["properties"]["streams"]["additionalProperties"]["properties"]
)
"""What `streams` may give for one stream."""
