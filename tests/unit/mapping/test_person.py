"""Whether a value names a person."""

from __future__ import annotations

from typing import Any

import pytest

from target_omnisend.mapping.person import Person

HERE: list[Any] = [
    "ann@example.com",
    " Ann@Example.COM\n",
    "mail ann@example.com, please",
    "<ann@example.com>",
    "It was ann@example.com.",
    {"record": {"email": "ANN@EXAMPLE.COM"}},
    {"ann@example.com": 1},
    [{"deep": [1, None, "a,ann@example.com;b"]}],
    "ann@exam\u200bple.com",
]
ELSEWHERE: list[Any] = [
    "joann@example.com",
    "jo.ann@example.com",
    "jo+ann@example.com",
    "ann@example.community",
    "ann@example.com.br",
    "ann@example.com-pany.org",
    "ann at example.com",
    "annXexample.com",
    "",
    None,
    7,
    {"email": "bob@example.com", "name": "Ann"},
]


@pytest.mark.parametrize("value", HERE, ids=repr)
def test_the_person_is_there(value: Any) -> None:
    assert Person("Ann@example.com").is_in(value)


@pytest.mark.parametrize("value", ELSEWHERE, ids=repr)
def test_the_person_is_not_there(value: Any) -> None:
    assert not Person("ann@example.com").is_in(value)


@pytest.mark.parametrize("text", ["", "ann", "@", "ann@", "@example.com", "ann @example.com", "-"])
def test_what_is_not_an_address_is_not_taken(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Person(text)
