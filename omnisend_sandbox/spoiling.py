"""What faults make of an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .wire import PROBLEM_HEADERS, Problem, Reply, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .faults import Fault


def instead(struck: Sequence[Fault]) -> Reply | None:
    """The answer given instead of acting, if a fault says so."""
    for fault in struck:
        if fault.kind == "reset_before":
            return Reply(0, {}, b"", wire="reset")
        if fault.kind == "status" and not fault.acted:
            return _plain(fault)
        if fault.kind == "throttle":
            return _throttled(fault)
    return None


def spoil(reply: Reply, struck: Sequence[Fault]) -> Reply:
    """The answer after faults had their way with it."""
    for fault in struck:
        if fault.kind == "slow":
            reply = replace(reply, delay=fault.seconds)
        elif fault.kind == "reset_after":
            reply = replace(reply, wire="reset")
        elif fault.kind == "cut":
            reply = replace(reply, wire="cut")
        elif fault.kind == "broken_json":
            reply = replace(reply, body=reply.body[: len(reply.body) // 2] + b'"\x00}')
        elif fault.kind == "status" and fault.acted:
            reply = replace(_plain(fault), delay=reply.delay)
    return reply


def _plain(fault: Fault) -> Reply:
    if not fault.html:
        return Reply(fault.status, {}, b"")
    body = f"<html><body><h1>{fault.status}</h1><p>planted</p></body></html>"
    return Reply(fault.status, {"content-type": "text/html"}, body.encode())


def _throttled(fault: Fault) -> Reply:
    problem = Problem(429, "rate-limit-exceeded", "Planted 429")
    headers = dict(PROBLEM_HEADERS)
    if fault.header:
        headers["retry-after"] = str(fault.retry_after or 1)
    elif fault.retry_after is not None:
        problem.more["retryAfter"] = fault.retry_after
    return Reply(429, headers, encode(problem.as_json()))
