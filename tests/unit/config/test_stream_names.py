"""Streams whose names have dots, as Meltano hands them over."""

from __future__ import annotations

from typing import Any

import pytest

from target_omnisend.config.environment import tidied
from target_omnisend.config.validation import SettingsError


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"sales": {"buyers": {"segment": "A"}}}, {"sales.buyers": {"segment": "A"}}),
        ({"a": {"b": {"c": {"tags": ["t"]}}}}, {"a.b.c": {"tags": ["t"]}}),
        (
            {"eu": {"segment": "E", "fr": {"mapping": {"email": "m"}}, "de": {}}},
            {"eu": {"segment": "E"}, "eu.fr": {"mapping": {"email": "m"}}, "eu.de": {}},
        ),
        ({"x.y": {"segment": "A"}}, {"x.y": {"segment": "A"}}),
        ({"db": {"segment": {"segment": "A"}}}, {"db.segment": {"segment": "A"}}),
        ({"db": {"mapping": {"tags": ["t"]}}}, {"db.mapping": {"tags": ["t"]}}),
        ({"db": {"mapping": {"email": "m"}}}, {"db": {"mapping": {"email": "m"}}}),
        (
            {"db": {"custom_properties": {"segment": "s"}}},
            {"db": {"custom_properties": {"segment": "s"}}},
        ),
        (
            {"a.b": {"segment": "A"}, "a": {"b": {"tags": ["t"]}}},
            {"a.b": {"segment": "A", "tags": ["t"]}},
        ),
    ],
    ids=repr,
)
def test_a_name_is_joined_again_at_its_dots(given: Any, names: Any) -> None:
    assert tidied({"streams": given}) == {"streams": names}


def test_a_stream_that_is_there_twice_is_rejected_by_its_whole_name() -> None:
    twice = {"a.b": {"segment": "A"}, "a": {"b": {"segment": "B"}}}
    with pytest.raises(SettingsError, match=r"the stream 'a\.b' twice.* at the dot"):
        tidied({"streams": twice})


def test_a_wrong_setting_is_left_for_the_check_of_settings() -> None:
    wrong = {"shop": {"maping": {"email": "mail"}}}
    assert tidied({"streams": wrong}) == {"streams": wrong}
