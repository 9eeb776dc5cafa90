"""What holds for every record whatever."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from target_omnisend.mapping.address import email_key
from target_omnisend.mapping.contact import MAX_BODY_BYTES, NEVER_NEWER, Contact, Rejection
from target_omnisend.mapping.dates import in_utc, moment, rfc3339
from target_omnisend.mapping.mapper import FIELDS, MemberMapper
from target_omnisend.mapping.properties import TYPES

REJECTIONS = {"email_missing", "email_invalid", "consent_date_missing"}
WARNINGS = {
    "value_unusable",
    "value_mistyped",
    "value_too_long",
    "country_unknown",
    "phone_invalid",
    "birthdate_invalid",
    "gender_unknown",
    "subscription_status_unknown",
}
KEYS = {"identifiers", "firstName", "lastName", "address", "city", "state", "postalCode"} | {
    "country",
    "countryCode",
    "birthdate",
    "gender",
    "customProperties",
}

TYPED = {kind: {"column": kind, "type": kind} for kind in TYPES}

MAPPERS = [
    MemberMapper(
        {field: field for field in FIELDS} | {"address": ["address", "flat", "city"]},
        custom_properties={"tier": "tier", "again": "email", **TYPED},
        constant_properties={"segment_vip": True},
        default_status=status,
        null_policy=policy,
        date_formats=["%d/%m/%Y"],
        now=lambda: datetime(2026, 6, 1, tzinfo=UTC),
    )
    for status in ("nonSubscribed", "subscribed")
    for policy in ("skip", "clear")
]

TEXT = st.text(st.characters())  # lone surrogates among them
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
LIKELY = {
    "email": st.emails() | st.from_regex(r"\w{1,5}@\w{1,5}\.\w{2,3}", fullmatch=True),
    "country": st.sampled_from(["DE", "Litauen", "Atlantis", "US"]),
    "phone": st.from_regex(r"\+?[0-9 ()-]{6,15}", fullmatch=True),
    "birthdate": st.dates().map(str),
    "gender": st.sampled_from(["m", "Female", "x"]),
    "subscription_status": st.sampled_from(["subscribed", "Unsubscribed", "non_subscribed"]),
    "subscription_changed_at": st.datetimes(timezones=st.timezones()).map(str),
}
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        column: LIKELY.get(column, TEXT) | VALUES
        for column in (*FIELDS, *TYPES, "flat", "tier", "unmapped")
    },
)
ADDRESSED = st.builds(
    lambda record, email: record | {"email": email}, RECORDS, LIKELY["email"] | TEXT
)


@settings(deadline=None)
@given(st.sampled_from(MAPPERS), RECORDS | ADDRESSED)
def test_every_record_becomes_a_contact_or_a_rejection(
    mapper: MemberMapper, record: dict[str, Any]
) -> None:
    result = mapper.map(record)
    if isinstance(result, Rejection):
        assert result.code in REJECTIONS
    else:
        assert {left_out.code for left_out in result.warnings} <= WARNINGS


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@settings(deadline=None)
@given(st.sampled_from(MAPPERS), ADDRESSED)
def test_a_body_is_json_with_omnisends_keys_and_no_tags(
    mapper: MemberMapper, record: dict[str, Any]
) -> None:
    result = mapper.map(record)
    if isinstance(result, Contact):
        sent = json.loads(result.body.decode("utf-8"), parse_constant=_no_constant)
        assert set(sent) <= KEYS
        assert len(result.body) <= MAX_BODY_BYTES
        for identifier in sent["identifiers"]:
            assert set(identifier) == {"type", "id", "channels", "sendWelcomeMessage"}
        assert sent["identifiers"][0]["id"] == result.email


@settings(deadline=None)
@given(LIKELY["email"] | TEXT)
def test_a_contacts_address_is_its_own_key(text: str) -> None:
    mapper = MemberMapper({"email": "email"})
    first = mapper.map({"email": text})
    if isinstance(first, Contact):
        assert email_key(first.email) == first.email
        assert mapper.map({"email": first.email}) == first


@settings(deadline=None)
@given(st.sampled_from(MAPPERS), ADDRESSED)
def test_a_status_goes_with_the_records_own_date_or_with_one_that_changes_nothing(
    mapper: MemberMapper, record: dict[str, Any]
) -> None:
    result = mapper.map(record)
    if isinstance(result, Contact):
        channel = json.loads(result.body)["identifiers"][0]["channels"]["email"]
        dated = channel["status"] != "nonSubscribed"
        own = record.get("subscription_changed_at")
        assert channel["statusChangedAt"] == (
            rfc3339(in_utc(moment(own))) if dated else NEVER_NEWER
        )
