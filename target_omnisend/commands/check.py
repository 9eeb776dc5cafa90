"""`Check`: whether a run could start, found out by reading only."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace
from urllib.parse import urlsplit

from target_omnisend.api import clock
from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.commands.session import Run
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.mapping.properties import column_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.protocol import Api
    from target_omnisend.config.settings import Settings, StreamSettings
    from target_omnisend.delivery.engine import Delivery, Rejects

logger = logging.getLogger("target-omnisend")

SECONDS: t.Final = 12.0
"""For so long a check waits for Omnisend; with all else it ends within 20 s."""

CALL_SECONDS: t.Final = 5.0
"""For so long it waits for one call, so that it can name the reason for which it fails."""


class Check(Run):
    """A run that only asks: who the API key belongs to, what it may read, what mapping needs."""

    dry = True

    def __init__(self, settings: Settings, **options: t.Any) -> None:
        """As `Run`, with less patience for a call."""
        timeout = min(settings.request_timeout, CALL_SECONDS)
        super().__init__(replace(settings, request_timeout=timeout), **options)
        self._ends_at = clock.monotonic() + SECONDS
        self._delivery: Delivery | None = None

    def _make_delivery(self, now: float, rejects: Rejects) -> Delivery:
        self._delivery = super()._make_delivery(now, rejects)
        return self._delivery

    def _check_stopped(self) -> None:
        super()._check_stopped()
        if clock.monotonic() < self._ends_at:
            return
        fault = self._delivery.scheduler.latest_fault if self._delivery else None
        reason = (fault.reason or fault.fault) if fault else "nothing came in time"
        raise RunFailed(
            ExitCode.SETTINGS,
            f"Omnisend at {urlsplit(self.settings.api_url).netloc.rpartition('@')[2]} does not "
            f"answer ({reason}). Check the network and 'api_url', then check again.",
        )

    def describe(self) -> None:
        """Say all of it.

        Raises:
            RunFailed: when a scope is missing that every run needs.
            Stopped: when a signal came.
        """
        self._describe_store(self.runner.brand)
        self._describe_scopes()
        self._describe_folders()
        if self.settings.mapping:
            logger.info("mapping: %s.", _columns(self.settings.for_stream("")))
        for stream in self.settings.streams:
            self.segments.of_stream(stream)
            own = self.settings.for_stream(stream)
            logger.info("mapping of stream '%s': %s.", stream, _columns(own))
        if self.ledger is not None:
            known = ", ".join(f"'{name}' ({number})" for name, number in self.ledger.segments())
            logger.info("ledger: it knows members of %s.", known or "no segment")

    def _describe_store(self, brand: Mapping[str, t.Any]) -> None:
        if brand:
            facts = (f"{name} {brand.get(name) or 'unknown'}" for name in _FACTS)
            logger.info("store: %s.", ", ".join(facts))
        else:
            logger.info("store: unknown (the API key has no brands.read scope; it is optional).")

    def _describe_scopes(self) -> None:
        since = self.started_at.date()
        self._try("contacts.read", Endpoint.READ_CONTACTS, lambda api: api.any_contact())
        self._try("batches", Endpoint.LIST_BATCHES, lambda api: api.list_batches(since, 0))
        own = [self.settings.for_stream(name) for name in ("", *self.settings.streams)]
        if any(one.create_segment for one in own):
            self._try("segments", Endpoint.LIST_SEGMENTS, lambda api: api.list_segments(None))
        logger.info("scope contacts.write: needed too; only a run can tell, since it writes.")

    def _describe_folders(self) -> None:
        # The runner is there: it was found out for each of them.
        places = [name for name in _PLACES if getattr(self.settings, name) is not None]
        names = ", ".join(f"'{name}'" for name in places)
        logger.info("folders: the places that %s name can be written to.", names)

    def _try(self, scope: str, endpoint: Endpoint, call: Callable[[Api], Answer]) -> None:
        answer = self.runner.ask(endpoint, call)
        if answer.kind is not Kind.DONE:
            raise RunFailed(
                ExitCode.SETTINGS,
                f"{endpoint.label} does not answer ({answer.fault}); give the API key the scopes "
                f"that a run needs, here {scope}, and check 'api_url'.",
            )
        about = {"scope": scope, "endpoint": endpoint.label}
        logger.info("scope %s: %s answered.", scope, endpoint.label, extra=about)

    def _emit_state(self, state: dict[str, t.Any]) -> None:
        """There is none."""

    def _end_early(self, failure: RunFailed | None) -> None:
        if failure is not None:
            # Whatever keeps a run from starting is for the operator to mend before one is tried.
            self.outcome.failure = RunFailed(ExitCode.SETTINGS, failure.sentence)
        if "runner" in self.__dict__:  # nothing is open that would be worth waiting for
            self.runner.stop(hurried=lambda: True)

    def _tell(self) -> None:
        report = self._write_report() if self.outcome.failure is not None else None
        if self.outcome.stopped_by is not None:
            what = "stopped by a signal before all was asked."
        elif self.outcome.failure is not None:
            what = self.outcome.failure.sentence
        else:
            what = "a run can start; nothing was sent or written."
        code = int(self.outcome.exit_code)
        level = logging.ERROR if code else logging.INFO
        about = {"exit_code": code, "report": report}
        logger.log(level, "Check, exit code %d: %s", code, what, extra=about)


_FACTS: t.Final = ("name", "website", "currency")
_PLACES: t.Final = ("rejects_path", "report_path", "ledger_url")


def _columns(own: StreamSettings) -> str:
    needed = own.mapping["email"]
    optional = [
        column
        for field, columns in own.mapping.items()
        if field != "email"
        for column in ([columns] if isinstance(columns, str) else columns)
    ]
    more = sorted({*optional, *map(column_of, own.custom_properties.values())})
    used = f"; the columns {', '.join(more)} are used where they are" if more else ""
    return f"each record needs the column {needed} with an e-mail address{used}"
