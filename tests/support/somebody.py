"""A person and a key that no text mentions by chance, and a search that finds their parts."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any
from urllib.parse import unquote_plus

KEY = "63f0c2-Zk9qWvXtJ4hLmPr8"
PERSON: dict[str, Any] = {
    "email": "Quillonette.Zwyndharst@Vexmoor.example",
    "first": "Quillonette",
    "last": "Zwyndh\u00e5rst",
    "street": "17 Gloomwater Crescent",
    "city": "Umberhythe",
    "zip": "XQ97ZZK",
    "phone": "+442079460958",
    "born": "1961-07-23",
    "spent": "4711.0815",
}
PARTS = (
    *("quillonette", "zwyndharst", "vexmoor", "gloomwater", "umberhythe", "xq97zzk"),
    *("2079460958", "1961-07-23", "19610723", "4711.0815", KEY.lower()),
)


def another(number: int, **changed: Any) -> dict[str, Any]:
    """Somebody of the same house: every part of them is found as well."""
    return {**PERSON, "email": f"Zwyndharst+{number}@vexmoor.example", **changed}


def found(text: str) -> list[str]:
    """The parts of the person or the key that a text holds, however it is written."""
    unescaped = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
    unescaped = re.sub(r"\\+x([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), unescaped)
    seen = "\n".join({text, unescaped, unquote_plus(unescaped), html.unescape(unescaped)})
    plain = unicodedata.normalize("NFKD", seen).encode("ascii", "ignore").decode().lower()
    return [part for part in PARTS if part in plain]
