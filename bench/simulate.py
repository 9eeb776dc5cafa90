"""The real engine against the sandbox's model on a simulated clock."""

from __future__ import annotations

from dataclasses import dataclass

from support.simulation import Simulation, members

from omnisend_sandbox.faults import Fault


@dataclass(frozen=True, slots=True)
class Result:
    """What a simulated run took: seconds of its clock, calls, batch calls, calls answered 429."""

    seconds: float
    calls: int
    batches: int
    throttled: int


def simulate(
    count: int,
    *,
    batch_latency: float,
    call_latency: float,
    tags: tuple[str, ...] = (),
    failing_once: float = 0.0,
) -> Result:
    """Deliver so many members, with these tags, at Omnisend's own limits.

    A share of the items, `failing_once`, fails at its first try.
    """
    run = Simulation(
        tags={"vip": tags},
        latency=call_latency,
        quota_share=1,
        batch_latency=batch_latency,
        verify=False,
    )
    if failing_once:
        run.store.faults.add(Fault("item_flaky", code=503, probability=failing_once, seed=7))
    run.run(members(count))
    accepted = run.outcome.total().accepted
    if accepted != count:
        raise SystemExit(f"only {accepted} of {count} were accepted")
    throttled = sum(run.store.requests.throttled.values())
    return Result(run.now, run.calls.total(), run.calls["POST /batches"], throttled)
