"""What has to be said in more than one place is said in all of them."""

from __future__ import annotations

import dataclasses

from omnisend_sandbox.limits import DEFAULT_LIMIT, LIMITS
from omnisend_sandbox.model import Store
from target_omnisend.api.budget import Endpoint
from target_omnisend.config.parts import CONTACT_FIELDS
from target_omnisend.config.schema import CONFIG_JSONSCHEMA
from target_omnisend.config.settings import Settings
from target_omnisend.delivery.trimming import SETTINGS
from target_omnisend.mapping.mapper import FIELDS
from target_omnisend.report.page import PURPOSES

ELSEWHERE = {
    *("api_key", "access_token"),  # `authorization` is made of one of them
    "data_privacy_consent",  # without it there are no Settings
    "batch_config",  # the reader of BATCH files has it
}


def test_every_setting_is_in_the_checked_view() -> None:
    view = {field.name for field in dataclasses.fields(Settings)}
    assert set(CONFIG_JSONSCHEMA["properties"]) - ELSEWHERE == view - {"authorization"}


def test_every_contact_field_that_can_be_set_can_be_mapped() -> None:
    assert set(CONTACT_FIELDS) == set(FIELDS)


def test_every_optional_field_can_be_left_out_and_is_looked_at() -> None:
    of_consent = {"mapping.subscription_status", "mapping.subscription_changed_at"}
    optional = {f"mapping.{name}" for name in CONTACT_FIELDS} - {"mapping.email"} - of_consent
    assert set(SETTINGS.values()) == optional


def test_every_endpoint_has_its_limit_in_the_sandbox_and_its_purpose_on_the_page() -> None:
    known = Store(lambda: 0.0)._make_routes()
    for endpoint in Endpoint:
        assert endpoint.label in known
        assert endpoint.per_minute == LIMITS.get(endpoint.label, DEFAULT_LIMIT), endpoint
    assert set(PURPOSES) == {endpoint.label for endpoint in Endpoint}
