"""`--verify` of a large segment: calls, minutes at Omnisend's limit, memory."""

from __future__ import annotations

import resource
from collections import deque
from typing import TYPE_CHECKING

import pytest
from support.rehearsal import Rehearsal
from support.simulation import StoreClient

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.client import PAGE
from target_omnisend.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MISSING, EXTRA = 100, 50
STEP = 7_919
"""Omnisend's order is not the ledger's: its next contact is so many addresses ahead."""


class Crowd(StoreClient):
    """Contacts that are made when their page is read, at most 400 pages a minute."""

    def __init__(self, night: Rehearsal, size: int) -> None:
        super().__init__(night.store)
        self._clock = night.clock
        self._size = size
        self._latest: deque[float] = deque(maxlen=400)
        self.calls = 0

    def find_contact(self, _: str) -> Answer:
        return self._count() or Answer(Kind.DONE, 200, {"contacts": []})

    def contacts(self, _: Mapping[str, str], after: str | None = None) -> Answer:
        return self._count() or self._answer(int(after or 0), self._size + EXTRA)

    def _count(self) -> Answer | None:
        self.calls += 1
        now = self._clock.now
        if len(self._latest) == 400 and now - self._latest[0] < 60.0:
            return Answer(Kind.THROTTLED, 429, retry_after=60.0)
        self._latest.append(now)
        return None

    def _answer(self, start: int, end: int) -> Answer:
        page = [{"email": address, "tags": ["VIP"]} for address in self._page(start, end)]
        paging = {"hasMore": start + PAGE < end, "cursors": {"after": str(start + PAGE)}}
        return Answer(Kind.DONE, 200, {"contacts": page, "paging": paging})

    def _page(self, start: int, end: int) -> Iterator[str]:
        for place in range(start, min(start + PAGE, end)):
            number = place * STEP % self._size
            if place >= self._size:
                yield f"extra{place}@example.com"
            elif number >= MISSING:
                yield f"member{number}@example.com"


@pytest.fixture
def night(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def fill(night: Rehearsal, url: str, size: int) -> None:
    ledger = Ledger(url, brand=night.store.brand_id, utc_now=night.clock.utc_now)
    for start in range(0, size, 10_000):
        numbers = range(start, min(start + 10_000, size))
        ledger.confirm("VIP", ((f"member{n}@example.com", b"0123456789") for n in numbers))
        ledger.flush()
    ledger.close()


@pytest.mark.parametrize("size", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_segment_takes_a_call_for_250_and_memory_for_a_page(
    night: Rehearsal, tmp_path: Path, size: int
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    fill(night, url, size)
    crowd = Crowd(night, size)
    began = night.now

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ran = night.verify("VIP", parts={"client": lambda *_: crowd}, ledger_url=url, quota_share=1.0)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert ran.verifications == {"VIP": (size - MISSING, MISSING, EXTRA, None)}, ran.log
    pages = -(-(size + EXTRA) // PAGE)
    assert pages <= crowd.calls <= pages + 7 * MISSING
    minutes = (night.now - began - 120.0) / 60
    assert minutes < size / 100_000 + 2.5  # the look-ups of the missing take up to two minutes
    assert grown < 25_000, "KB; the addresses of a million are 80 MB"
