"""`check`: whether a run can start, found out by reading only."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace
from urllib.parse import urlsplit

from target_omnisend.api import clock
from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.commands.closing import write_report
from target_omnisend.commands.parts import Parts, open_dry_ledger, start_delivery
from target_omnisend.commands.session import Session
from target_omnisend.delivery.runner import Runner
from target_omnisend.errors import ExitCode, RunFailed, unexpected
from target_omnisend.events import event
from target_omnisend.mapping.properties import column_of
from target_omnisend.signals import Stopped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.protocol import Api
    from target_omnisend.config.settings import Settings, StreamSettings

logger = logging.getLogger("target-omnisend")


SECONDS: t.Final = 12.0
"""For so long a check waits for Omnisend; with all else it ends within 20 s."""

CALL_SECONDS: t.Final = 5.0
"""For so long it waits for one call, so that it can name the reason for which it fails."""


def check_session(settings: Settings, **options: t.Any) -> Session:
    """A session that writes nothing and has less patience; `options` are those of `Session`."""
    parts = options.pop("parts", None) or Parts()
    return Session(
        replace(settings, request_timeout=min(settings.request_timeout, CALL_SECONDS)),
        parts=replace(parts, runner=CheckRunner, ledger=open_dry_ledger, dry=True),
        **options,
    )


class CheckRunner(Runner):
    """A runner that gives up after `SECONDS`."""

    def __init__(self, session: Session) -> None:
        """Start to count the seconds.

        Raises:
            RunFailed: if the system has no room for a thread.
        """
        self._ends_at = clock.monotonic() + SECONDS
        self._host = urlsplit(session.settings.api_url).netloc.rpartition("@")[2]
        self._interrupt = session.interrupt
        super().__init__(
            *start_delivery(session), clock=clock.monotonic, check_stopped=self._check_time
        )

    def _check_time(self) -> None:
        self._interrupt.check()
        if clock.monotonic() < self._ends_at:
            return
        fault = self._delivery.scheduler.latest_fault
        reason = fault.fault if fault else "nothing came in time"
        raise RunFailed(
            ExitCode.SETTINGS,
            f"Omnisend at {self._host} does not answer ({reason}). Check the network and "
            "'api_url', then check again.",
        )

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Stop at once: nothing is open that would be worth waiting for."""
        del hurried
        super().stop(lambda: True)


def check(session: Session) -> int:
    """Name the store of the API key, the scopes it has and the columns the mapping needs.

    The exit code: a run can start if it is 0.
    """
    outcome = session.outcome
    try:
        with session:
            _describe(session)
    except RunFailed as failure:
        # What keeps a run from starting is for the operator to correct before the first run.
        outcome.failure = RunFailed(ExitCode.SETTINGS, failure.sentence)
    except Stopped as stopped:
        outcome.stopped_by = stopped.args[0]
    except Exception as error:  # noqa: BLE001 - a traceback might quote a setting
        outcome.failure = RunFailed(ExitCode.SETTINGS, unexpected(error).sentence)
    session.interrupt.ignore()
    _tell(session)
    return outcome.exit_code


def _describe(session: Session) -> None:
    _describe_store(session.runner.brand)
    _describe_scopes(session)
    settings = session.settings
    _describe_folders(settings)
    if settings.mapping:
        logger.info("mapping: %s.", _columns(settings.for_stream("")), extra=event("check_mapping"))
    for stream in settings.streams:
        session.segments.of_stream(stream)
        logger.info(
            "mapping of stream '%s': %s.",
            stream,
            _columns(settings.for_stream(stream)),
            extra=event("check_mapping", stream_name=stream),
        )
    if session.ledger is not None:
        known = ", ".join(f"'{name}' ({number})" for name, number in session.ledger.segments())
        logger.info(
            "ledger: it knows members of %s.", known or "no segment", extra=event("check_ledger")
        )


def _describe_store(brand: Mapping[str, t.Any]) -> None:
    if brand:
        facts = (f"{name} {brand.get(name) or 'unknown'}" for name in _FACTS)
        logger.info("store: %s.", ", ".join(facts), extra=event("check_store"))
    else:
        logger.info(
            "store: unknown (the API key cannot read it; its scope brands.read is optional).",
            extra=event("check_store"),
        )


def _describe_scopes(session: Session) -> None:
    since, settings = session.started_at.date(), session.settings
    _try(session, "contacts.read", Endpoint.READ_CONTACTS, lambda api: api.any_contact())
    _try(session, "batches", Endpoint.LIST_BATCHES, lambda api: api.list_batches(since, 0))
    own = [settings.for_stream(name) for name in ("", *settings.streams)]
    if any(one.create_segment for one in own):
        _try(session, "segments", Endpoint.LIST_SEGMENTS, lambda api: api.list_segments(None))
    logger.info(
        "scope contacts.write: needed too; a check does not try it, because the call writes.",
        extra=event("check_scope", scope="contacts.write"),
    )


def _describe_folders(settings: Settings) -> None:
    # The session has begun, so it has found out for each of them.
    places = [name for name in _PLACES if getattr(settings, name) is not None]
    names = ", ".join(f"'{name}'" for name in places)
    logger.info(
        "folders: the places that %s name can be written to.",
        names,
        extra=event("check_folders", settings=places),
    )


def _try(session: Session, scope: str, endpoint: Endpoint, call: Callable[[Api], Answer]) -> None:
    answer = session.runner.ask(endpoint, call)
    if answer.kind is not Kind.DONE:
        raise RunFailed(
            ExitCode.SETTINGS,
            f"{endpoint.label} does not answer ({answer.fault}); give the API key the scopes "
            f"that a run needs, here {scope}, and check 'api_url'.",
        )
    logger.info(
        "scope %s: %s answered.",
        scope,
        endpoint.label,
        extra=event("check_scope", scope=scope, endpoint=endpoint.label),
    )


def _tell(session: Session) -> None:
    outcome = session.outcome
    report = write_report(session) if outcome.failure is not None else None
    if outcome.stopped_by is not None:
        what = "stopped by a signal before all was asked."
    elif outcome.failure is not None:
        what = outcome.failure.sentence
    else:
        what = "a run can start; nothing was sent or written."
    code = int(outcome.exit_code)
    level = logging.ERROR if code else logging.INFO
    logger.log(
        level,
        "Check, exit code %d: %s",
        code,
        what,
        extra=event("check_ended", exit_code=code, report=report),
    )


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
