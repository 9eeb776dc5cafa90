"""Time the ledger: microseconds a row, with as many members as an export has.

python scripts/time_ledger.py sqlite:////tmp/ledger.db [--rows 1000000]

Give it an empty database; what it writes stays there.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import resource
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from target_omnisend.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

SEGMENT = "VIP customers"
LOOKED_UP = 1_000
CONFIRMED = 100
FLUSHED = 5_000


def main() -> None:
    """A first export, an unchanged one, one where all changed, and leavers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    rows: int = asked.rows
    ledger = Ledger(asked.url, brand="brand", utc_now=lambda: dt.datetime.now(dt.UTC))
    ledger.begin_seen(SEGMENT)
    with timed("first export: known, confirm, flush", rows):
        for emails in chunks(rows, LOOKED_UP):
            ledger.known(SEGMENT, emails)
            confirm(ledger, emails, "first")
        ledger.flush()
    ledger.begin_seen(SEGMENT)
    with timed("unchanged: known", rows):
        for emails in chunks(rows, LOOKED_UP):
            ledger.known(SEGMENT, emails)
    with timed("unchanged: known, see", rows):
        for emails in chunks(rows, LOOKED_UP):
            ledger.known(SEGMENT, emails)
            ledger.see(SEGMENT, emails)
    with timed("count_leavers", rows):
        ledger.count_leavers(SEGMENT)
    with timed("all changed: confirm, flush", rows):
        for emails in chunks(rows, LOOKED_UP):
            confirm(ledger, emails, "second")
        ledger.flush()
    ledger.begin_seen(SEGMENT)
    with timed("all left: leavers, forget", rows):
        for emails in ledger.leavers(SEGMENT):
            ledger.forget(SEGMENT, emails)
        ledger.flush()
    ledger.close()
    with timed("(of these, making the e-mails)", rows):
        for _ in chunks(rows, LOOKED_UP):
            pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory {peak} MB")


def confirm(ledger: Ledger, emails: list[str], what: str) -> None:
    """As batches are settled; with a flush every few thousand rows."""
    fingerprint = hashlib.md5(what.encode(), usedforsecurity=False).digest()
    for start in range(0, len(emails), CONFIRMED):
        ledger.confirm(SEGMENT, [(email, fingerprint) for email in emails[start:][:CONFIRMED]])


def chunks(rows: int, size: int) -> Iterator[list[str]]:
    """E-mails in no order, as a warehouse gives them."""
    for start in range(0, rows, size):
        yield [
            f"{hash((start, i)) % 2**40:010x}.{start + i}@example.com"
            for i in range(min(size, rows - start))
        ]


@contextmanager
def timed(what: str, rows: int) -> Iterator[None]:
    """Print how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    per_row = f"{wall / rows * 1e6:6.2f} µs a row, {cpu / rows * 1e6:6.2f} µs of our CPU"
    print(f"{what:40} {per_row}", flush=True)


if __name__ == "__main__":
    main()
