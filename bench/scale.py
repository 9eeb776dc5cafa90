"""The tables of docs/scale.md: what members cost run by run, and a ledger that grows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench import tools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = ["-m", "target_omnisend", "--config"]
SHARE = 0.9

HEAD = ["run", "calls: batch, tag", "minutes of the budget", "CPU s", "CPU / budget", "peak MB"]
GROWTH = ["ledger", "members", "bytes a member", "µs to write one", "of it CPU here"]
GROWTH += [
    "ms for 1,000 lookups: first, then",
    "s to begin a mirror",
    "s to find who left",
    "peak MB",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """One run: what it is called, what it reads, and how it is set."""

    name: str
    lines: Path
    settings: dict[str, Any] = field(default_factory=dict)


def runs(folder: Path, ledgers: dict[str, str], members: int) -> list[list[str]]:
    """So many members sent in all the ways that differ: a row each."""
    whole = _input(folder, members, "all")
    daily = _input(folder, members, "changed", changed=(0,))
    without = [
        Kind("no ledger, property, everybody", whole, {"membership": "property"}),
        Kind("no ledger, tag, everybody", whole),
        Kind("no ledger, property, 1 % read", _input(folder, members, "few", only=0), _PROPERTY),
    ]
    found = list(_rows(folder, without))
    mirror = {**_PROPERTY, "sync_mode": "mirror", "mirror_on": "end_of_stream"}
    for name, url in ledgers.items():
        place = {"ledger_url": _url(url, folder, "runs")}
        remembered = [
            Kind(f"{name}, first export", whole, _PROPERTY | place),
            Kind(f"{name}, nothing changed", whole, _PROPERTY | place),
            Kind(f"{name}, 1 % changed", daily, _PROPERTY | place),
            Kind(
                f"{name}, mirror: 1 % changed, 1 % left",
                _input(folder, members, "left", changed=(0, 2), left=1),
                mirror | place,
            ),
        ]
        found += _rows(folder, remembered)
    return found


_PROPERTY = {"membership": "property"}


def _rows(folder: Path, kinds: list[Kind]) -> Iterator[list[str]]:
    """The budget by a dry run, then the cost by a run without limits."""
    with tools.sandbox("--limits", "off") as url:
        for kind in kinds:
            config = folder / "config.json"
            tools.write_config(config, url, quota_share=SHARE, **kind.settings)
            told = tools.rehearse([*OURS, str(config)], kind.lines)
            calls = _find(r"(\d+) batch calls and (\d+) tag calls", told)
            number, unit = _find(r"about (\d+) (minutes|seconds)", told)
            seconds = int(number) * (60 if unit == "minutes" else 1)
            tools.write_config(config, url, quota_share=0, **kind.settings)
            cost = tools.run([*OURS, str(config)], kind.lines)
            row = [kind.name, ", ".join(f"{int(one):,}" for one in calls), f"{seconds / 60:.1f}"]
            share = f"{cost.cpu / seconds:.1%}" if any(map(int, calls)) else ""
            row += [f"{cost.cpu:.1f}", share, f"{cost.peak:.0f}"]
            print(*row, file=sys.stderr, flush=True)
            yield row


def _find(pattern: str, told: str) -> tuple[str, ...]:
    found = re.findall(pattern, told)
    assert found, told
    return tuple(found[-1])


def _url(template: str, folder: Path, name: str) -> str:
    """A file of this name, or the one database there is."""
    return template.format(folder=folder).replace("ledger.db", f"{name}.db")


def _input(
    folder: Path,
    members: int,
    name: str,
    *,
    changed: tuple[int, ...] = (),
    left: int | None = None,
    only: int | None = None,
) -> Path:
    """So many members; of each hundred, by place, some changed, one left, or one alone comes."""

    def pick(number: int) -> dict[str, Any] | None:
        place = number % 100
        if place == left or only not in {None, place}:
            return None
        record = tools.member(number) | {"email": tools.scattered(number)}
        return record | {"last_name": f"Miller{place}"} if place in changed else record

    return tools.write_members(folder / f"{members}-{name}", members, pick)


def growth(folder: Path, ledgers: dict[str, str], members: int) -> list[list[str]]:
    """A ledger at a million members and at as many as asked for."""
    rows = []
    for name, url in ledgers.items():
        place = _url(url, folder, "growth")
        command = [sys.executable, "-m", "bench.growth", place, str(members)]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        rows += [_grown(name, json.loads(line)) for line in told.splitlines()]
    return rows


def _grown(name: str, row: dict[str, float]) -> list[str]:
    return [
        name,
        f"{row['members']:,}",
        f"{row['bytes']:.0f}",
        f"{row['write']:.0f}",
        f"{row['write_cpu']:.0f}",
        f"{row['first_lookup']:.0f}, {row['lookup']:.1f}",
        f"{row['begin']:.1f}",
        f"{row['leavers']:.1f}",
        f"{row['peak']:.0f}",
    ]


def pace(folder: Path, ledgers: dict[str, str], members: int) -> list[list[str]]:
    """As many in real time, at Omnisend's own limits: without a ledger and with each."""
    rows = []
    places = {"none": None, **{name: _url(url, folder, "pace") for name, url in ledgers.items()}}
    for name, place in places.items():
        with tools.sandbox("--latency", "0.08", "--batch-latency", "60") as url:
            config = tools.write_config(
                folder / "config.json", url, quota_share=SHARE, ledger_url=place, **_PROPERTY
            )
            cost = tools.run([*OURS, str(config)], _input(folder, members, "all"))
        row = [name, f"{cost.wall / 60:.1f}", f"{cost.cpu:.1f}", f"{cost.cpu / cost.wall:.1%}"]
        rows.append([*row, f"{cost.peak:.0f}"])
    return rows
