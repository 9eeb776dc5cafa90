"""The members that a run has seen, one bit a member."""

from __future__ import annotations


class Seen:
    """A set of members by their numbers: 125 KB for a million.

    It is kept in memory alone: a run that dies takes it along, and has seen no member.
    """

    def __init__(self, first_new: int) -> None:
        """Start without a seen member; members new to this run get numbers from `first_new` on."""
        self._first_new = first_new
        self._bits = bytearray((first_new >> 3) + 1)

    def add(self, number: int) -> None:
        """Member `number` is in the segment's source."""
        if number < self._first_new:
            self._bits[number >> 3] |= 1 << (number & 7)

    def __contains__(self, number: int) -> bool:
        """Whether member `number` was added or is new."""
        return number >= self._first_new or bool(self._bits[number >> 3] & (1 << (number & 7)))
