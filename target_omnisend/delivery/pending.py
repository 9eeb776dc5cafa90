"""Segments that have pending entries, so that no step has to look at all segments of a run."""

from __future__ import annotations

import typing as t

from target_omnisend.delivery.model import MAX_ITEMS

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_omnisend.delivery.model import Segment


class PendingSegments:
    """Segments by what their pending entries need next.

    A run can have thousands of segments, and the engine looks after each call.

    Attributes:
        all: the segments with pending entries, by `pending_since`.
        full: those of them whose entries fill a batch.
        complete: those of them for which no entry waits.
    """

    def __init__(self) -> None:
        """Start empty."""
        # Dicts without values: they keep the order, and both ends of a change are cheap.
        self.all: dict[Segment, None] = {}
        self.full: dict[Segment, None] = {}
        self.complete: dict[Segment, None] = {}

    def note(self, segment: Segment) -> None:
        """Take in that the segment's pending or waiting entries have changed."""
        pending = len(segment.pending)
        _keep(self.all, segment, there=pending > 0)
        _keep(self.full, segment, there=pending >= MAX_ITEMS)
        _keep(self.complete, segment, there=pending > 0 and not segment.waiting)

    def older_than(self, moment: float) -> Iterator[Segment]:
        """The segments whose entries have been pending since then or longer.

        Each has to be cut, or put off, before the next is asked for.
        """
        while self.all and next(iter(self.all)).pending_since <= moment:
            yield next(iter(self.all))

    def put_off(self, segment: Segment, now: float) -> None:
        """Count the age of the segment's entries from now on."""
        segment.pending_since = now
        if segment in self.all:
            del self.all[segment]
            self.all[segment] = None


def _keep(shelf: dict[Segment, None], segment: Segment, *, there: bool) -> None:
    if there:
        shelf[segment] = None
    else:
        shelf.pop(segment, None)
