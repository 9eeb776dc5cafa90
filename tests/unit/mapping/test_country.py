"""Which country a text means."""

from __future__ import annotations

import gettext

import pytest

from target_omnisend.mapping import country
from target_omnisend.mapping.country import country_code, folded
from target_omnisend.mapping.country_names import NAMES


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


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("276", "DE"),
        ("008", "AL"),
        ("8", None),  # or a calling code
        ("49", None),
        ("Holland", "NL"),
        ("The Philippines", "PH"),
        ("Bahamas, The", "BS"),
        ("U.K.", "GB"),
        ("U. S. A.", "US"),
        ("U.A.E.", "AE"),
        ("Antigua & Barbuda", "AG"),
        ("Bosnia-Herzegovina", "BA"),
        ("St Kitts and Nevis", "KN"),
        ("St. Lucia", "LC"),
        ("Cote d\u2019Ivoire", "CI"),
        ("COTE D\u00b4IVOIRE", "CI"),
        ("Sao Tome & Principe", "ST"),
        ("Espana", "ES"),
        ("Oesterreich", "AT"),
        ("Cesko", "CZ"),
        ("Turkiye", "TR"),
        ("Rusia", "RU"),
        ("Russie", "RU"),
        ("Великобритания", "GB"),
        ("Hong Kong SAR", "HK"),
        ("Republic of Korea", "KR"),
        ("Iran (Islamic Republic of)", "IR"),
        ("Congo (Kinshasa)", "CD"),
        ("East Timor", "TL"),
        ("Ceylon", "LK"),
        ("Cymru", None),
        ("Yugoslavia", None),  # several have succeeded it
        ("Virgin Islands", None),
        ("Virgin Islands (US)", "VI"),
        ("Kongo", None),
        ("New England", None),
        ("New Jersey", None),
        ("Jordan Smith", None),
        ("\u2019", None),
        ("-", None),
    ],
)
def test_a_country_is_known_as_people_write_it(text: str, code: str | None) -> None:
    assert country_code(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Canada (CA)", "CA"),
        ("FR - France", "FR"),
        ("Deutschland / Germany", "DE"),
        ("Scotland, UK", "GB"),
        ("Myanmar (Burma)", "MM"),
        ("Georgia, US", None),
        ("California (CA)", None),
        ("Paris, France", None),
        ("Estados Unidos (EE)", None),  # EE is Estonia
    ],
)
def test_a_country_named_twice_is_known_if_both_names_mean_the_same(
    text: str, code: str | None
) -> None:
    assert country_code(text) == code


def test_no_name_in_any_language_means_another_country_than_its_own() -> None:
    wrong = {
        (name, code): found
        for name, code in country.translations()
        if (found := country_code.__wrapped__(name)) not in {code, None}
    }
    assert wrong == {
        # Codes go before names, and English before other languages.
        ("Ao", "AT"): "AO",
        ("Nga", "RU"): "NG",
        ("Mexico", "MY"): "MX",  # what pycountry's Guarani calls Malaysia
    }


def test_our_own_names_contradict_no_language() -> None:
    contradicted = {
        (name, code)
        for text, code in country.translations()
        if NAMES.get(name := folded(text), code) != code
    }
    assert contradicted == set()
    assert {name: country_code(name) for name in NAMES} == dict(NAMES)
    assert {name for name in NAMES if folded(name) != name} == set()


def test_a_name_without_its_accents_means_no_other_country() -> None:
    wrong = {
        name
        for name, code in country.translations()
        if country_code.__wrapped__(folded(name)) not in {code, None}
    }
    # Less their accents these are codes, or the English name of another country.
    assert {folded(name) for name in wrong} == {
        *("ao", "bi", "my", "nga"),
        *("mexico", "samoa", "republica de zambia"),
    }
