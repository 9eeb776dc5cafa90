"""`check`: whether a run can start, found out by reading only."""

from __future__ import annotations

import logging
import typing as t

from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.commands.parts import Parts, open_dry_ledger
from target_omnisend.errors import ExitCode, RunFailed, unexpected
from target_omnisend.mapping.properties import column_of
from target_omnisend.signals import Stopped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_omnisend.api.answers import Answer
    from target_omnisend.api.protocol import Api
    from target_omnisend.commands.session import Session
    from target_omnisend.config.settings import StreamSettings
    from target_omnisend.delivery.outcome import Outcome

logger = logging.getLogger("target-omnisend")


PARTS: t.Final = Parts(ledger=open_dry_ledger)
"""A check writes nothing."""


def check(session: Session) -> int:
    """Say to whom the API key belongs, what it can read and what the mapping needs.

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
    _tell(outcome)
    return outcome.exit_code


def _describe(session: Session) -> None:
    _describe_store(session.runner.brand)
    _describe_scopes(session)
    settings = session.settings
    if settings.mapping:
        logger.info("mapping: %s.", _columns(settings.for_stream("")))
    for stream in settings.streams:
        session.segments.of_stream(stream)
        logger.info("mapping of stream '%s': %s.", stream, _columns(settings.for_stream(stream)))
    if session.ledger is not None:
        known = ", ".join(f"'{name}' ({number})" for name, number in session.ledger.segments())
        logger.info("ledger: it knows members of %s.", known or "no segment")


def _describe_store(brand: Mapping[str, t.Any]) -> None:
    if brand:
        facts = (f"{name} {brand.get(name) or 'unknown'}" for name in _FACTS)
        logger.info("store: %s.", ", ".join(facts))
    else:
        logger.info(
            "store: unknown, since the API key lacks the scope brands.read; a run needs it not."
        )


def _describe_scopes(session: Session) -> None:
    since, settings = session.started_at.date(), session.settings
    _try(session, "contacts.read", Endpoint.READ_CONTACTS, lambda api: api.any_contact())
    _try(session, "batches", Endpoint.LIST_BATCHES, lambda api: api.list_batches(since, 0))
    own = [settings.for_stream(name) for name in ("", *settings.streams)]
    if any(one.create_segment for one in own):
        _try(session, "segments", Endpoint.LIST_SEGMENTS, lambda api: api.list_segments(None))
    logger.info("scope contacts.write: needed too; only a run can tell, since it writes.")


def _try(session: Session, scope: str, endpoint: Endpoint, call: Callable[[Api], Answer]) -> None:
    answer = session.runner.ask(endpoint, call)
    if answer.kind is not Kind.DONE:
        raise RunFailed(
            ExitCode.SETTINGS,
            f"{endpoint.label} does not answer ({answer.fault}); give the API key the scopes "
            f"that a run needs, here {scope}, and check 'api_url'.",
        )
    about = {"scope": scope, "endpoint": endpoint.label}
    logger.info("scope %s: %s answered.", scope, endpoint.label, extra=about)


def _tell(outcome: Outcome) -> None:
    if outcome.stopped_by is not None:
        what = "stopped by a signal before all was asked."
    elif outcome.failure is not None:
        what = outcome.failure.sentence
    else:
        what = "a run can start; nothing was sent or written."
    code = int(outcome.exit_code)
    level = logging.ERROR if code else logging.INFO
    logger.log(level, "Check, exit code %d: %s", code, what, extra={"exit_code": code})


_FACTS: t.Final = ("name", "website", "currency")


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
