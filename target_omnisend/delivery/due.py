"""When pending entries become batches, between the drains of the sinks."""

from __future__ import annotations

import typing as t

from target_omnisend import waits
from target_omnisend.delivery.model import MAX_ITEMS

if t.TYPE_CHECKING:
    from target_omnisend.delivery.chain import Chain

SOON: t.Final = 0.5
"""Seconds after which the entries that fill a batch go out, if no other batch waits."""


def cut_due(chain: Chain, now: float) -> None:
    """Cut the batches that have waited long enough, or that keep the input waiting."""
    segments, cutter = chain.batcher.segments, chain.cutter
    # At the end a batch that is not full waits for the entries that may still fill it. That
    # delays nothing, because those need a whole batch's time after it anyway.
    if chain.ending.closing:
        for segment in list(segments.complete):
            if segment not in chain.newcomers.ready:
                cutter.cut(segment, now, partial=True)
    if segments.full and not chain.has_room():
        cutter.cut_full(now)
    # A run that looks people up needs to know many of them: then it reads contacts by the page.
    looking = chain.newcomers.looking
    if segments.full and not looking and chain.submitter.is_free and not chain.gate.entries:
        _cut_soon(chain, now)
    for segment in segments.older_than(now - waits.seconds(waits.IDLE)):
        cutter.cut(segment, now, partial=len(segment.pending) < MAX_ITEMS)
        segments.put_off(segment, now)
    while segments.all and _is_stuck(chain):
        cutter.cut(next(iter(segments.all)), now, partial=True)


def _cut_soon(chain: Chain, now: float) -> None:
    """Cut the full batches of a slow tap: the next drain can be minutes away.

    A segment is cut once in `SOON` at most: a fast tap's records of a person still become one,
    and the ledger is asked about many members at once.
    """
    segments = chain.batcher.segments
    for segment in [one for one in segments.full if one.pending_since <= now - SOON]:
        chain.cutter.cut(segment, now, partial=False)
        segments.put_off(segment, now)


def _is_stuck(chain: Chain) -> bool:
    if chain.ending.closing:
        return chain.is_idle
    # Without room, open batches make some. Only if none is open, a batch that is not full must
    # go: otherwise each call would carry no more than the last one freed.
    return chain.is_idle and not chain.tagger.adding.waiting and not chain.has_room()
