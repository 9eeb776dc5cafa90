"""`nox -s bench`: prints the tables of docs/performance.md and docs/scale.md, measured here."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from bench import scale as scaling
from bench import tools
from bench.simulate import simulate
from bench.soon import delays

LEDGERS = {"SQLite": "sqlite:///{folder}/ledger.db"}
MILLION = 1_000_000
NOTHING = ["-m", "bench.nothing"]
OURS = ["-m", "target_omnisend", "--config"]


def main() -> None:
    """Measure what is asked for, or all that does not take half an hour."""
    parts = {
        "cpu": cpu,
        "memory": memory,
        "ceiling": ceiling,
        "ledger": ledger,
        "dry": dry,
        "files": files,
        "soon": soon,
        "flaky": flaky,
        # Last: a process is said to have needed what the one that started it did.
        "simulation": simulation,
    }
    longer = {"scale": scale, "pace": pace}
    parser = argparse.ArgumentParser(prog="nox -s bench --")
    parser.add_argument(
        "parts", nargs="*", choices=[[], *parts, *longer], help="default: all but scale, pace"
    )
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs (default %(default)s)")
    parser.add_argument(
        "--postgres", metavar="URL", help="of an empty database, for `ledger` and `scale`"
    )
    parser.add_argument("--members", type=int, default=1_000_000, help="for `scale` and `pace`")
    options = parser.parse_args()
    if options.postgres:
        LEDGERS["PostgreSQL"] = options.postgres
    with tempfile.TemporaryDirectory() as folder:
        for name in options.parts or parts:
            if part := longer.get(name):
                part(Path(folder), options.members)
            else:
                parts[name](Path(folder), options.runs)


def cpu(folder: Path, runs: int) -> None:
    """CPU seconds of a whole export, as a share of the SDK's do-nothing target's."""
    lines = tools.write_members(folder / "100k", 100_000)
    ours, theirs = [], []
    with tools.sandbox("--limits", "off") as url:
        config = tools.write_config(folder / "config.json", url, quota_share=0)
        for command in (NOTHING, [*OURS, str(config)]):  # warm up
            tools.run(command, tools.write_members(folder / "few", 100))
        for _ in range(runs):
            theirs.append(tools.run(NOTHING, lines).cpu)
            ours.append(tools.run([*OURS, str(config)], lines).cpu)
            tools.reset(url)
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    _table(
        "CPU, 100,000 members read, validated, mapped, sent, confirmed and tagged",
        ["", "CPU s (median)", "contacts per CPU s"],
        [
            ["SDK's target, `BatchSink` that does nothing", *_speed(theirs)],
            ["target-omnisend", *_speed(ours)],
            ["ratio (median of pairs; min-max)", _spread(ratios), ""],
        ],
    )


def dry(folder: Path, runs: int) -> None:
    """CPU seconds of a dry run of a million, as a share of the SDK's do-nothing target's."""
    members = 1_000_000
    lines = tools.write_members(folder / str(members), members)
    theirs, ours = [], []
    with tools.sandbox() as url:
        config = tools.write_config(folder / "config.json", url)
        for _ in range(runs):
            theirs.append(tools.run(NOTHING, lines).cpu)
            ours.append(tools.run([*OURS, str(config), "--dry-run"], lines))
    ratios = sorted(one.cpu / other for one, other in zip(ours, theirs, strict=True))
    cpu_seconds = tools.median([one.cpu for one in ours])
    peak = max(one.peak for one in ours)
    _table(
        f"Dry run: {members:,} members",
        ["CPU s (median)", "ratio to the SDK's do-nothing target", "peak MB"],
        [[f"{cpu_seconds:.1f}", _spread(ratios), f"{peak:.0f}"]],
    )


def memory(folder: Path, _runs: int) -> None:
    """Peak resident memory."""
    rows = []
    for members in (100_000, 1_000_000):
        lines = tools.write_members(folder / str(members), members)
        with tools.sandbox("--limits", "off") as url:
            config = tools.write_config(
                folder / "config.json", url, quota_share=0, membership="property"
            )
            cost = tools.run([*OURS, str(config)], lines)
        rows.append([f"{members:,} members, quick batches", f"{cost.peak:.0f}", f"{cost.wall:.0f}"])
    lines = tools.write_members(folder / "600000", 600_000)
    with tools.sandbox("--limits", "off", "--batch-latency", "45") as url:
        config = tools.write_config(
            folder / "config.json", url, quota_share=0, membership="property"
        )
        cost = tools.run([*OURS, str(config)], lines)
    full = "600,000 members, batches that take 45 s: `max_unconfirmed` (500,000) full"
    rows.append([full, f"{cost.peak:.0f}", f"{cost.wall:.0f}"])
    _table("Memory", ["", "peak MB", "s"], rows)


def ceiling(folder: Path, _runs: int) -> None:
    """Real time at Omnisend's real limits."""
    lines = tools.write_members(folder / "60k", 60_000)
    # Batch calls a minute, or calls with the tags of 500 people.
    for membership, a_minute, latency in (("property", 40_000, 60), ("tag", 30_000, 1)):
        report = folder / f"{membership}.json"
        with tools.sandbox("--latency", "0.08", "--batch-latency", str(latency)) as url:
            config = tools.write_config(
                folder / "config.json",
                url,
                quota_share=1,
                membership=membership,
                # Looking makes the first batch go alone: one batch's time more, once in 30 days.
                verify="off" if membership == "property" else "sample",
                report_path=str(report),
            )
            cost = tools.run([*OURS, str(config)], lines)
        ideal = 60_000 / a_minute * 60 + latency
        _table(
            f"Ceiling: 60,000 members, `membership: {membership}`, 80 ms a call, batches of "
            f"{latency} s, real limits, `quota_share: 1`",
            ["ideal s", "took s", "ratio"],
            [[f"{ideal:.0f}", f"{cost.wall:.1f}", f"{cost.wall / ideal:.3f}"]],
        )
        _requests(json.loads(report.read_text(encoding="utf-8"))["requests"])


def soon(folder: Path, _runs: int) -> None:
    """Seconds from a state to the one that covers it, while a slow tap goes on."""
    rows = []
    for latency in (0.5, 2.0):
        with tools.sandbox("--latency", "0.08", "--batch-latency", str(latency)) as url:
            found = delays(tools.write_config(folder / "config.json", url), seconds=60)
        # The first batch is looked at alone.
        rows.append([f"{latency:g}", f"{tools.median(found):.1f}", f"{max(found[100:]):.1f}"])
    _table(
        "Soon there: 100 records and 10 states a second for a minute, real limits",
        ["batch latency s", "s from a state to its emission (median)", "most, after 10 s"],
        rows,
    )


def flaky(_folder: Path, _runs: int) -> None:
    """Batch calls if some items fail once, on a simulated clock."""
    rows = []
    for share in (0.0, 0.01, 0.05):
        result = simulate(20_000, batch_latency=20, call_latency=0.08, failing_once=share)
        rows.append([f"{share:.0%}", f"{result.batches}", f"{result.seconds:.0f}"])
    _table(
        "20,000 members of which some items fail once, batches of 20 s, simulated clock",
        ["items that fail once", "batch calls", "s"],
        rows,
    )


def simulation(_folder: Path, _runs: int) -> None:
    """The real engine against the sandbox's model on a simulated clock."""
    rows = []
    for latency in (1, 60, 600):
        result = simulate(1_000_000, batch_latency=latency, call_latency=0.08)
        ideal = 1_000_000 / 40_000 * 60 + latency
        rows.append(
            [
                f"{latency}",
                f"{ideal / 60:.1f}",
                f"{result.seconds / 60:.1f}",
                f"{result.seconds / ideal:.3f}",
                f"{result.calls:,}",
                f"{result.throttled}",
            ]
        )
    _table(
        "1,000,000 members at real limits, `quota_share: 1`, simulated clock",
        ["batch latency s", "ideal min", "took min", "ratio", "calls", "429"],
        rows,
    )
    _table(
        "1,000,000 members with a tag at real limits, `quota_share: 1`, simulated clock",
        ["batch latency s", "ideal min", "took min", "ratio", "calls", "429"],
        [_with_tags(1_000_000, latency) for latency in (1, 60, 600)],
    )


def _with_tags(members: int, latency: float) -> list[str]:
    """A row; the ideal is 60 tag calls of 500 people a minute from the first batch's end on."""
    result = simulate(members, batch_latency=latency, call_latency=0.08, tags=("vip",))
    ideal = members / (60 * 500) * 60 + latency
    return [
        f"{latency:g}",
        f"{ideal / 60:.1f}",
        f"{result.seconds / 60:.1f}",
        f"{result.seconds / ideal:.3f}",
        f"{result.calls:,}",
        f"{result.throttled}",
    ]


def ledger(folder: Path, runs: int) -> None:
    """A million members sent once, and again unchanged."""
    members = 1_000_000
    lines = tools.write_members(folder / str(members), members)
    few = tools.write_members(folder / "100k", 100_000)
    nothing = tools.median([tools.run(NOTHING, few).cpu for _ in range(runs)]) / 100_000
    rows = []
    for name, url in LEDGERS.items():
        with tools.sandbox("--limits", "off") as sandbox:
            config = tools.write_config(
                folder / "config.json",
                sandbox,
                quota_share=0,
                membership="property",
                ledger_url=url.format(folder=folder),
            )
            for what in ("first export", "unchanged"):
                cost = tools.run([*OURS, str(config)], lines)
                share = cost.cpu / members / nothing
                rows.append([name, what, f"{cost.wall:.0f}", f"{share:.2f}", f"{cost.peak:.0f}"])
    _table(
        "Ledger: 1,000,000 members",
        ["ledger", "run", "s", "CPU a record / SDK's do-nothing target", "peak MB"],
        rows,
    )


def files(folder: Path, runs: int) -> None:
    """A million members from one BATCH file, beside the SDK's target and ours on RECORD lines."""
    lines = tools.write_members(folder / str(MILLION), MILLION)
    messages = {
        "JSON lines with gzip": tools.write_batch(folder / f"{MILLION}-batch", MILLION),
        "Parquet": tools.write_columns(folder / f"{MILLION}-parquet", MILLION, "parquet"),
        "Arrow IPC": tools.write_columns(folder / f"{MILLION}-arrow", MILLION, "arrow"),
    }
    costs: dict[str, list[tools.Cost]] = {}
    with tools.sandbox("--limits", "off") as url:
        config = tools.write_config(folder / "config.json", url, quota_share=0)
        ours = [*OURS, str(config)]
        rows = [
            ("SDK's target, `BatchSink` that does nothing, RECORD lines", NOTHING, lines),
            ("target-omnisend, RECORD lines", ours, lines),
            *((f"target-omnisend, BATCH, {what}", ours, one) for what, one in messages.items()),
        ]
        for _ in range(runs):
            for what, command, source in rows:
                costs.setdefault(what, []).append(tools.run(command, source))
                tools.reset(url)
    theirs = [cost.cpu for cost in next(iter(costs.values()))]
    _table(
        f"BATCH: {MILLION:,} members in one file",
        ["", "CPU s (median)", "ratio (median of pairs; min-max)", "peak MB"],
        [_row_of(what, those, theirs) for what, those in costs.items()],
    )


def _row_of(what: str, costs: list[tools.Cost], theirs: list[float]) -> list[str]:
    ratios = sorted(cost.cpu / their for cost, their in zip(costs, theirs, strict=True))
    cpu = tools.median([cost.cpu for cost in costs])
    return [what, f"{cpu:.1f}", _spread(ratios), f"{max(cost.peak for cost in costs):.0f}"]


def scale(folder: Path, members: int) -> None:
    """What the ways to send so many members cost, and how a ledger grows to ten times as many."""
    # First, since its tables shall hold nothing else.
    _table("Ledgers that grow", scaling.GROWTH, scaling.growth(folder, LEDGERS, 10 * members))
    ways = scaling.runs(folder, LEDGERS, members)
    _table(f"Runs of {members:,} members", scaling.HEAD, ways)


def pace(folder: Path, members: int) -> None:
    """Members in real time at Omnisend's limits; for a million half an hour of mostly waiting."""
    head = ["ledger", "took min", "CPU s", "CPU / time", "peak MB"]
    title = f"{members:,} members in real time, `quota_share: {scaling.SHARE}`"
    _table(title, head, scaling.pace(folder, LEDGERS, members))


def _requests(requests: dict[str, dict[str, Any]]) -> None:
    rows = [
        [f"`{name}`", str(r["sent"]), str(r["throttled"]), str(r["retried"])]
        for name, r in requests.items()
    ]
    _table("Its requests", ["endpoint", "sent", "429", "retried"], rows)


def _speed(seconds: list[float]) -> list[str]:
    middle = tools.median(seconds)
    return [f"{middle:.2f}", f"{100_000 / middle:,.0f}"]


def _spread(ratios: list[float]) -> str:
    return f"**{tools.median(ratios):.3f}** ({ratios[0]:.3f}-{ratios[-1]:.3f})"


def _table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n")
    for row in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(row)} |", flush=True)


main()
