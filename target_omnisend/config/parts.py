"""Parts of the declaration of settings that occur in it twice: for a run, and for a stream."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

CONTACT_FIELDS: t.Final = {
    "email": "Column with the e-mail address; it identifies the person.",
    "first_name": "Column with the first name.",
    "last_name": "Column with the last name.",
    "address": "Column with the street address, or a list of columns that are joined.",
    "city": "Column with the city.",
    "state": "Column with the state or region.",
    "country": "Column with the country: a name in any language, or a code of ISO 3166-1.",
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


PROPERTY_TYPES: t.Final = ("text", "number", "boolean", "date", "list")


_column_or_columns = th.CustomType({"type": ["string", "array"], "items": {"type": "string"}})


def mapping() -> th.ObjectType:
    """Contact fields, and the columns that they come from."""
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


def property_type() -> th.CustomType:
    """A property's column, alone or with the type of its values."""
    return th.CustomType(
        {
            "type": ["string", "object"],
            "properties": {
                "column": {"type": "string", "minLength": 1},
                "type": {"type": ["string", "null"], "enum": [*PROPERTY_TYPES, None]},
            },
            "required": ["column"],
            "additionalProperties": False,
        }
    )


def per_stream() -> list[th.Property[t.Any]]:
    """Settings that `streams` may give for one stream."""
    return [
        th.Property(
            "custom_properties",
            th.ObjectType(additional_properties=property_type()),
            description='Omnisend custom property name → column, or → `{"column": …, '
            '"type": …}` with one of the types '
            f"{', '.join(f'`{name}`' for name in PROPERTY_TYPES)}. Taps of files know only text, "
            "and Omnisend compares values of one type only.",
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


def membership(default: str | None) -> th.Property[t.Any]:
    """How membership shows."""
    return th.Property(
        "membership",
        th.StringType,
        allowed_values=list(MEMBERSHIPS),
        default=default,
        description="How membership shows in Omnisend: `tag`, `property` (a boolean custom "
        "property `segment_<slug>`) or `none`.",
    )


def create_segment(default: bool | None) -> th.Property[t.Any]:  # noqa: FBT001 - as the SDK's
    """Whether Omnisend gets a segment."""
    return th.Property(
        "create_segment",
        th.BooleanType,
        default=default,
        description="Also make an Omnisend segment of that name over the tag or property, if "
        "Omnisend has no segment of that name.",
    )


def sync_mode(default: str | None) -> th.Property[t.Any]:
    """Whether members that left lose the membership."""
    return th.Property(
        "sync_mode",
        th.StringType,
        allowed_values=list(SYNC_MODES),
        default=default,
        description="`upsert`, or `mirror`: members that left lose the membership (needs "
        "`ledger_url`).",
    )
