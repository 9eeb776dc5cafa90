"""The history: one row a run and one for each of its streams, with the report's numbers."""

from __future__ import annotations

import heapq
import json
import typing as t
from dataclasses import dataclass, field

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from target_omnisend.ledger.database import Database

COUNTS: t.Final = (
    *("received", "accepted", "created", "updated", "rejected", "duplicates", "unchanged"),
    *("skipped", "unconfirmed", "not_sent", "tagged", "removed", "not_removed", "retried"),
    *("verified", "warnings"),
)
"""Columns that hold the report's count of the same name; null if the report has none."""

WHOLE_RUN: t.Final = ""
"""The stream of the row that is about the run as a whole."""

UNKNOWN_BRAND: t.Final = ""
"""The brand of a run that ended before Omnisend named the store."""

_LOOKED_AT: t.Final = 300
"""Of so many runs `last` chooses those of the same segments."""

OF_RUNS: t.Final = f"""
    brand TEXT NOT NULL,
    started_at TEXT NOT NULL,
    run TEXT NOT NULL,
    stream TEXT NOT NULL,
    segment TEXT,
    command TEXT NOT NULL,
    version TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    exit_code INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    {" ".join(f"{name} BIGINT," for name in COUNTS)}
    rejections TEXT NOT NULL,
    PRIMARY KEY (brand, started_at, run, stream)
"""
"""The table's columns in SQL, for the upgrade of a ledger of version 1."""


@dataclass(frozen=True)
class RunRow:
    """A run in the history. It holds no personal data.

    Attributes:
        id: the run's name.
        started_at: in UTC, as RFC 3339 writes it, in whole seconds.
        command: `export`, `retire` or `verify`.
        version: of the target.
        seconds: how long it took.
        exit_code: of the command.
        outcome: what happened, in a sentence.
        segment: the one that the settings name, if they name one.
        counts: the report's totals.
        rejections: rejected records by code.
        streams: the same of each stream.
    """

    id: str
    started_at: str
    command: str
    version: str
    seconds: float
    exit_code: int
    outcome: str
    segment: str | None = None
    counts: Mapping[str, t.Any] = field(default_factory=dict)
    rejections: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, StreamRow] = field(default_factory=dict)


class StreamRow(t.NamedTuple):
    """A stream of a run in the history."""

    segment: str
    counts: Mapping[str, t.Any]
    rejections: Mapping[str, int]


def runs_table(metadata: sa.MetaData) -> sa.Table:
    """The table `target_omnisend_runs`."""
    return sa.Table(
        "target_omnisend_runs",
        metadata,
        sa.Column("brand", sa.Text, primary_key=True, comment="empty if it was not known"),
        sa.Column("started_at", sa.Text, primary_key=True, comment="RFC 3339, UTC"),
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True, comment="empty: the run as a whole"),
        sa.Column("segment", sa.Text),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("exit_code", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in COUNTS),
        sa.Column("rejections", sa.Text, nullable=False, comment="counts by code, JSON"),
    )


class Runs:
    """The runs of a brand in the ledger's database.

    Its methods raise RunFailed when the database fails.
    """

    def __init__(self, database: Database, table: sa.Table, *, brand: str, dry: bool) -> None:
        """Use the table in the database; `dry` writes nothing."""
        self._database = database
        self._table = table
        self._brand = brand
        self._dry = dry

    def add(self, run: RunRow) -> None:
        """Write a run and its streams, durably, all or none."""
        if self._dry:
            return
        with self._database.guard(), self._database.transaction():
            self._database.connection.execute(self._table.insert(), list(self._rows(run)))

    def last(self, number: int, segments: Collection[str] = ()) -> list[RunRow]:
        """The latest runs, the oldest first; `streams` is not filled.

        With `segments` only those that were about one of them, or that ended before they knew any.
        """
        rows = self._latest()
        about: dict[str, set[str]] = {}
        for row in rows:
            about.setdefault(row["run"], set()).update(filter(None, [row["segment"]]))
        wanted = [
            _run_of(row)
            for row in rows
            if row["stream"] == WHOLE_RUN
            and (not segments or not about[row["run"]] or about[row["run"]] & set(segments))
        ]
        return wanted[-number:] if number else []

    def _latest(self) -> list[Mapping[str, t.Any]]:
        """Rows of the last runs, those of an unknown brand among them, the oldest first."""
        column = self._table.c
        found: list[list[Mapping[str, t.Any]]] = []
        with self._database.guard():
            run = self._database.connection.execute
            for brand in self._brands():
                of_brand = sa.select(column.started_at).where(column.brand == brand)
                whole = of_brand.where(column.stream == WHOLE_RUN)
                oldest = whole.order_by(column.started_at.desc()).limit(_LOOKED_AT).subquery()
                since = sa.select(sa.func.min(oldest.c.started_at)).scalar_subquery()
                query = sa.select(self._table).where(
                    column.brand == brand, column.started_at >= since
                )
                ordered = query.order_by(column.started_at, column.run, column.stream)
                found.append([dict(row) for row in run(ordered).mappings()])
        return list(heapq.merge(*found, key=lambda row: str(row["started_at"])))

    def _brands(self) -> set[str]:
        """This brand; or the only one of the ledger, as that of a run that knows none."""
        if self._brand == UNKNOWN_BRAND:
            query = sa.select(self._table.c.brand).distinct()
            known = set(self._database.connection.scalars(query)) - {UNKNOWN_BRAND}
            return {UNKNOWN_BRAND, *(known if len(known) == 1 else ())}
        return {UNKNOWN_BRAND, self._brand}

    def _rows(self, run: RunRow) -> Iterator[dict[str, t.Any]]:
        shared = {
            "brand": self._brand,
            "started_at": run.started_at,
            "run": run.id,
            "command": run.command,
            "version": run.version,
            "seconds": run.seconds,
            "exit_code": run.exit_code,
            "outcome": run.outcome,
        }
        streams: Iterable[tuple[str, StreamRow]] = run.streams.items()
        whole = StreamRow(run.segment or "", run.counts, run.rejections)
        for name, (segment, counts, rejections) in [(WHOLE_RUN, whole), *streams]:
            yield {
                **shared,
                "stream": name,
                "segment": segment or None,
                **{column: counts.get(column) for column in COUNTS},
                "rejections": json.dumps(dict(rejections)),
            }


def _run_of(row: Mapping[str, t.Any]) -> RunRow:
    return RunRow(
        id=row["run"],
        started_at=row["started_at"],
        command=row["command"],
        version=row["version"],
        seconds=row["seconds"],
        exit_code=row["exit_code"],
        outcome=row["outcome"],
        segment=row["segment"],
        counts={name: row[name] for name in COUNTS},
        rejections=json.loads(row["rejections"]),
    )
