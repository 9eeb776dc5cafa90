"""Omnisend rejects every item for one reason: the count that shows it."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from target_omnisend.delivery.responses import Judgement

REFUSED_ALIKE: t.Final = 100
"""Items all rejected for one reason, before any was accepted, that end the run."""


FORBIDDEN: t.Final = 403
"""An item is sent again after it, as after a fault, but all items may also lack a scope."""


class RefusalBreaker:
    """Counts rejected items as long as all have the same reason and no item is accepted."""

    def __init__(self) -> None:
        """Start with no rejected item."""
        self.reason = ""
        self.items = 0
        self.any_accepted = False

    def accepted(self) -> None:
        """Something was accepted."""
        self.any_accepted = True
        self.reason, self.items = "", 0

    def judged(self, judgement: Judgement) -> None:
        """Take a batch's verdicts into account."""
        refused = judgement.refused.values()
        reasons = {refusal.reason for refusal in refused}
        passing = any(refusal.transient and refusal.status != FORBIDDEN for refusal in refused)
        if judgement.accepted:
            self.accepted()
        elif judgement.undone or passing or len(reasons) != 1:
            self.reason, self.items = "", 0
        else:
            reason = reasons.pop()
            before = self.items if reason == self.reason else 0
            self.reason, self.items = reason, before + len(judgement.refused)

    @property
    def is_hopeless(self) -> bool:
        """Whether that is reason enough to send nothing more."""
        return self.items >= REFUSED_ALIKE and not self.any_accepted
