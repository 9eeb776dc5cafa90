"""The three kinds of `rejects_path`: a folder, the URL of an object store, or the ledger."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path
from urllib.parse import unquote

if t.TYPE_CHECKING:
    from collections.abc import Mapping

LEDGER: t.Final = "ledger"
"""In place of a path: a table beside the ledger. A folder of that name is `./ledger`."""

_PROBLEM: t.Final = (
    "Setting 'rejects_path' should be a folder, 'ledger', or the URL of a folder such as "
    "s3://bucket/rejects, without password or options."
)
_LOCAL: t.Final = re.compile(r"(file|local)://", re.IGNORECASE)
_URL: t.Final = re.compile(r"[a-z][a-z0-9+.:-]*://", re.IGNORECASE)
_FOLDER_URL: t.Final = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s/?#:]+(?::\d+(?=/|$))?[^?#:]*", re.IGNORECASE
)
"""Without a question mark or a colon: behind them stands a password, which the log would show."""


def is_url(path: str) -> bool:
    """Whether rejected records go to an object store."""
    return _URL.match(path) is not None and _LOCAL.match(path) is None


def folder_of(path: str) -> Path:
    """The folder on this machine."""
    return Path(unquote(_LOCAL.sub("", path)) if _LOCAL.match(path) else path)


def rejects_path_problems(config: Mapping[str, t.Any]) -> list[str]:
    """Sentences about what cannot be used; they do not quote it."""
    path = config["rejects_path"]
    if path == LEDGER and not config.get("ledger_url"):
        return ["Setting 'rejects_path: ledger' needs 'ledger_url'."]
    if is_url(path) and not _FOLDER_URL.fullmatch(path):
        return [_PROBLEM]
    return []
