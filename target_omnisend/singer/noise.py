"""Lines of the SDK that say nothing of a run's success, kept out of its log."""

from __future__ import annotations

import logging
import typing as t

_NOISE: t.Final = (
    "Skipping parse of env var settings",
    "Parsing env var for settings config",
    "Target sink for '%s' is full.",
    "Reader '%s' completed processing",
)
"""What such lines begin with. A drain only cuts batches here, and our last line has the counts."""


def keep_out(logger: logging.Logger) -> None:
    """Keep such lines out of a log, unless it is at level DEBUG."""
    if _is_of_interest not in logger.filters:
        logger.addFilter(_is_of_interest)


def _is_of_interest(line: logging.LogRecord) -> bool:
    if logging.getLogger(line.name).isEnabledFor(logging.DEBUG):
        return True
    return not str(line.msg).startswith(_NOISE)
