"""The end of a run: with its input, by a stop, or by a failure."""

from __future__ import annotations

import logging
import typing as t

from target_omnisend import waits
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from target_omnisend.delivery.outcome import Outcome
    from target_omnisend.errors import RunFailed

logger = logging.getLogger("target-omnisend.delivery")


class Ending:
    """Whether a run comes to its end, and how long its open batches are waited for.

    Attributes:
        closing: no more input comes.
        early: the run was stopped, or failed: nothing more is submitted.
    """

    def __init__(self, outcome: Outcome) -> None:
        """The run goes on; `outcome` gets the first failure."""
        self.closing = False
        self._outcome = outcome
        self._deadline: float | None = None

    @property
    def early(self) -> bool:
        """Whether nothing more is submitted."""
        return self._deadline is not None

    def is_due(self, now: float) -> bool:
        """Whether a run that ends early has used its grace up."""
        return self._deadline is not None and now >= self._deadline

    def close(self) -> None:
        """The input has ended."""
        self.closing = True

    def stop(self, now: float) -> None:
        """Submit nothing more; open batches get `waits.GRACE`."""
        self.closing = True
        if self._deadline is None:
            self._deadline = now + waits.seconds(waits.GRACE)

    def fail(self, failure: RunFailed, now: float) -> None:
        """Stop for a reason; the first one that comes is the run's failure."""
        if self._outcome.failure is None:
            self._outcome.failure = failure
            logger.error(
                failure.sentence, extra=event("run_failed", exit_code=int(failure.exit_code))
            )
        self.stop(now)

    def fail_at_once(self, failure: RunFailed, now: float) -> None:
        """Fail without a grace, because open batches cannot be settled any more."""
        self.fail(failure, now)
        self._deadline = now
