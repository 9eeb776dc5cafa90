"""`Parts`: the parts of a session, each of which a caller can hand in."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_omnisend.api import clock as real_time
from target_omnisend.api.client import OmnisendClient
from target_omnisend.commands.kept_rejects import make_rejects
from target_omnisend.delivery.call_threads import CallThreads
from target_omnisend.delivery.protocol import Rejects
from target_omnisend.delivery.runner import Runner
from target_omnisend.progress.reporter import progress_of
from target_omnisend.report.data import write

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from target_omnisend.api.protocol import Api
    from target_omnisend.commands.session import Session
    from target_omnisend.config.settings import Settings
    from target_omnisend.delivery.engine import Delivery
    from target_omnisend.ledger import Ledger
    from target_omnisend.output.rejected import Where


class Clock(t.Protocol):
    """It shows the time."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""

    def utc_now(self) -> dt.datetime:
        """The present moment in UTC."""


class KeptRejects(Rejects, t.Protocol):
    """Rejected records, kept so that they can be corrected and sent again."""

    @property
    def where(self) -> Where | None:
        """Where they are; None if none is there yet."""

    def check(self, seconds: float) -> None:
        """Find out within so many seconds whether they can be kept."""

    def sync(self) -> None:
        """Have them on durable storage."""

    def sent_again(self, line: bytes, segment: str, email: str) -> None:
        """A kept record is on its way again, and makes a contact of this person."""


def make_client(settings: Settings, version: str) -> Api:
    """The client of Omnisend's API."""
    return OmnisendClient(
        settings.api_url,
        authorization=settings.authorization,
        api_version=settings.api_version,
        user_agent=f"target-omnisend/{version}",
        timeout=settings.request_timeout,
    )


def make_runner(session: Session) -> Runner:
    """A runner with threads, in real time.

    Raises:
        RunFailed: if the system has no room for a thread.
    """
    return Runner(
        *start_delivery(session),
        clock=real_time.monotonic,
        check_stopped=session.interrupt.check,
    )


def start_delivery(session: Session) -> tuple[Delivery, CallThreads]:
    """A delivery, and the threads that move it in real time.

    Raises:
        RunFailed: if the system has no room for a thread.
    """
    clock, failed = real_time.monotonic, session.interrupt.fail
    delivery = session.make_delivery(clock())
    return delivery, CallThreads(delivery, session.client, clock=clock, failed=failed)


def open_ledger(url: str, *, brand: str, utc_now: Callable[[], dt.datetime]) -> Ledger:
    """The ledger.

    Raises:
        RunFailed: when it cannot be used.
    """
    from target_omnisend.ledger import Ledger  # noqa: PLC0415 - a tenth of a second

    return Ledger(url, brand=brand, utc_now=utc_now)


def open_dry_ledger(url: str, *, brand: str, utc_now: Callable[[], dt.datetime]) -> Ledger:
    """The ledger, which stays as it is.

    Raises:
        RunFailed: when it cannot be used.
    """
    from target_omnisend.ledger import DryLedger  # noqa: PLC0415 - a tenth of a second

    return DryLedger(url, brand=brand, utc_now=utc_now)


class _OpenLedger(t.Protocol):
    def __call__(self, url: str, *, brand: str, utc_now: Callable[[], dt.datetime]) -> Ledger:
        """The ledger."""


@dataclass(frozen=True)
class Parts:
    """The makers of the parts of a session; without an argument, those of a run.

    Attributes:
        clock: shows the time.
        client: makes the client, of settings and version.
        runner: makes the runner of a session.
        ledger: opens the ledger.
        rejects: keeps the rejected records of a session.
        report: writes the report to a path.
        progress: shows how far a runner is.
        dry: they write nothing; sentences say what a run would do.
    """

    clock: Clock = real_time
    client: Callable[[Settings, str], Api] = make_client
    runner: Callable[[Session], Runner] = make_runner
    ledger: _OpenLedger = open_ledger
    rejects: Callable[[Session], KeptRejects] = make_rejects
    report: Callable[[Path, Mapping[str, t.Any]], None] = write
    progress: Callable[[Runner, Callable[[], float | None]], AbstractContextManager[t.Any]] = (
        progress_of
    )
    dry: bool = False
