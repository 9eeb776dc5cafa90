"""One batch, and how the API shows it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from .contact import Contact, hex_id
from .faults import Fault, among
from .wire import FieldError, Problem, decode, invalid, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = 0x6A1D2C5F
ITEM_PREFIX = 0x6A1D2C17
MAX_ITEMS = 100
MAX_BYTES = 1_000_000
RETENTION = 7 * 86_400.0

Status = Literal["pending", "inProgress", "finished", "stopped"]
Result = tuple[Contact, int] | Problem


class Envelope(msgspec.Struct):
    """The shape of a good batch, its items not looked into."""

    method: Literal["POST"]
    endpoint: Literal["contacts"]
    items: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=MAX_ITEMS)]
    origin: str = "api"


_decode_envelope = msgspec.json.Decoder(Envelope).decode


def read_envelope(body: bytes) -> Envelope:
    """A batch as it came.

    Raises:
        Problem: Too many bytes (413), or anything about the envelope is wrong (400).
    """
    if len(body) > MAX_BYTES:
        raise Problem(413, "payload-too-large", "A batch may be 1 MB at most")
    try:
        return _decode_envelope(body)
    except msgspec.ValidationError as wrong:
        message, _, place = str(wrong).partition(" - at `$.")
        raise invalid(FieldError(place.rstrip("`"), "invalid_value", message)) from None
    except msgspec.DecodeError as broken:
        raise Problem(400, "invalid-json", f"Body is not JSON: {broken}") from None


@dataclass(slots=True, eq=False)
class Batch:
    """One batch; dates are seconds since the epoch.

    Attributes:
        body: The request as it came; items are read from it when they are needed.
        to_do: How many items will be processed; fewer than `total` in one that stops.
        appears: When it is shown first.
        vanishes: When it is gone.
        results: One an item processed, in order: contact and code, or the problem.
    """

    serial: int
    body: bytes
    total: int
    origin: str
    created: float
    to_do: int
    status: Status = "pending"
    started: float | None = None
    ended: float | None = None
    appears: float = 0.0
    vanishes: float | None = None
    errors: int = 0
    results: list[Result] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The 24-hex identifier."""
        return hex_id(self.serial, PREFIX)

    def is_shown(self, now: float) -> bool:
        """Whether the API knows it."""
        last = self.created + RETENTION if self.vanishes is None else self.vanishes
        return self.appears <= now < last

    def items(self) -> list[Any]:
        """The items, decoded; None for each where the body cannot be decoded."""
        try:
            return list(decode(self.body)["items"])
        except msgspec.DecodeError:  # such as 1e999, which only a second look finds
            return [None] * self.total

    def as_json(self, struck: Sequence[Fault] = ()) -> dict[str, Any]:
        """The `Batch` of the API without its items."""
        shown: dict[str, Any] = {
            "batchID": self.id,
            "method": "POST",
            "endpoint": "contacts",
            "status": self.status,
            "createdAt": stamp(self.created),
            "startedAt": None if self.started is None else stamp(self.started),
            "endedAt": None if self.ended is None else stamp(self.ended),
            "totalCount": self.total,
            "finishedCount": len(self.results),
            "errorsCount": self.errors,
            "eventID": None,
            "origin": self.origin,
            "errors": None,
            "responses": None,
        }
        if (fault := among(struck, "no_counts")) is not None:
            _hide(shown, fault, "finishedCount", "errorsCount")
        return shown

    def with_items(self, struck: Sequence[Fault] = ()) -> dict[str, Any]:
        """The `Batch` of the API with the answer to each item."""
        shown = self.as_json(struck)
        requests = read_envelope(self.body).items if self.results else []
        answers = among(struck, "answers")
        shape = "" if answers is None else answers.shape
        errors: list[Any] = []
        responses: list[Any] = []
        done = [result[0] for result in self.results if not isinstance(result, Problem)]
        for position, (request, result) in enumerate(zip(requests, self.results, strict=False)):
            item = {
                "itemID": hex_id((self.serial << 16) + position, ITEM_PREFIX),
                **({} if shape == "no_request" else {"request": request}),
                **_shown(result, shape, done),
                "status": "finished",
            }
            (errors if isinstance(result, Problem) else responses).append(item)
        if among(struck, "shuffled") is not None:
            # Seeded by the batch: another order, and the same one each time.
            shuffle = random.Random(self.serial).shuffle  # noqa: S311
            shuffle(errors)
            shuffle(responses)
        shown["errors"], shown["responses"] = errors, responses
        if (fault := among(struck, "no_arrays")) is not None:
            _hide(shown, fault, "errors", "responses")
        return shown


def _shown(result: Result, shape: str, done: Sequence[Contact]) -> dict[str, Any]:
    """`responseCode` and `response` of an item; `done` are the contacts of its batch."""
    response: Any
    if not isinstance(result, Problem):
        return {"responseCode": result[1], "response": _named(result[0], shape, done)}
    if shape == "fields":
        # The documented example of v3.
        count = max(1, len(result.errors))
        fields = {str(at): [f"{one.field}: {one.message}"] for at, one in enumerate(result.errors)}
        response = {"error": f"{count} error(s) found. {result.detail}", "fields": fields}
    elif shape == "string":
        response = result.detail
    else:
        response = None if shape == "null" else result.as_json()
    return {"responseCode": result.status, "response": response}


def _named(contact: Contact, shape: str, done: Sequence[Contact]) -> dict[str, Any] | None:
    """The answer to an item that succeeded: the contact's ID and e-mail."""
    match shape:
        case "null":
            return None
        case "no_id":
            return {"email": contact.email}
        case "odd_id":
            return {"id": contact.serial, "email": contact.email}
        case "same_id":
            return {"id": done[0].id, "email": contact.email}
        case "swapped":  # each answer is the one of the next item
            contact = done[(done.index(contact) + 1) % len(done)]
    return {"contactID" if shape == "contact_id" else "id": contact.id, "email": contact.email}


def _hide(shown: dict[str, Any], fault: Fault, *names: str) -> None:
    for name in names:
        if fault.shape == "missing":
            del shown[name]
        else:
            shown[name] = None
