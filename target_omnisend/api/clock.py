"""The only place that asks the time."""

from __future__ import annotations

import datetime as dt
import time

monotonic = time.monotonic
"""Seconds from an arbitrary start, never going back."""


def utc_now() -> dt.datetime:
    """The present moment in UTC."""
    return dt.datetime.now(dt.UTC)
