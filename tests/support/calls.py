"""How tests speak to a store: a clock they move, and calls with the headers on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from omnisend_sandbox.model import Store

if TYPE_CHECKING:
    from omnisend_sandbox.wire import Reply

HEADERS = {
    "Authorization": "Omnisend-API-Key sandbox-key",
    "Omnisend-Version": "2026-03-15",
    "Content-Type": "application/json",
}
OLD = "2000-01-01T00:00:00Z"
NOON = 1_780_000_000.0


class Clock:
    """Seconds since the epoch that stand still until told otherwise."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class Answered(NamedTuple):
    """The answer to an item: `responseCode` and `response`."""

    status: int
    response: Any


class Caller:
    """A store, its clock, and calls without ceremony."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.store = Store(self.clock, **options)

    def __call__(self, method: str, path: str, body: Any = None, /, **query: str) -> Reply:
        sent = b"" if body is None else msgspec.json.encode(body)
        return self.store.handle(method, path, query, HEADERS, sent)

    def submit(self, *items: Any) -> str:
        """Post a batch of contacts; its id."""
        reply = self("POST", "/batches", batch(*items))
        assert reply.status == 201, reply.body
        return str(reply.json()["batchID"])

    def upsert(self, item: Any) -> Answered:
        """Post a batch of one contact; the answer to its item."""
        shown = self.items(self.submit(item))
        (one,) = shown["errors"] + shown["responses"]
        return Answered(one["responseCode"], one["response"])

    def items(self, identifier: str) -> Any:
        return self("GET", f"/batches/{identifier}/items").json()


def batch(*items: Any) -> dict[str, Any]:
    return {"method": "POST", "endpoint": "contacts", "items": list(items)}


def person(
    email: str, status: str = "nonSubscribed", at: str | None = OLD, **more: Any
) -> dict[str, Any]:
    """A contact body as a careful client sends it; `welcome` for sendWelcomeMessage."""
    channel = {"status": status, **({} if at is None else {"statusChangedAt": at})}
    identifier = {"type": "email", "id": email, "channels": {"email": channel}}
    identifier["sendWelcomeMessage"] = more.pop("welcome", False)
    return {"identifiers": [identifier, *more.pop("also", [])], **more}


def phone(number: str) -> dict[str, Any]:
    channel = {"status": "nonSubscribed", "statusChangedAt": OLD}
    return {"type": "phone", "id": number, "channels": {"sms": channel}}
