"""The only place that asks the time."""

from __future__ import annotations

import datetime as dt
import time


def monotonic() -> float:
    """Seconds from an arbitrary start, never going back."""
    return time.monotonic()


def utc_now() -> dt.datetime:
    """The present moment in UTC."""
    return dt.datetime.now(dt.UTC)
