"""What goes over the wire, without a wire: requests, replies, problem bodies, dates."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from http.client import responses
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .faults import Fault

PROBLEMS = "https://problems.omnisend.com/"
JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}
PROBLEM_HEADERS: Mapping[str, str] = {"content-type": "application/problem+json"}

RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)

encode = msgspec.json.Encoder().encode
decode: Any = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call.

    Attributes:
        status: HTTP status; 0 when nothing is answered.
        headers: Header fields, names in lower case.
        body: The whole body, also when only a part of it gets through.
        wire: `whole`; `cut` (half the body, then the end of the connection);
            `reset` (no byte of an answer, then a TCP reset).
        delay: Seconds the answer is held back after the store has acted.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_HEADERS)
    body: bytes = b""
    wire: Literal["whole", "cut", "reset"] = "whole"
    delay: float = 0.0

    def json(self) -> Any:
        """The body, decoded."""
        return decode(self.body)


@dataclass(frozen=True, slots=True)
class Request:
    """One call, as the endpoints see it; `now` is in seconds since the epoch.

    `resource` is the id in the path, or empty; `faults` are those that struck it.
    """

    endpoint: str
    resource: str
    query: Mapping[str, str]
    body: bytes
    now: float
    faults: Sequence[Fault] = ()

    def json(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            Problem: It is not JSON, or not an object (400).
        """
        try:
            decoded = decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as broken:
            raise Problem(400, "invalid-json", f"Body is not JSON: {broken}") from None
        if not isinstance(decoded, dict):
            raise invalid(FieldError("", "invalid_type", "Body must be an object"))
        return decoded

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query.

        Raises:
            Problem: It is not a number, or out of range (400).
        """
        text = self.query.get(name, str(default))
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
            raise invalid(FieldError(name, "out_of_range", f"{name} must be {low} to {high}"))
        return int(text)


class FieldError(NamedTuple):
    """One entry of a validation problem's `errors`."""

    field: str
    code: str
    message: str


class Problem(Exception):  # noqa: N818 - an answer, not a fault of the program
    """A call, or one item of a batch, gets a problem instead of a result."""

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        **more: Any,
    ) -> None:
        """Keep the members of the problem body; `more` are further ones."""
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.errors = errors
        self.more = more

    def as_json(self) -> dict[str, Any]:
        """The RFC 9457 body, still without its `instance`."""
        body: dict[str, Any] = {
            "type": PROBLEMS + self.slug,
            "title": responses.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        if self.errors:
            body["errors"] = [error._asdict() for error in self.errors]
        return body


def invalid(*errors: FieldError) -> Problem:
    """A 400 `validation-failed` that names every fault at once."""
    return Problem(400, "validation-failed", errors[0].message, errors)


def ok(status: int, body: Any) -> Reply:
    """A JSON answer."""
    return Reply(status, JSON_HEADERS, encode(body))


@lru_cache(maxsize=4096)
def instant(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 date-time; None when the text is not one."""
    if not RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def stamp(seconds: float) -> str:
    """The RFC 3339 text of a moment, to the millisecond, in UTC."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def day(text: str) -> date | None:
    """A `yyyy-mm-dd` day; None when the text is not one."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def texts(value: Any, least: int, most: int) -> bool:
    """Whether a value is a list of so many texts, none of them empty."""
    return (
        isinstance(value, list)
        and least <= len(value) <= most
        and all(isinstance(text, str) and text for text in value)
    )
