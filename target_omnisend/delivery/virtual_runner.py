"""The engine against an Omnisend that takes everything, on a clock that jumps: nothing is sent."""

from __future__ import annotations

import heapq
import itertools
import typing as t

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.delivery.runner import Runner

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from target_omnisend.api.call import Call
    from target_omnisend.delivery.engine import Delivery
    from target_omnisend.delivery.left_open import LeftOpen

CALL_SECONDS: t.Final = 0.1
"""What a call is taken to last."""

BATCH_SECONDS: t.Final = 60.0
"""What a batch is taken to last; Omnisend promises nothing, and took 1 to 9 minutes where its
documentation shows it."""

SAMPLES: t.Final = 3
"""Items that are kept to be shown."""

_PAGE: t.Final = 250
_TICK: t.Final = 0.25
"""Seconds after which time alone may have changed something."""

_DONE: t.Final = Answer(Kind.DONE)


class Agreeing:
    """Takes every batch and finishes it without a fault after `BATCH_SECONDS`.

    Attributes:
        samples: the first items that came.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Know no batch yet."""
        self.samples: list[bytes] = []
        self._clock = clock
        self._ids = itertools.count(1)
        self._batches: dict[str, dict[str, t.Any]] = {}

    def post_batch(self, items: Sequence[bytes]) -> Answer:
        """Take a batch."""
        self.samples.extend(items[: SAMPLES - len(self.samples)])
        name = f"rehearsed {next(self._ids)}"
        self._batches[name] = {
            "batchID": name,
            "status": "inProgress",
            "finishedCount": len(items),
            "errorsCount": 0,
            "over_at": self._clock() + BATCH_SECONDS,
        }
        return Answer(Kind.DONE, body={"batchID": name})

    def list_batches(self, since: dt.date, offset: int) -> Answer:  # noqa: ARG002
        """List those that were not told as finished before."""
        if not offset:
            self._batches = {
                name: one for name, one in self._batches.items() if one["status"] != "finished"
            }
        page = list(itertools.islice(self._batches.values(), offset, offset + _PAGE))
        for batch in page:
            if batch["over_at"] <= self._clock():
                batch["status"] = "finished"
        return Answer(Kind.DONE, body={"batches": page})

    def add_tags(self, emails: Sequence[str], tags: Sequence[str]) -> Answer:  # noqa: ARG002
        """Take it."""
        return _DONE

    remove_tags = add_tags


class Rehearsal(Runner):
    """Moves a `Delivery` without threads, in no time.

    Attributes:
        seconds: that a real run would have taken so far, as far as the budget decides it.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        brand: Mapping[str, t.Any],
        check_stopped: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        """Start at second 0, as the delivery should; the key was checked, and is of `brand`.

        `refused` is called after each record that is no contact.
        """
        self.seconds = 0.0
        self._agreeing = Agreeing(lambda: self.seconds)
        self._answers: list[tuple[float, int, Call]] = []
        self._ids = itertools.count()
        self._refused = refused
        delivery.brand, delivery.checked = brand, True
        super().__init__(
            delivery,
            t.cast("t.Any", self._agreeing),
            clock=lambda: self.seconds,
            check_stopped=check_stopped,
            failed=lambda failure: None,  # noqa: ARG005 - `_wait` raises it
        )

    @property
    def samples(self) -> list[bytes]:
        """The first items that would be sent."""
        return self._agreeing.samples

    def reject(self, *record: t.Any) -> None:
        """As in a run, which this may have ended."""
        super().reject(*record)
        self._refused()

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Stop; nothing is open in truth."""

    def _begin(self) -> None:
        """Start no thread."""

    def _ask_about(self, left_open: LeftOpen) -> None:
        """Ask nothing: whatever the answer, their people count as changed."""

    def _wait(self, until: Callable[[], bool]) -> None:
        self._check()
        while not until():
            self._move()
            self._check()

    def _move(self) -> None:
        """Make the calls that are due, and let time pass until something may have changed."""
        while call := self._delivery.next_call(self.seconds):
            heapq.heappush(self._answers, (self.seconds + CALL_SECONDS, next(self._ids), call))
        moments = [self._delivery.scheduler.wake_at(self.seconds), self.seconds + _TICK]
        moments += [moment for moment, _, _ in self._answers[:1]]
        self.seconds = max(self.seconds, min(moments))
        while self._answers and self._answers[0][0] <= self.seconds:
            call = heapq.heappop(self._answers)[2]
            self._delivery.answered(call, call.run(self._api), self.seconds)
