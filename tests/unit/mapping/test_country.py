"""Which country a text means."""

from __future__ import annotations

import gettext

import pytest

from target_omnisend.mapping.country import country_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE", "DE"),
        ("de", "DE"),
        ("Deu", "DE"),
        ("GERMANY", "DE"),
        ("Federal Republic of Germany", "DE"),
        ("Vietnam", "VN"),  # a common name
        ("UK", "GB"),
        ("Deutschland", "DE"),
        ("Литва", "LT"),
        ("日本", "JP"),
        ("espan\u0303a", "ES"),  # decomposed
        ("Georgia", "GE"),
        ("Atlantis", None),
        ("XX", None),
        ("Sámoa", None),  # Icelandic for two of them
    ],
)
def test_a_country_is_known_by_code_and_by_name_in_any_language(
    text: str, code: str | None
) -> None:
    assert country_code(text) == code


def test_each_distinct_text_is_looked_up_once() -> None:
    country_code.cache_clear()
    for text in ["Deutschland", "Lietuva"] * 50:
        country_code(text)
    assert country_code.cache_info().misses == 2


def test_translations_are_read_only_for_a_name_that_english_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    country_code.cache_clear()
    monkeypatch.delattr(gettext, "GNUTranslations")
    assert country_code("Lithuania") == "LT"
