"""Keeps what a URL asks for out of the log: a look-up by address has the address in its URL."""

from __future__ import annotations

import logging
import typing as t


def without_query(record: logging.LogRecord) -> bool:
    """Let a line of urllib3's pass, with each URL cut at its question mark."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_cut, record.args))
    return True


def keep_queries_out() -> None:
    """See to the lines that urllib3 writes about each call, at level DEBUG."""
    # The same filter is added once, however often this is called.
    logging.getLogger("urllib3.connectionpool").addFilter(without_query)


def _cut(value: t.Any) -> t.Any:
    if isinstance(value, str) and value.startswith(("/", "http://", "https://")):
        return value.partition("?")[0]
    return value
