"""Names that people mistype."""

from __future__ import annotations

import difflib
import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_NEAR: t.Final = 0.7
"""Share of letters that two names have in common, in order, when one is a slip for the other."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, or nothing; case does not matter."""
    found = nearest(name, known)
    return f"; did you mean '{found}'?" if found else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest, if one is near."""
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(_plain(one), one)
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=_NEAR)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()
