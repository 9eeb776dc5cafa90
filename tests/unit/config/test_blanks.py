"""Blank values mean "not set", at any depth and wherever they come from."""

from __future__ import annotations

from typing import Any

import pytest

from target_omnisend.config.environment import tidied


@pytest.mark.parametrize("blank", [None, "", "  ", "\t\n"], ids=repr)
@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"segment": "{}"}, {}),
        ({"mapping": {"email": "mail", "city": "{}"}}, {"mapping": {"email": "mail"}}),
        ({"mapping": {"email": "{}"}}, {}),
        ({"mapping": {"address": ["street", "{}"]}}, {"mapping": {"address": ["street"]}}),
        ({"mapping": {"email": "mail", "address": ["{}"]}}, {"mapping": {"email": "mail"}}),
        ({"tags": ["{}", "new"]}, {"tags": ["new"]}),
        ({"custom_properties": {"a": "{}", "b": "b"}}, {"custom_properties": {"b": "b"}}),
        ({"streams": {"a": {"segment": "{}", "tags": ["x"]}}}, {"streams": {"a": {"tags": ["x"]}}}),
        ({"streams": {"a": {"mapping": {"email": "{}"}}}}, {"streams": {"a": {}}}),
        ({"streams": {"a": "{}"}}, {"streams": {"a": {}}}),
        ({"streams": "{}"}, {}),
        ({"batch_config": {"storage": {"root": "{}"}}}, {}),
        ({"quota_share": "{}"}, {}),
        ({"stream_maps": "{}"}, {}),
    ],
    ids=repr,
)  # fmt: skip
def test_a_blank_value_is_left_out(given: Any, left: Any, blank: str | None) -> None:
    assert tidied(_with(given, blank)) == left


def _with(value: Any, blank: str | None) -> Any:
    if isinstance(value, dict):
        return {name: _with(part, blank) for name, part in value.items()}
    if isinstance(value, list):
        return [_with(part, blank) for part in value]
    return blank if value == "{}" else value


@pytest.mark.parametrize(
    "config",
    [
        {"tags": [], "streams": {"a": {"tags": [], "custom_properties": {}}}},
        {"stream_maps": {"a": None, "b": {"secret": None, "__else__": None, "note": ""}}},
        {"stream_map_config": {"empty": "", "nothing": None}},
        {"full_refresh": False, "quota_share": 0.0},
    ],
    ids=repr,
)
def test_what_is_empty_or_false_on_purpose_stays(config: dict[str, Any]) -> None:
    assert tidied(config) == config
