"""What feeds a segment in this run, and how much of it has come."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from array import array

    from target_omnisend.delivery.model import Origin
    from target_omnisend.delivery.protocol import Feed


@dataclass(slots=True)
class Feeding:
    """How much of its segment one stream has sent.

    Attributes:
        loader: as `Origin.loader`.
        present: as `Origin.present`.
        version: of its records.
        announced: a version was activated before its records came.
        complete: the version of its records was activated.
        left: versions that its records had before; they may be of any type.
        noted: the ledger knows that it feeds the segment.
    """

    loader: str
    present: array[int]
    version: t.Any = None
    announced: bool = False
    complete: bool = False
    left: list[t.Any] = field(default_factory=list)
    noted: bool = False


@dataclass(slots=True)
class Source:
    """All that feeds a segment.

    Attributes:
        origin: the stream, under its schema, that came last.
        feeds: the streams that fed it in earlier runs.
        begun: each member that comes is seen from here on.
        doubt: why this run cannot have received it whole, if it cannot.
        before: members before this run; None until they are counted.
        deleted: members whose deletion the source sent.
        streams: those of this run.
    """

    origin: Origin
    feeds: set[Feed]
    begun: bool = False
    doubt: str = ""
    before: int | None = None
    deleted: int = 0
    streams: dict[str, Feeding] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The segment's."""
        return self.origin.segment.name

    @property
    def is_mirrored(self) -> bool:
        """Whether members that left it lose the membership."""
        return self.origin.segment.mirrored

    @property
    def bringing(self) -> dict[str, Feeding]:
        """The streams that sent a member."""
        return {name: stream for name, stream in self.streams.items() if stream.present}

    @property
    def is_alone(self) -> bool:
        """Whether no more than one stream ever fed it."""
        return len({*self.streams, *(stream for stream, _ in self.feeds)}) == 1


def stream_key(stream: str) -> str:
    """A stream's name as every database can hold it."""
    return stream.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
