"""`DryOmnisend`: an Omnisend that accepts everything, in the place of the real one."""

from __future__ import annotations

import itertools
import typing as t

import msgspec

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.budget import Endpoint

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from target_omnisend.api.protocol import Api

BATCH_SECONDS: t.Final = 60.0
"""The duration of a batch. Omnisend promises none; the batches in its documentation took 1 to 9
minutes."""

SAMPLES: t.Final = 3
"""Items that are kept to be shown."""

_PAGE: t.Final = 250

_KEPT: t.Final = 500
"""Finished batches whose items are kept, in case that a call asks for them."""

_DONE: t.Final = Answer(Kind.DONE)


class DryOmnisend:
    """Takes every batch and finishes it without a fault after `BATCH_SECONDS`.

    Attributes:
        samples: the first items that came.
        read: makes a call that reads contacts at the real Omnisend; None if a dry run makes none.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Know no batch yet."""
        self.samples: list[bytes] = []
        self.read: Callable[[Endpoint, Callable[[Api], Answer]], Answer] | None = None
        self._clock = clock
        self._ids = itertools.count(1)
        self._contact_ids = itertools.count(1)
        self._batches: dict[str, dict[str, t.Any]] = {}
        self._items: dict[str, Sequence[bytes]] = {}
        self._finished: dict[str, Sequence[bytes]] = {}

    def post_batch(self, items: Sequence[bytes]) -> Answer:
        """Take a batch."""
        self.samples.extend(items[: SAMPLES - len(self.samples)])
        name = f"dry {next(self._ids)}"
        self._items[name] = items
        self._batches[name] = {
            "batchID": name,
            "status": "inProgress",
            "finishedCount": len(items),
            "errorsCount": 0,
            "over_at": self._clock() + BATCH_SECONDS,
        }
        return Answer(Kind.DONE, body={"batchID": name})

    def list_batches(self, since: dt.date, offset: int) -> Answer:  # noqa: ARG002
        """List the batches that no earlier list had as finished."""
        if not offset:
            self._batches = {
                name: one for name, one in self._batches.items() if one["status"] != "finished"
            }
        page = list(itertools.islice(self._batches.values(), offset, offset + _PAGE))
        for batch in page:
            if batch["over_at"] <= self._clock():
                batch["status"] = "finished"
                self._finish(batch["batchID"])
        return Answer(Kind.DONE, body={"batches": page})

    def find_contact(self, email: str) -> Answer:
        """Have everybody, or those that the real Omnisend has."""
        if self.read is None:
            return Answer(Kind.DONE, body={"contacts": [{"email": email}]})
        return self.read(Endpoint.READ_CONTACTS, lambda api: api.find_contact(email))

    def contacts(self, filters: Mapping[str, str], after: str | None = None) -> Answer:
        """Have no contact, or those that the real Omnisend has."""
        if self.read is None:
            return Answer(Kind.DONE, body={"contacts": []})
        return self.read(Endpoint.READ_CONTACTS, lambda api: api.contacts(filters, after))

    def _finish(self, name: str) -> None:
        if items := self._items.pop(name, None):
            self._finished[name] = items
            if len(self._finished) > _KEPT:
                del self._finished[next(iter(self._finished))]

    def batch_items(self, batch_id: str) -> Answer:
        """The contact IDs that Omnisend would have given to the contacts of a finished batch."""
        items = self._finished.pop(batch_id, ())
        responses = [
            {"response": {"id": f"{number:024x}", "email": _email(item)}}
            for item, number in zip(items, self._contact_ids, strict=False)
        ]
        counts = {"finishedCount": len(items), "errorsCount": 0}
        return Answer(Kind.DONE, body={"status": "finished", **counts, "responses": responses})

    def batch(self, batch_id: str) -> Answer:  # noqa: ARG002
        """Know nothing of a batch of an earlier run: its people count as changed."""
        return Answer(Kind.FORBIDDEN)

    def add_tags(
        self,
        emails: Sequence[str],  # noqa: ARG002
        tags: Sequence[str],  # noqa: ARG002
        contact_ids: Sequence[str] = (),  # noqa: ARG002
    ) -> Answer:
        """Take it."""
        return _DONE

    remove_tags = add_tags


def _email(item: bytes) -> str:
    identifiers = msgspec.json.decode(item)["identifiers"]
    return next(str(one["id"]) for one in identifiers if one["type"] == "email")
