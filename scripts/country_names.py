# /// script
# dependencies = ["babel", "pycountry"]
# ///
"""Write `target_omnisend/mapping/country_names.txt`: names of countries that pycountry lacks.

They are the Unicode Consortium's, as Babel ships them. Babel itself is not a dependency of the
target, because its data takes 200 MB of memory once all languages are read. Run this with
`uv run scripts/country_names.py` when Babel or pycountry has a new version.
"""

from __future__ import annotations

import gettext
from pathlib import Path

import pycountry
from babel import Locale

FILE = Path(__file__).resolve().parent.parent / "target_omnisend/mapping/country_names.txt"
# Those of the European Union, and the others that most people write in.
LANGUAGES = """
af am ar az be bg bn bs ca cs cy da de el en en_AU en_GB es es_MX et eu fa fi fil fr fr_CA ga gl gu
he hi hr hu hy id is it ja ka kk km kn ko ky lb lo lt lv mk ml mn mr ms mt my nb ne nl nn pa pl ps
pt pt_PT ro ru si sk sl sq sr sr_Latn sv sw ta te tg th tk tr uk ur uz vi yue zh zh_Hant zu
"""
HEAD = """\
# Names of countries in other languages, beyond those of pycountry: alpha-2 code, then names.
# Written by scripts/country_names.py, from the Common Locale Data Repository.
# Copyright © 1991-2025 Unicode, Inc. Unicode License V3, https://www.unicode.org/license.txt
"""


def main() -> None:
    """Write the file."""
    lines = [f"{code}\t" + "\t".join(sorted(names)) for code, names in sorted(_names().items())]
    FILE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def _names() -> dict[str, set[str]]:
    known = _known()
    names: dict[str, set[str]] = {}
    for language in LANGUAGES.split():
        for code, name in Locale.parse(language).territories.items():
            if code in known and name.casefold() not in known[code]:
                names.setdefault(code, set()).add(name)
    return names


def _known() -> dict[str, set[str]]:
    languages = [
        gettext.GNUTranslations(path.open("rb"))
        for path in Path(pycountry.LOCALES_DIR).glob("*/LC_MESSAGES/iso3166-1.mo")
    ]
    return {country.alpha_2: _spelled(country, languages) for country in pycountry.countries}


def _spelled(country: object, languages: list[gettext.GNUTranslations]) -> set[str]:
    english = [
        text
        for key in ("name", "common_name", "official_name")
        if (text := getattr(country, key, None))
    ]
    translated = [language.gettext(text) for language in languages for text in english]
    return {text.casefold() for text in english + translated}


if __name__ == "__main__":
    main()
