"""One call as the scheduler moves it, and the tally of an endpoint's requests."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field

import backoff

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.budget import Endpoint
    from target_omnisend.api.protocol import Api


@dataclass(eq=False, slots=True)
class Call:
    """One call to make, as often as it takes.

    Attributes:
        run: makes it.
        done: gets its answer, of kind DONE, INVALID, TOO_LARGE, GONE or (given up) RETRY;
            FORBIDDEN too if `may_be_forbidden` or `payload`.
        payload: it carries records, for which a firewall can forbid it.
        divisible: its `done` can try its parts one by one.
        first_fault_at: when it failed first, or what it is a part of did.
        forbidden_at: when it was forbidden first, or what it is a part of was.
        may_be_refused: its `done` gets each 4xx that would end the run otherwise.
        optional: its `done` gets each other answer too that would end the run, and a fault once
            `MAX_FAULTS` calls of the endpoint in a row have failed.
        once: a lost answer is handed over at once, because a repeat would act twice.
        stream: whose records it is about, if they are of one.
    """

    endpoint: Endpoint
    run: Callable[[Api], Answer]
    done: Callable[[Answer, float], None]
    may_be_forbidden: bool = False
    may_be_refused: bool = False
    optional: bool = False
    once: bool = False
    payload: bool = False
    divisible: bool = False
    stream: str | None = None
    first_fault_at: float = math.inf
    forbidden_at: float = math.inf
    started_at: float = -math.inf
    faults: int = 0
    forbidden: int = 0
    strays: int = 0
    waits: t.Any = field(default=None)


@dataclass(slots=True)
class Tally:
    """Requests of one endpoint, as the report shows them; times in seconds."""

    sent: int = 0
    throttled: int = 0
    retried: int = 0
    seconds_waited: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        """Both in one."""
        return Tally(
            self.sent + other.sent,
            self.throttled + other.throttled,
            self.retried + other.retried,
            self.seconds_waited + other.seconds_waited,
        )


def waits() -> t.Iterator[float]:
    """Seconds to wait at the most before each next try: 1, 2, 4, … 60, 60 and so on."""
    generator = backoff.expo(max_value=60)
    next(generator)  # its first value only primes it
    return generator
