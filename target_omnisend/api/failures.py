"""Failures that an answer of Omnisend's can end a run with, as sentences."""

from __future__ import annotations

import typing as t

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from target_omnisend.api.budget import Endpoint

_FATAL: t.Final = {
    Kind.UNAUTHORIZED: "Omnisend does not accept the API key; check the setting 'api_key' (or "
    "'access_token').",
    Kind.FORBIDDEN: "Omnisend forbids the call; give the API key the scopes contacts.read and "
    "contacts.write, or ask Omnisend whether the store is blocked.",
    Kind.PLAN_FULL: "The store's Omnisend plan takes no more contacts; raise the plan, then run "
    "again.",
    Kind.RETIRED: "Omnisend has retired this API version; set 'api_version' to a current one.",
}


def fatal(answer: Answer) -> RunFailed:
    """What to tell the user about an answer that ends the run."""
    what, _, cure = _FATAL[answer.kind].partition(";")
    return RunFailed(ExitCode.SETTINGS, f"{what} ({answer.fault});{cure}")


def not_there(answer: Answer) -> RunFailed:
    """What to tell the user when the other end does not speak this API."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"There is no Omnisend API that takes our calls at this address ({answer.fault}); "
        "check 'api_url' and 'api_version'.",
    )


def throttled_for_long(endpoint: Endpoint, seconds: float) -> RunFailed:
    """The failure of a run whose calls Omnisend only ever puts off."""
    return RunFailed(
        ExitCode.FAULT,
        f"Omnisend has put off {endpoint.label} for {seconds:.0f} seconds (429, too many "
        "requests). Have the store's other programs use less of its limit, then run again: the "
        "run continues from the last state.",
    )


def out_of_reach(endpoint: Endpoint, answer: Answer, seconds: float) -> RunFailed:
    """What to tell the user when an endpoint only fails, for long."""
    return RunFailed(
        ExitCode.FAULT,
        f"Omnisend has not answered {endpoint.label} for {seconds:.0f} "
        f"seconds ({answer.fault}); check the network and 'api_url', then run again: it "
        "continues from the last state.",
    )
