"""Progress as a line of the log, and as the fields of a structured one."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from target_omnisend.progress.snapshot import Pace, Snapshot


def sentence(snapshot: Snapshot, pace: Pace) -> str:
    """How far the run is, in words."""
    total = snapshot.total
    parts = [
        f"{total.received} received",
        f"{total.sent} sent",
        f"{total.accepted} accepted",
        f"{total.rejected} rejected",
        f"{total.unchanged} unchanged",
    ]
    if total.removed:
        parts.append(f"{total.removed} removed")
    left = pace.seconds_left
    ahead = "" if left is None else f"; about {duration(left)} left"
    wait = f"; {waiting(snapshot)}" if snapshot.wait >= 1 else ""
    return (
        f"Under way: {', '.join(parts)}; {pace.per_minute} accepted a minute; "
        f"{percent(snapshot.share)} of the limit on {snapshot.endpoint} in use{wait}{ahead}."
    )


def fields(snapshot: Snapshot, pace: Pace) -> dict[str, t.Any]:
    """The same, to go with the line as its fields."""
    left = pace.seconds_left
    return {
        "counts": snapshot.total.numbers(),
        "streams": {name: counts.numbers() for name, counts in snapshot.streams.items()},
        "accepted_per_minute": pace.per_minute,
        "limit_share": round(snapshot.share, 3),
        "endpoint": snapshot.endpoint,
        "limit_seconds": round(snapshot.wait),
        "read_share": None if snapshot.read_share is None else round(snapshot.read_share, 3),
        "seconds_left": None if left is None else round(left),
    }


def waiting(snapshot: Snapshot) -> str:
    """How long Omnisend's limits hold the next call back."""
    return f"waiting {duration(snapshot.wait)} for Omnisend's limit"


def percent(share: float) -> str:
    """A share in whole percent."""
    return f"{share * 100:.0f} %"


def duration(seconds: float) -> str:
    """About so long: two figures are enough."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:.0f} min"
