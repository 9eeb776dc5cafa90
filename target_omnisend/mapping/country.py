"""Which country a text means, by ISO 3166-1 as pycountry ships it."""

from __future__ import annotations

import gettext
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODES = ("alpha_2", "alpha_3")
_NAMES = ("name", "common_name", "official_name")


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """ISO 3166-1 alpha-2 code of a country given by code or by name, in any case and language.

    Args:
        text: trimmed, for example ``de``, ``DEU``, ``Germany`` or ``Deutschland``.

    Returns:
        The code, or None when no country or more than one has this name.
    """
    key = _key(text)
    return _english().get(key) or _translated().get(key)


def _key(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


def _fields(keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(text, alpha-2 code) for each of these fields that a country has."""
    import pycountry  # noqa: PLC0415  45 ms, only for those who map a country

    for country in pycountry.countries:
        for key in keys:
            if text := getattr(country, key, None):
                yield text, country.alpha_2


@cache
def _english() -> dict[str, str]:
    codes = {_key(text): code for text, code in _fields(_CODES + _NAMES)}
    return codes | {"uk": "GB"}  # reserved in ISO 3166-1 for the United Kingdom, and widely used


@cache
def _translated() -> dict[str, str]:
    """Names in all languages; of those that mean several countries, none."""
    names = tuple(_fields(_NAMES))
    meanings: dict[str, set[str]] = {}
    for language in _languages():
        for name, code in names:
            translation = language.gettext(name)
            if translation is not name:
                meanings.setdefault(_key(translation), set()).add(code)
    return {name: codes.pop() for name, codes in meanings.items() if len(codes) == 1}


def _languages() -> Iterator[gettext.NullTranslations]:
    import pycountry  # noqa: PLC0415  as above

    for path in sorted(Path(pycountry.LOCALES_DIR).glob("*/LC_MESSAGES/iso3166-1.mo")):
        with path.open("rb") as file:
            yield gettext.GNUTranslations(file)
