"""The sink: what its two threads share."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.mapper import CustomStreamMap

from target_omnisend.singer.stream_maps import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = {"type": "object", "properties": {"email": {"type": "string"}}}


@pytest.fixture
def _many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_many_switches")
def test_a_record_that_is_mapped_while_another_is_keeps_its_own_values() -> None:
    stream_map = CustomStreamMap(
        "members",
        map_config={},
        faker_config={},
        raw_schema=SCHEMA,
        key_properties=None,
        map_transform={f"copy{n}": "email" for n in range(5)},
        flattening_options=None,
    )
    one_at_a_time(stream_map)
    mixed: list[Any] = []

    def map_many(name: str) -> None:
        for n in range(1000):
            made = stream_map.transform({"email": f"{name}{n}@example.com"})
            if made is None or len(set(made.values())) != 1:
                mixed.append(made)

    threads = [threading.Thread(target=map_many, args=(name,)) for name in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert mixed == []
