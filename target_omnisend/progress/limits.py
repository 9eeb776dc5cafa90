"""Omnisend's limits as progress shows them: the pace they allow, and the wait they ask for."""

from __future__ import annotations

import math
import typing as t

from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.model import MAX_ITEMS, MAX_TAG_EMAILS, MAX_TAG_IDS

if t.TYPE_CHECKING:
    from target_omnisend.api.lane import Lane
    from target_omnisend.delivery.engine import Delivery

TIGHT: t.Final = (Endpoint.POST_BATCH, Endpoint.ADD_TAGS, Endpoint.REMOVE_TAGS)
"""The endpoints whose limits decide how fast an export is."""


def allowed_per_minute(delivery: Delivery) -> float:
    """Contacts a minute that the run's budget admits in the long run; infinity without one.

    Tag calls count by the share of accepted members that got a tag.
    """
    lanes = delivery.scheduler.lanes
    batches = lanes[Endpoint.POST_BATCH].budget.per_minute * MAX_ITEMS
    streams = list(delivery.outcome.streams.values())
    accepted = sum(counts.accepted for counts in streams)
    tagged = sum(counts.tagged for counts in streams)
    if not tagged:
        return batches
    a_call = MAX_TAG_EMAILS + (MAX_TAG_IDS if delivery.names_contacts else 0)
    tags = lanes[Endpoint.ADD_TAGS].budget.per_minute * a_call
    return min(batches, tags * accepted / tagged)


def seconds_of_wait(delivery: Delivery, now: float) -> float:
    """Seconds until a call that only Omnisend's limits hold back can go out; the longest."""
    return max(_wait(delivery.scheduler.lanes[endpoint], now) for endpoint in TIGHT)


def _wait(lane: Lane, now: float) -> float:
    if not lane.queue or lane.failing:
        return 0.0
    until = max(lane.paused_until, lane.budget.ready_at(now))
    return max(0.0, until - now) if until < math.inf else 0.0
