"""The real engine against the sandbox's model on a simulated clock."""

from __future__ import annotations

from dataclasses import dataclass

from support.simulation import Simulation, members


@dataclass(frozen=True, slots=True)
class Result:
    """What a simulated run took: seconds of its clock, calls, and those answered 429."""

    seconds: float
    calls: int
    throttled: int


def simulate(
    count: int, *, batch_latency: float, call_latency: float, tags: tuple[str, ...] = ()
) -> Result:
    """Deliver so many members, with these tags, at Omnisend's own limits."""
    run = Simulation(
        tags={"vip": tags},
        latency=call_latency,
        quota_share=1,
        batch_latency=batch_latency,
        verify=False,
    ).run(members(count))
    accepted = run.outcome.total().accepted
    if accepted != count:
        raise SystemExit(f"only {accepted} of {count} were accepted")
    return Result(run.now, run.calls.total(), sum(run.store.requests.throttled.values()))
