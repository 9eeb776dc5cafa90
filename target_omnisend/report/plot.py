"""The plot of confirmed contacts over time, as coordinates between 0 and 100."""

from __future__ import annotations

import itertools
import math
import typing as t

from target_omnisend.delivery.outcome import THROUGHPUT_SECONDS

if t.TYPE_CHECKING:
    from collections.abc import Sequence

MAX_POINTS: t.Final = 400
WINDOW: t.Final = 60.0
"""Seconds of Omnisend's limits: each begins with a whole allowance."""

_UNITS: t.Final[tuple[tuple[int, str], ...]] = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Tick(t.NamedTuple):
    """A label of an axis, and where it stands in percent from the origin."""

    at: float
    label: str


class Plot(t.NamedTuple):
    """What the page draws: `x` grows to the right and `y` downwards, as SVG has it.

    Attributes:
        line: confirmed contacts, as points of an SVG polyline.
        ceiling: what the limits admit at the most, likewise; it may leave the plot at the top.
        across: labels of the time axis.
        up: labels of the contacts axis.
        text: what it shows, in sentences.
    """

    line: str
    ceiling: str
    across: list[Tick]
    up: list[Tick]
    text: str


def plot(throughput: Sequence[int], ceiling: int, seconds: float) -> Plot | None:
    """The plot of a run, or nothing for one that was over too soon to have a curve."""
    confirmed = list(itertools.accumulate(throughput))
    if len(confirmed) < 2 or not confirmed[-1]:
        return None
    length = max(seconds, (len(throughput) - 1) * THROUGHPUT_SECONDS + 1.0)
    up = _ticks(confirmed[-1])
    height = max(confirmed[-1], up[-1]) * 1.04
    step = -(-len(confirmed) // MAX_POINTS)
    chosen = sorted({*range(step - 1, len(confirmed), step), len(confirmed) - 1})
    points = [(min((i + 1) * THROUGHPUT_SECONDS, length), confirmed[i]) for i in chosen]
    points = [(0.0, 0), *points, (length, confirmed[-1])]
    unit, name = next(u for u in _UNITS if length >= 2 * u[0] or u[0] == 1)
    return Plot(
        line=_drawn(points, length, height),
        ceiling=_drawn(_admitted(ceiling * 6, length, height), length, height),
        across=[
            Tick(100 * tick * unit / length, f"{tick:g} {name}" if tick else "0")
            for tick in _ticks(length / unit)
        ],
        up=[Tick(100 * tick / height, f"{tick:,.0f}") for tick in up if tick == int(tick)],
        text=_told(confirmed, ceiling * 6),
    )


def duration(seconds: float) -> str:
    """`1 h 20 min`, `2 min 5 s` or `3.2 s`."""
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    parts = []
    for unit, name in _UNITS:
        count, whole = divmod(whole, unit)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def _admitted(per_minute: float, length: float, height: float) -> list[tuple[float, float]]:
    """A staircase: each minute's allowance may be used at its beginning."""
    if length > MAX_POINTS / 2 * WINDOW:  # too many steps to be seen
        return [(0.0, per_minute), (length, per_minute * (length / WINDOW + 1))]
    points: list[tuple[float, float]] = []
    for start in itertools.takewhile(lambda at: at < length, itertools.count(0, WINDOW)):
        admitted = per_minute * (start / WINDOW + 1)
        points += [(start, admitted), (min(start + WINDOW, length), admitted)]
        if admitted > height:
            break
    return points


def _drawn(points: Sequence[tuple[float, float]], length: float, height: float) -> str:
    # What is far outside is of no use: a browser draws nothing sensible with huge numbers.
    return " ".join(
        f"{100 * x / length:.2f},{max(-20.0, 100 - 100 * y / height):.2f}" for x, y in points
    )


def _ticks(most: float) -> list[float]:
    """Round numbers from 0 to `most`, about five."""
    rough = max(most, 1) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= rough)
    return [step * n for n in range(int(most / step) + 1)]


def _told(confirmed: Sequence[int], per_minute: int) -> str:
    half = next(i for i, count in enumerate(confirmed) if count * 2 >= confirmed[-1])
    return (
        f"{confirmed[-1]:,} contacts were confirmed, half of them within "
        f"{duration((half + 1) * THROUGHPUT_SECONDS)} and the last within "
        f"{duration(len(confirmed) * THROUGHPUT_SECONDS)}. "
        f"The run's share of Omnisend's limits admits {per_minute:,} a minute."
    )
