"""What two looks at a contact, and the item between them, say together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_omnisend.delivery.comparison import (
    Sent,
    Shown,
    altered_values,
    changed_consents,
    lost_tags,
    lost_values,
    shows_membership,
)
from target_omnisend.delivery.model import Segment
from target_omnisend.mapping.contact import NEVER_NEWER

DAY = "2026-01-02T03:04:05Z"
NO_CONTACT = Shown({}, frozenset(), {})


def channel(status: str, at: str = DAY, kind: str = "email", name: str = "email") -> dict[str, Any]:
    return {
        "type": kind,
        "id": "a@example.com" if kind == "email" else "+4420",
        "channels": {name: {"status": status, "statusChangedAt": at}},
    }


def shown(*identifiers: dict[str, Any], **contact: Any) -> Shown:
    return Shown.of({"identifiers": list(identifiers), **contact})


def sent(
    *identifiers: dict[str, Any],
    segment: Segment | None = None,
    leaves: bool = False,
    **item: Any,
) -> Sent:
    given = identifiers or (channel("nonSubscribed", NEVER_NEWER),)
    body = json.dumps({"identifiers": given, **item}).encode()
    return Sent.of(body, segment or Segment("VIP"), leaves=leaves)


PHONE = {"kind": "phone", "name": "sms"}


@pytest.mark.parametrize(
    ("before", "after", "item", "changes"),
    [
        ([channel("subscribed")], [channel("subscribed")], [], []),
        (
            [channel("subscribed")],
            [channel("nonSubscribed")],
            [],
            [("subscribed", "nonSubscribed")],
        ),
        ([channel("subscribed")], [channel("subscribed", NEVER_NEWER)], [], [("subscribed",) * 2]),
        ([channel("unsubscribed")], [], [], [("unsubscribed", "")]),
        ([channel("subscribed")], [channel("unsubscribed")], [channel("unsubscribed")], []),
        ([], [channel("nonSubscribed")], [], []),
        ([], [channel("subscribed")], [], [("", "subscribed")]),
        ([], [channel("subscribed")], [channel("subscribed")], []),
        (
            [channel("subscribed")],
            [channel("subscribed"), channel("subscribed", **PHONE)],
            [],
            [("", "subscribed")],
        ),
        (
            [channel("subscribed", **PHONE)],
            [channel("nonSubscribed", **PHONE)],
            [channel("unsubscribed")],
            [("subscribed", "nonSubscribed")],
        ),
    ],
)
def test_a_consent_changes_by_its_record_alone(
    before: list[Any], after: list[Any], item: list[Any], changes: list[Any]
) -> None:
    was = shown(*before) if before else None
    assert changed_consents(was, shown(*after), sent(*item)) == changes


def test_what_the_item_does_not_name_is_to_stay() -> None:
    before = shown(city="Leeds", country="Peru", customProperties={"tier": "gold", "old": 1})
    after = shown(city="", countryCode="PE", customProperties={"tier": None})
    assert lost_values(before, after, sent()) == {
        *("city", "country", "customProperties.tier", "customProperties.old"),
    }
    named = sent(countryCode="PE", city="York", customProperties={"tier": "x"})
    assert lost_values(before, after, named) == {"customProperties.old"}
    assert lost_values(None, after, sent()) == set()
    assert lost_values(before, shown(city="Bath", country="Peru"), sent()) == {
        *("customProperties.tier", "customProperties.old"),
    }


def test_tags_are_compared_whatever_their_case() -> None:
    assert lost_tags(shown(tags=["Loyal", "old"]), shown(tags=["loyal"])) == 1
    assert lost_tags(None, shown(tags=["x"])) == 0


def test_membership_is_all_tags_or_the_property() -> None:
    tags = sent(segment=Segment("VIP", ("VIP", "Extra")))
    assert shows_membership(shown(tags=["vip", "extra", "more"]), tags)
    assert not shows_membership(shown(tags=["vip"]), tags)
    by_property = Segment("VIP", property="segment_vip")
    joins = sent(segment=by_property, customProperties={"segment_vip": True})
    assert shows_membership(shown(customProperties={"segment_vip": True}), joins)
    assert not shows_membership(shown(customProperties=None), joins)
    leaves = sent(segment=by_property, leaves=True, customProperties={"segment_vip": False})
    assert shows_membership(shown(customProperties={"segment_vip": False}), leaves)
    assert not shows_membership(shown(customProperties={"segment_vip": True}), leaves)
    assert shows_membership(NO_CONTACT, sent(segment=Segment("VIP", ("VIP",)), leaves=True))


@pytest.mark.parametrize(
    ("is_", "was_sent", "altered"),
    [
        ("Leeds", "leeds ", False),
        ("7", 7, False),
        (7.0, "7", False),
        ("1234", "01234", True),
        (True, "true", False),
        (["a", "b"], ["A", "b"], False),
        (["b"], ["a", "b"], True),
        (None, "", False),
        (None, "x", True),
        ("2026-01-02", "2026-01-02T00:00:00Z", True),
        ({"odd": 1}, 7, True),
    ],
)
def test_a_value_is_altered_if_it_is_another_one(is_: Any, was_sent: Any, altered: bool) -> None:  # noqa: FBT001
    after, item = (
        shown(customProperties={"score": is_}),
        sent(customProperties={"score": was_sent}),
    )
    assert altered_values(after, item) == ({"customProperties.score"} if altered else set())


def test_odd_shapes_are_read() -> None:
    assert Shown.of({}) == NO_CONTACT
    odd = {"identifiers": [None, {"channels": None}], "tags": None, "customProperties": [], "x": 1}
    assert Shown.of(odd) == NO_CONTACT
    listed = {"statuses": [{"channel": "email", "status": "subscribed", "statusChangedAt": DAY}]}
    assert Shown.of(listed).consents == {"email": ("subscribed", DAY)}
