"""Which country a text means.

ISO's codes and names come from pycountry, names in other languages from pycountry and from the
Unicode Consortium (pycountry has no "Rusia" and no "Великобритания"), the rest from
`country_names`. A name of two countries means neither, and only whole names count. Therefore no
library that guesses: countryguess and country_converter search a text for words ("New England"
becomes the United Kingdom), and countrynames compares by likeness.
"""

from __future__ import annotations

import gettext
import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from target_omnisend.mapping.country_names import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Names: TypeAlias = dict[str, str | None]
"""Alpha-2 code by name; None for the name of more than one country."""

_CODES: Final = ("alpha_2", "alpha_3", "numeric")
_NAMES: Final = ("name", "common_name", "official_name")
_SEPARATOR: Final = re.compile(r"[()\[\]/|:;,]| [-\u2013\u2014] ")
_UNHEARD: Final = re.compile("[.'`\u00b4\u02b9\u02bb\u02bc\u2018\u2019\u201b\u2032\u0300-\u036f]")
_LETTERS: Final = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "\u0131": "i", "æ": "ae"})
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})
_WORDS: Final = {"st": "saint", "is": "islands", "rep": "republic"}


@lru_cache(maxsize=4096)
def country_code(text: str) -> str | None:
    """ISO 3166-1 alpha-2 code of a country given by code or by name, in any case and language.

    Args:
        text: trimmed, for example ``de``, ``DEU``, ``276``, ``Germany``, ``Deutschland`` or
            ``Germany (DE)``.

    Returns:
        The code, or None when no country or more than one has this name.
    """
    whole = _of_name(text)
    parts = [part for part in map(str.strip, _SEPARATOR.split(text)) if part]
    if whole or len(parts) < 2:
        return whole
    # "United States (US)", "England, UK": each part has to mean the same country.
    meant = {_of_name(part) for part in parts}
    return meant.pop() if len(meant) == 1 else None


def folded(name: str) -> str:
    """A name without what people leave out or write in another way: accents, dots, "the", "&"."""
    plain = _UNHEARD.sub("", name.casefold()).translate(_LETTERS).replace("&", " and ")
    plain = _UNHEARD.sub("", unicodedata.normalize("NFKD", plain))
    plain = unicodedata.normalize("NFC", plain)
    words = "".join(c if c.isalnum() or _is_mark(c) else " " for c in plain).split()
    if all(len(word) == 1 for word in words):  # "U. S. A."
        return "".join(words)
    return " ".join(_WORDS.get(word, word) for word in words if word != "the")


def _is_mark(character: str) -> bool:
    """Whether it is a vowel of an Indic script, and the like: part of the word."""
    return unicodedata.category(character).startswith("M")


def _of_name(text: str) -> str | None:
    key = _key(text)
    if key in (english := _english()):
        return english[key]
    if key in (translated := _translated()):
        return translated[key]
    return _folded().get(folded(text))


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
def _english() -> Names:
    codes: Names = {_key(text): code for text, code in _fields(_CODES + _NAMES)}
    return codes | {"uk": "GB"}  # reserved in ISO 3166-1 for the United Kingdom, and widely used


@cache
def _translated() -> Names:
    return _unambiguous((_key(text), code) for text, code in translations())


@cache
def _folded() -> Names:
    """Names in all languages, folded; those in English and ours go first."""
    others = _unambiguous((key, code) for text, code in translations() for key in _spellings(text))
    english = _unambiguous(
        (key, code) for text, code in _fields(_NAMES) for key in (folded(text), _turned(text))
    )
    return {**others, **english, **NAMES}


def _spellings(text: str) -> Iterator[str]:
    yield folded(text)
    expanded = _key(text).translate(_UMLAUTS)
    if expanded != _key(text):
        yield folded(expanded)


def _turned(name: str) -> str:
    """`Republic of Korea`, of what ISO calls `Korea, Republic of`."""
    head, _, rest = name.partition(", ")
    return folded(f"{rest} {head}")


def _unambiguous(names: Iterable[tuple[str, str]]) -> Names:
    known: Names = {}
    for name, code in names:
        if known.setdefault(name, code) != code:
            known[name] = None
    return known


@cache
def translations() -> frozenset[tuple[str, str]]:
    """(name, alpha-2 code) in other languages, from both lists."""
    return frozenset([*_of_iso_codes(), *_of_unicode()])


def _of_iso_codes() -> Iterator[tuple[str, str]]:
    names = tuple(_fields(_NAMES))
    for language in _languages():
        for name, code in names:
            translation = language.gettext(name)
            if translation is not name:
                yield translation, code


def _languages() -> Iterator[gettext.NullTranslations]:
    import pycountry  # noqa: PLC0415  as above

    for path in sorted(Path(pycountry.LOCALES_DIR).glob("*/LC_MESSAGES/iso3166-1.mo")):
        with path.open("rb") as file:
            yield gettext.GNUTranslations(file)


def _of_unicode() -> Iterator[tuple[str, str]]:
    lines = (Path(__file__).parent / "country_names.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            code, *names = line.split("\t")
            yield from ((name, code) for name in names)
