"""Exchanges of several calls, each written as one generator that yields a call to make.

The generator gets the call's answer as the value of its `yield`, so that the steps stand in
the order in which they happen.
"""

from __future__ import annotations

import math
import typing as t
from functools import partial

from target_omnisend.api.answers import Answer
from target_omnisend.api.call import Call

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_omnisend.api.budget import Endpoint
    from target_omnisend.api.protocol import Api
    from target_omnisend.api.scheduler import Scheduler


class Ask(t.NamedTuple):
    """A call that an exchange wants an answer to.

    Attributes:
        endpoint: of the call.
        run: makes it.
        may_be_forbidden: as `Call.may_be_forbidden`.
        may_be_refused: as `Call.may_be_refused`.
        optional: as `Call.optional`.
        once: as `Call.once`.
        wait: seconds from now before which the call does not go out.
    """

    endpoint: Endpoint
    run: Callable[[Api], Answer]
    may_be_forbidden: bool = True
    may_be_refused: bool = False
    optional: bool = False
    once: bool = False
    wait: float = 0.0


Result = t.TypeVar("Result")
Exchange: t.TypeAlias = t.Generator[Ask, Answer, Result]


class Exchanges:
    """Exchanges under way.

    Attributes:
        open: how many have not ended.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        """None is under way."""
        self.open = 0
        self._scheduler = scheduler

    def start(self, exchange: Exchange[None], now: float = 0.0) -> None:
        """Begin an exchange; without `now` its first call must not wait."""
        self.open += 1
        self._continue(exchange, None, now)

    def _continue(self, exchange: Exchange[None], answer: Answer | None, now: float) -> None:
        try:
            ask = next(exchange) if answer is None else exchange.send(answer)
        except StopIteration:
            self.open -= 1
            return
        call = Call(
            ask.endpoint,
            ask.run,
            partial(self._continue, exchange),
            may_be_forbidden=ask.may_be_forbidden,
            may_be_refused=ask.may_be_refused or ask.optional,
            optional=ask.optional,
            once=ask.once,
        )
        self._scheduler.add(call, now + ask.wait if ask.wait else -math.inf)
