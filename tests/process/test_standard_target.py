"""The SDK's standard target tests, on virtual time."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from singer_sdk.testing import get_target_test_class
from support.rehearsal import Rehearsal

from target_omnisend.commands.session import Session
from target_omnisend.target import TargetOmnisend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Filled in by the fixture: the SDK wants the settings before there is a folder.
CONFIG: dict[str, Any] = {
    "api_key": "sandbox-key",
    "data_privacy_consent": True,
    "mapping": {"email": "email"},
    # The SDK's records are of things; this makes a person of each, by its key.
    "stream_maps": {
        "*": {
            "email": "'member' + str(record.get('id', record.get('Id', record.get('_id', "
            "record.get('object_store', {}).get('metric', 0))))) + '@example.com'"
        }
    },
}
ARRIVED = {
    "array_data": 4,
    "camelcase": 2,
    "camelcase_complex_schema": 0,  # it has no records
    "cli_prints": 0,
    "duplicate_records": 2,
    "encoded_string_data": 11,
    "invalid_schema": 0,
    "no_primary_keys": 3,
    "optional_attributes": 4,
    "pk_updates": 2,
    "record_before_schema": 0,
    "record_missing_fields": 2,
    "record_missing_key_property": 0,
    "schema_no_properties": 4,
    "schema_updates": 6,
    "special_chars_in_attributes": 1,
}


class Begun(TargetOmnisend):
    """A target whose session begins with it: the SDK's tests make none."""

    night: ClassVar[Rehearsal]

    def __init__(self, **options: Any) -> None:
        parts = self.night.parts(progress=lambda *_: nullcontext())
        super().__init__(session=partial(Session, parts=parts), **options)
        self.session.__enter__()


Standard: type[Any] = get_target_test_class(Begun, config=CONFIG, parse_env_config=False)


class TestStandardTarget(Standard):  # type: ignore[misc] # the SDK makes it
    """Each test, and what it left in Omnisend."""

    @pytest.fixture(autouse=True)
    def _arrives(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
        Begun.night = Rehearsal(tmp_path)
        CONFIG.update(rejects_path=str(tmp_path / "rejects"))
        yield
        contacts = Begun.night.store.contacts.values()
        name = request.node.name.removeprefix("test_target_")
        assert len(contacts) == ARRIVED[name]
        assert [one.email for one in contacts if not one.tags] == []
        assert not (tmp_path / "rejects").exists()


def test_the_suite_is_whole() -> None:
    prefix = "test_target_"
    names = {name.removeprefix(prefix) for name in dir(Standard) if name.startswith(prefix)}
    assert names == set(ARRIVED)
