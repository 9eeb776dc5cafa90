"""BATCH messages and the files that they name."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

GZIP = {"format": "jsonl", "compression": "gzip"}
PLAIN = {"format": "jsonl"}
PARQUET = {"format": "parquet"}
ARROW = {"format": "arrow"}


def batch(*files: Path | str, encoding: Any = GZIP, **more: Any) -> dict[str, Any]:
    """A BATCH message."""
    manifest = [file if isinstance(file, str) else file.as_uri() for file in files]
    return {
        "type": "BATCH",
        "stream": "members",
        "encoding": encoding,
        "manifest": manifest,
        **more,
    }


def json_lines(records: Iterable[Any]) -> bytes:
    """Records, each on a line; bytes stand for themselves."""
    lines = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in records)
    return b"".join(line + b"\n" for line in lines)


def zipped(path: Path, records: Iterable[Any]) -> Path:
    """Write a file of JSON lines with gzip."""
    path.write_bytes(gzip.compress(json_lines(records)))
    return path


def person(number: int, **more: Any) -> dict[str, Any]:
    """A record."""
    return {"id": number, "email": f"member{number}@example.com", **more}
