"""Which STATE may be emitted: the newest one whose records are all settled."""

from __future__ import annotations

import typing as t
from collections import deque

if t.TYPE_CHECKING:
    from collections.abc import Callable


class Epoch:
    """The records between two STATE messages, and how many of them are not settled."""

    __slots__ = ("open", "state")

    def __init__(self) -> None:
        """Start empty; `state` comes with the message that ends the epoch."""
        self.open = 0
        self.state: t.Any = None


class Checkpoint:
    """Remembers STATE messages and emits each at the moment it becomes true.

    States leave in the order they came, unchanged; one that a newer safe one overtakes is
    left out. A state that is empty says nothing and is never emitted, as in the SDK.
    """

    def __init__(self, emit: Callable[[t.Any], None]) -> None:
        """`emit` gets the value of each state that is safe."""
        self._emit = emit
        self._ended: deque[Epoch] = deque()
        self.epoch = Epoch()

    def state(self, value: t.Any) -> None:
        """End the epoch: `value` covers every record admitted so far."""
        if self._ended and not self.epoch.open:
            # Nothing unsettled lies between it and the state before, which it will overtake: a tap
            # that sends a state every second must not fill the memory while a batch takes hours.
            self._ended[-1].state = value or self._ended[-1].state
            return
        self.epoch.state = value
        self._ended.append(self.epoch)
        self.epoch = Epoch()

    @property
    def has_safe(self) -> bool:
        """Whether there is a state whose records, and all before them, are settled."""
        return bool(self._ended) and not self._ended[0].open

    def emit_safe(self) -> None:
        """Emit the newest state whose records, and all before them, are settled."""
        if not self.has_safe:
            return
        newest = None
        while self._ended and not self._ended[0].open:
            newest = self._ended.popleft().state or newest
        if newest:
            self._emit(newest)
