"""Why a run ends before its input does: the sentences, and the count behind one of them."""

from __future__ import annotations

import typing as t

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.outcome import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from target_omnisend.delivery.schedule import Lane
    from target_omnisend.delivery.verdicts import Judgement
    from target_omnisend.outcome import Outcome

REFUSED_ALIKE: t.Final = 100
"""Items all refused for one reason, before any was accepted, that end the run."""


FORBIDDEN: t.Final = 403
"""An item is sent again after it, as after a fault, but all items may also lack a scope."""


_FATAL: t.Final = {
    Kind.UNAUTHORIZED: "Omnisend does not accept the API key; check the setting 'api_key' (or "
    "'access_token').",
    Kind.FORBIDDEN: "Omnisend forbids the call; give the API key the scopes contacts.read and "
    "contacts.write, or ask Omnisend whether the store is blocked.",
    Kind.PLAN_FULL: "The store's Omnisend plan takes no more contacts; raise the plan, then run "
    "again.",
    Kind.RETIRED: "Omnisend has retired this API version; set 'api_version' to a current one.",
}


class Unanimity:
    """Counts refusals as long as all are for the same reason and nothing is accepted."""

    def __init__(self) -> None:
        """Start with no refusal."""
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


def not_there(answer: Answer) -> RunFailed:
    """What to tell the user when the other end does not speak this API."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"There is no Omnisend API that takes our calls at this address ({answer.fault}); "
        "check 'api_url' and 'api_version'.",
    )


def all_refused(reason: str) -> RunFailed:
    """What to tell the user when Omnisend refuses each single item for the same reason."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"Omnisend refuses every contact for the same reason ({reason}); nothing more is sent. "
        "Check the plan's number of contacts, the API key's scopes and the mapping.",
    )


def too_many(outcome: Outcome) -> RunFailed:
    """What to tell the user when the share of refused records is too high."""
    total = outcome.total()
    return RunFailed(
        ExitCode.REJECTED,
        f"{total.rejected} of {total.received} records were refused, more than "
        f"max_rejected_percent ({outcome.max_rejected_percent:g} %) allows; mend them or the "
        "mapping and run again.",
    )


def too_many_leave(name: str, leaving: int, before: int, percent: float) -> RunFailed:
    """What to tell the user when the mirror guard holds a removal back."""
    return RunFailed(
        ExitCode.GUARD,
        f"{leaving} of the {before} members of segment '{name}' are not in the source any more, "
        f"over max_removed_percent ({percent:g} %); nobody was removed. Check the source; if it "
        "is right, run again with a higher max_removed_percent.",
    )


def out_of_reach(lane: Lane, answer: Answer, now: float) -> RunFailed:
    """What to tell the user when an endpoint only fails, for long."""
    return RunFailed(
        ExitCode.FAULT,
        f"Omnisend has not answered {lane.endpoint.label} for {now - lane.failing_since:.0f} "
        f"seconds ({answer.fault}); check the network and 'api_url', then run again: it "
        "continues from the last state.",
    )


def fatal(answer: Answer) -> RunFailed:
    """What to tell the user about an answer that ends the run."""
    what, _, cure = _FATAL[answer.kind].partition(";")
    return RunFailed(ExitCode.SETTINGS, f"{what} ({answer.fault});{cure}")
