"""Sentences for the answers of Omnisend that end a run."""

from __future__ import annotations

import typing as t

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from target_omnisend.api.budget import Endpoint

_FATAL: t.Final = {
    Kind.UNAUTHORIZED: "Omnisend does not accept the API key. Check the setting 'api_key' (or "
    "'access_token').",
    Kind.FORBIDDEN: "Omnisend forbids the call. Give the API key the scopes contacts.read and "
    "contacts.write, or ask Omnisend whether the store is blocked.",
    Kind.PLAN_FULL: "The store's Omnisend plan takes no more contacts. Raise the plan, then run "
    "again.",
    Kind.RETIRED: "Omnisend has retired this API version. Set 'api_version' to a current one.",
}


def fatal(answer: Answer) -> RunFailed:
    """The failure of a run that an answer ends."""
    what, _, cure = _FATAL[answer.kind].partition(".")
    return RunFailed(ExitCode.SETTINGS, f"{what} ({answer.fault}).{cure}")


def not_there(answer: Answer) -> RunFailed:
    """The failure of a run whose address does not lead to this API."""
    return RunFailed(
        ExitCode.SETTINGS,
        f"Omnisend's API does not answer at this address ({answer.fault}). Check 'api_url' and "
        "'api_version'.",
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
    """The failure of a run in which each call to an endpoint fails, for long."""
    return RunFailed(
        ExitCode.FAULT,
        f"Omnisend has not answered {endpoint.label} for {seconds:.0f} "
        f"seconds ({answer.fault}). Check the network and 'api_url', then run again: the run "
        "continues from the last state.",
    )
