"""A ledger that grows: `python -m bench.growth URL MEMBERS` prints what it measures as JSON.

It does so at one million, at three, and at the end. A process of its own, so that its memory is
its own.
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import statistics
import sys
import time
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

from bench.tools import scattered
from target_omnisend.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAIN = 10_000
"""Members that the target confirms, or looks up, at about the same time."""
LOOKED_UP = 200
LOOKS = (1_000_000, 3_000_000)


def main(url: str, members: int) -> None:
    """Confirm so many members, and measure on the way."""
    ledger = _open(url)
    written, cpu, started = 0, time.process_time(), time.monotonic()
    for place in range(0, members, DRAIN):
        emails = [scattered(number) for number in range(place, place + DRAIN)]
        ledger.known("vip", emails)
        ledger.confirm("vip", ((email, _fingerprint(email)) for email in emails))
        ledger.flush()
        written += DRAIN
        if written in {*LOOKS, members}:
            row = {
                "members": written,
                "write_cpu": (time.process_time() - cpu) / written * 1e6,
                "write": (time.monotonic() - started) / written * 1e6,
            }
            ledger.close()
            row |= {"bytes": _size(url) / written}
            ledger = _open(url)
            row |= _read(ledger, written)
            row["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps(row), flush=True)
    ledger.close()


def _read(ledger: Ledger, written: int) -> dict[str, float]:
    began = time.monotonic()
    ledger.count("vip")
    ledger.begin_seen("vip")
    begun = time.monotonic()
    times = []  # the fastest tenth of them depends least on what else the machine does
    for emails in _asked(written):
        start = time.perf_counter()
        ledger.known("vip", emails)
        ledger.see("vip", emails)
        times.append(time.perf_counter() - start)
    asked = time.monotonic()
    ledger.count_leavers("vip")
    ended = time.monotonic()
    ledger.end_seen("vip")
    return {
        "first_lookup": max(times[:10]) * 1e3,
        "lookup": statistics.quantiles(times, n=10)[0] * 1e3,
        "begin": begun - began,
        "leavers": ended - asked,
    }


def _asked(written: int) -> Iterator[list[str]]:
    """Some who are there, as a source brings them."""
    step = max(1, written // (LOOKED_UP * 1_000))
    for place in range(0, written, step * 1_000):
        yield [scattered(number) for number in range(place, place + step * 1_000, step)]


def _open(url: str) -> Ledger:
    return Ledger(url, brand="bench", utc_now=lambda: dt.datetime.now(dt.UTC))


def _size(url: str) -> int:
    """Bytes on the disk, of the database with its indexes."""
    where = sa.make_url(url)
    if where.drivername.startswith("sqlite"):
        return Path(where.database or "").stat().st_size
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        query = "SELECT pg_total_relation_size('target_omnisend_members')"
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _fingerprint(email: str) -> bytes:
    return blake2b(email.encode(), digest_size=16).digest()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
