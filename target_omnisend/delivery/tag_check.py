"""Whether Omnisend lets the key give a segment's tags, before the first member of it is sent.

Tags are given last: without this check a run could write each member before it hears that they
cannot be tagged.
"""

from __future__ import annotations

import re
import typing as t

from target_omnisend.api.answers import Kind
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.exchange import Ask, Exchanges
from target_omnisend.errors import ExitCode, RunFailed

if t.TYPE_CHECKING:
    from target_omnisend.api.answers import Answer
    from target_omnisend.api.scheduler import Scheduler
    from target_omnisend.delivery.exchange import Exchange
    from target_omnisend.delivery.model import Batch, Segment

ADDRESS: t.Final = "tag-check@target-omnisend.invalid"
"""It cannot exist (RFC 2606), and Omnisend documents that it ignores unknown addresses."""

PATIENCE: t.Final = 30.0
"""Seconds for which the first batch waits for the answer at the most."""

FEWEST_CALLS: t.Final = 5
"""Tag calls a minute: a run whose `quota_share` allows fewer has none to spare."""

MAX_FORBIDDEN: t.Final = 3
"""403 in a row that are not chance any more."""

_TAG: t.Final = re.compile(r"\btags?\b", re.IGNORECASE)
_EMAIL: t.Final = re.compile(r"e-?mail", re.IGNORECASE)


class TagCheck:
    """One tag call for an address that cannot exist, before the first batch that needs tags.

    It does not promise that tag calls will succeed: only a 403, or a rejection that names the
    tags, proves something.
    """

    def __init__(self, scheduler: Scheduler, *, wanted: bool) -> None:
        """Let each batch pass unless the check is `wanted`."""
        lane = scheduler.lanes[Endpoint.ADD_TAGS]
        self._exchanges = Exchanges(scheduler)
        self._began: float | None = None
        self._wanted = wanted and lane.budget.per_minute >= FEWEST_CALLS

    def allows(self, batch: Batch, now: float) -> bool:
        """Whether a batch can go out; the first one that needs tags begins the check."""
        if not self._wanted:
            return True
        if self._began is None:
            if not _needs_tags(batch):
                return True
            self._began = now
            self._exchanges.start(self._try(batch.segment))
        self._wanted = bool(self._exchanges.open) and now < self._began + PATIENCE
        return not self._wanted

    @staticmethod
    def _try(segment: Segment) -> Exchange[None]:
        """Give the tags to no contact.

        Raises:
            RunFailed: when the key cannot give tags, or when Omnisend does not take these.
        """
        ask = Ask(
            Endpoint.ADD_TAGS,
            lambda api: api.add_tags([ADDRESS], segment.tags),
            optional=True,
            once=True,
        )
        for _ in range(MAX_FORBIDDEN):
            answer = yield ask
            if answer.kind is not Kind.FORBIDDEN:
                break
            ask = ask._replace(wait=1.0)
        if answer.kind is Kind.FORBIDDEN:
            raise RunFailed(
                ExitCode.SETTINGS,
                f"Omnisend forbids to tag contacts ({answer.fault}); the run sent no member of "
                f"segment '{segment.name}'. Give the API key the scope contacts.write, or ask "
                "Omnisend whether the store is blocked.",
            )
        if _names_tags(answer):
            raise RunFailed(
                ExitCode.SETTINGS,
                f"Omnisend does not take the tags of segment '{segment.name}' ({answer.fault}); "
                "the run sent no member of it. Change 'segment' or 'tags'.",
            )


def _needs_tags(batch: Batch) -> bool:
    if not batch.segment.tags:
        return False
    return any(not (entry.leaves or entry.member) for entry in batch.entries)


def _names_tags(answer: Answer) -> bool:
    """Whether a rejection is about the tags, and not about the address."""
    if answer.kind is not Kind.INVALID:
        return False
    if answer.fields:
        return any(_TAG.match(field) for field in answer.fields)
    return bool(_TAG.search(answer.detail)) and not _EMAIL.search(answer.detail)
