"""The last runs as a small picture, and whether this one is like the one before."""

from __future__ import annotations

import datetime as dt
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MORE: t.Final = 1.25
"""Up to so many times the share of the run before counts as the same."""

_MUCH: t.Final = 0.1
"""A share of rejected records above this asks for attention each time."""

_ROOM: t.Final = 0.05
"""The picture has room for this share of rejected records, or for more if a run has more."""

_COUNTS: t.Final = ("received", "accepted", "unchanged", "rejected")


class Bar(t.NamedTuple):
    """A run in the picture; heights are percent of the highest bar.

    Attributes:
        run: with `started_at`, `exit_code` and the counts.
        arrived: height of what Omnisend has: accepted and unchanged.
        accepted: height of the part that was sent.
        rejected: height of the rejected records, in percent of `most_rejected`.
        text: the run in a sentence.
    """

    run: Mapping[str, t.Any]
    arrived: float
    accepted: float
    rejected: float
    text: str


class Picture(t.NamedTuple):
    """What the page draws of the last runs, the oldest first.

    Attributes:
        bars: the runs; this one is the last.
        most: records that Omnisend has of the highest bar.
        most_rejected: rejected records for which there is room; 0 if no run has any.
        text: what it shows, in a sentence.
    """

    bars: list[Bar]
    most: int
    most_rejected: int
    text: str


def picture(report: Mapping[str, t.Any]) -> Picture | None:
    """The last runs and this one; None if there is nothing to draw."""
    totals, run = report["totals"], report["run"]
    if not report["history"] or run["command"] == "verify":
        return None
    runs = [*report["history"], {**run, **{name: totals[name] for name in _COUNTS}}]
    runs = [one for one in runs if one["command"] != "verify"]  # it sends nothing
    most = max(_arrived(one) for one in runs)
    most_rejected = max(one["rejected"] for one in runs)
    if not (most or most_rejected):
        return None
    if most_rejected:  # a few of many, each night, are not to look like many
        most_rejected = max(most_rejected, int(most * _ROOM))
    bars = [
        Bar(
            run=one,
            arrived=_percent(_arrived(one), most),
            accepted=_percent(one["accepted"], most),
            rejected=_percent(one["rejected"], most_rejected),
            text=_told(one),
        )
        for one in runs
    ]
    well = sum(not one["exit_code"] for one in runs)
    return Picture(
        bars, most, most_rejected, f"{well} of the last {len(runs)} runs ended with exit code 0."
    )


def is_as_before(report: Mapping[str, t.Any]) -> bool:
    """Whether the rejected records are about the same share as in the run before, by each code.

    The run before is the last one that received records and ended with exit code 0.
    """
    earlier = [
        run
        for run in report["history"]
        if run["received"] and not run["exit_code"] and run["command"] == "export"
    ]
    totals = report["totals"]
    if not earlier or totals["rejected"] > _MUCH * totals["received"]:
        return False
    before = earlier[-1]
    return all(
        count / totals["received"] <= _MORE * before["rejections"].get(code, 0) / before["received"]
        for code, count in report["rejections"].items()
    )


def _arrived(run: Mapping[str, t.Any]) -> int:
    return int(run["accepted"] + run["unchanged"])


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _told(run: Mapping[str, t.Any]) -> str:
    counts = ", ".join(f"{run[name]:,} {name}" for name in _COUNTS)
    return f"{day(run['started_at'])}: {counts}; exit code {run['exit_code']}"


def day(moment: str) -> str:
    """`3 Nov, 04:05`, of a moment as the report writes it."""
    return f"{dt.datetime.fromisoformat(moment):%-d %b, %H:%M}"


def ends(bars: Sequence[Bar]) -> tuple[str, str]:
    """The moments of the first run and of the last."""
    return day(bars[0].run["started_at"]), day(bars[-1].run["started_at"])
