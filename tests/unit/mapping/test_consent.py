"""Words for a status."""

from __future__ import annotations

import pytest

from target_omnisend.mapping import consent

PLATFORMS: dict[str, list[object]] = {
    "subscribed": ["subscribed", "SUBSCRIBED", " Subscribed "],  # all of them
    "unsubscribed": [
        "unsubscribed",  # all of them
        "UNSUBSCRIBED",
        "Unsubscribed",
        "cleaned",  # Mailchimp
        "OPT_OUT",  # HubSpot
        "Opted-out",
        "SUPPRESSED",  # Klaviyo
        "SPAM_COMPLAINT",
        *("no", "No", "false", "FALSE", False, 0, "0", "'0"),  # databases and spreadsheets
    ],
    "nonSubscribed": [
        "nonSubscribed",
        "non_subscribed",
        "Non-Subscribed",
        " non subscribed ",
        "not_subscribed",  # Shopify
        "NOT_SUBSCRIBED",
        "pending",
        "NEVER_SUBSCRIBED",  # Klaviyo
        "NOT_SPECIFIED",  # HubSpot
        "transactional",  # Mailchimp
    ],
    "": ["", " ", None],
}


@pytest.mark.parametrize(
    ("value", "status"),
    [(value, status) for status, values in PLATFORMS.items() for value in values],
    ids=repr,
)
def test_a_status_is_known_in_the_words_of_the_common_platforms(value: object, status: str) -> None:
    assert consent.status(value) == status


@pytest.mark.parametrize(
    "value",
    [
        *("yes", "true", True, 1, "1", "active", "opted in", "OPT_IN", "subscribe", "unsub"),
        *("redacted", "invalid", "archived", 2, ["subscribed"], {"status": "no"}),
    ],
    ids=repr,
)
def test_other_words_are_unknown_and_none_of_them_subscribes(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        consent.status(value)


def test_of_one_date_the_status_that_restricts_more_is_the_greater_consent() -> None:
    at = "2026-01-02T03:04:05Z"
    order = [f"{at} {s}" for s in (consent.NON_SUBSCRIBED, consent.SUBSCRIBED)]
    assert sorted([f"{at} {consent.UNSUBSCRIBED}", *order]) == [
        *order,
        f"{at} {consent.UNSUBSCRIBED}",
    ]
