"""How long the target waits for others before it goes on without them.

Tests of processes cannot wait so long: the environment variable `TARGET_OMNISEND_TEST_SPEED`
divides each of these waits by a number above 1. It is for tests only, and not a setting.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from functools import cache

IDLE: t.Final = 15.0
"""After so long the full batches among the pending entries go out; the entries that have not filled
a batch in as long again go out as well, so that no record waits for more than 30 s."""

GRACE: t.Final = 20.0
"""Open batches get so long when the run is stopped or fails."""

DISCARD: t.Final = 10.0
"""For so long a failed run reads what its tap still writes, and throws it away."""

FORCED_END: t.Final = 30.0
"""A stopped run ends by itself within this time. Some runs hang, because their standard output is a
pipe that is full."""

PRESSED: t.Final = 5.0
"""The same after a second signal."""

NOTIFY: t.Final = 10.0
"""The notice at the end may take so long in all."""

NOTIFY_STOPPED: t.Final = 3.0
"""The same for a run that was stopped: a container is killed 30 s after it was asked to stop."""

SPEED_VARIABLE: t.Final = "TARGET_OMNISEND_TEST_SPEED"


def seconds(usual: float) -> float:
    """Seconds of one of the waits above, as the environment has it."""
    return usual / _speed()


@cache
def _speed() -> float:
    with contextlib.suppress(ValueError):
        return max(1.0, float(os.environ.get(SPEED_VARIABLE, "1")))
    return 1.0
