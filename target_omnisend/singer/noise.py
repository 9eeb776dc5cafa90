"""Lines of the SDK that say nothing of a run's success, kept out of its log."""

from __future__ import annotations

import logging
import typing as t

_NOISE: t.Final = (
    "Skipping parse of env var settings",
    "Parsing env var for settings config",
    "Parsing '%s' config from env variable",
    "Target sink for '%s' is full.",
    "Reader '%s' completed processing",
)
"""What such lines begin with. A drain only cuts batches here, and our last line has the counts."""


def keep_out(logger: logging.Logger) -> None:
    """Keep such lines out of a log, unless it is at level DEBUG."""
    for one in (logger, logging.getLogger("singer_sdk.configuration._dict_config")):
        if _is_of_interest not in one.filters:
            one.addFilter(_is_of_interest)


def _is_of_interest(line: logging.LogRecord) -> bool:
    if logging.getLogger(line.name).isEnabledFor(logging.DEBUG):
        return True
    return not str(line.msg).startswith(_NOISE)


def quotes_no_value(line: logging.LogRecord) -> bool:
    """Whether a line about stream maps can be logged.

    The value of a filter is often the e-mail itself ("__filter__": "email"), and the filter can
    hold an address.
    """
    return not str(line.msg).startswith(("Filter result for", "Found '%s' filter rule"))
