"""What an answer of Omnisend's means for the call that got it: one closed table.

Sources: api-docs.omnisend.com, "Rate limits, timeouts, errors" and "Responses" of
version 2026-03-15; rows that the documentation leaves open say so.
"""

from __future__ import annotations

import enum
import re
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_RETRY_AFTER: t.Final = 60.0
"""Seconds to wait after a 429 that does not say how long (`/batches` documents none)."""

LONGEST_DETAIL: t.Final = 200
"""Characters of Omnisend's own words for an answer that is not a success."""

LONGEST_RETRY_AFTER: t.Final = 600.0
"""As long as an outage may last: a run that waits longer for one call is over anyway."""


class Kind(enum.Enum):
    """What to do with a call, given its answer."""

    DONE = "the call succeeded"
    THROTTLED = "wait as long as it says, then send the same call again"
    RETRY = "a fault that passes: send the same call again, later"
    FORBIDDEN = "a missing scope, a block, or a firewall that dislikes what the call carries"
    UNAUTHORIZED = "the key is wrong: fatal"
    PLAN_FULL = "the plan takes no more: fatal"
    RETIRED = "the API version is retired: fatal"
    TOO_LARGE = "send it in two halves"
    INVALID = "Omnisend will never take this call as it is"
    GONE = "what the call names is not there"


_BY_STATUS: t.Final[Mapping[int, Kind]] = {
    400: Kind.INVALID,
    401: Kind.UNAUTHORIZED,
    402: Kind.PLAN_FULL,
    403: Kind.FORBIDDEN,
    404: Kind.GONE,
    408: Kind.RETRY,
    409: Kind.RETRY,
    410: Kind.RETIRED,
    413: Kind.TOO_LARGE,
    422: Kind.INVALID,
    425: Kind.RETRY,
    429: Kind.THROTTLED,
}


def classify(status: int) -> Kind:
    """Look up a status code; every code has a row."""
    if kind := _BY_STATUS.get(status):
        return kind
    if 200 <= status < 300:
        return Kind.DONE
    if 400 <= status < 500:
        return Kind.INVALID
    # 5xx passes. 1xx and 3xx are not Omnisend's: a proxy's, which may pass as well.
    return Kind.RETRY


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, or the lack of one, read as far as it can be.

    Attributes:
        kind: what to do.
        status: HTTP status; None when no whole answer came.
        body: the decoded JSON of a success, else None.
        retry_after: seconds, for `THROTTLED`.
        fault: for the log: what came, or why nothing did, without any value of ours. Empty for a
            success.
        fields: paths of the request that a 400 names.
        detail: Omnisend's own words for an answer that is not a success. They can quote what
            the call carried, so the log can have them only if that was nothing personal.
        date: of a success, as HTTP writes it, by Omnisend's clock; empty if it is not said.
    """

    kind: Kind
    status: int | None = None
    body: t.Any = None
    retry_after: float = 0.0
    fault: str = ""
    fields: tuple[str, ...] = ()
    detail: str = field(default="", repr=False)
    date: str = ""


def read_problem(status: int, body: t.Any, headers: Mapping[str, str]) -> Answer:
    """Read an answer that is not a success: an RFC 9457 problem, or anything else."""
    problem = body if isinstance(body, dict) else {}
    errors = [e for e in as_list(problem.get("errors")) if isinstance(e, dict)]
    words = [str(status), _last_part(problem.get("type")), *_codes(errors)]
    if isinstance(problem.get("instance"), str):
        words.append(f"({as_name(problem['instance'])})")
    kind = classify(status)
    return Answer(
        kind,
        status,
        retry_after=_retry_after(problem, headers) if kind is Kind.THROTTLED else 0.0,
        fault=" ".join(word for word in words if word),
        fields=tuple(str(e.get("field")) for e in errors if e.get("field")),
        detail=_detail(problem, errors),
    )


def as_list(value: t.Any) -> list[t.Any]:
    """The list itself, or an empty one for null, a missing value or another type."""
    return value if isinstance(value, list) else []


def as_int(value: t.Any) -> int | None:
    """A count as Omnisend may write it, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def as_name(value: t.Any) -> str:
    """The value if it can be a name of the API's, else "?": it might be a person's data."""
    name = str(value)
    return name if re.fullmatch(r"[\w.:/\[\]-]{0,100}", name) else "?"


def _detail(problem: Mapping[str, t.Any], errors: list[dict[str, t.Any]]) -> str:
    said = [problem.get("detail") or problem.get("title"), *(e.get("message") for e in errors[:1])]
    texts = dict.fromkeys(" ".join(one.split()) for one in said if isinstance(one, str))
    return "; ".join(text for text in texts if text.isprintable())[:LONGEST_DETAIL]


def _last_part(problem_type: t.Any) -> str:
    if not isinstance(problem_type, str):
        return ""
    return as_name(problem_type.rstrip("/").rsplit("/", 1)[-1])


def _codes(errors: list[dict[str, t.Any]]) -> list[str]:
    # `field` and `code` are names of the API's; `message` may quote a person's data.
    return sorted({f"{as_name(e.get('field'))}:{as_name(e.get('code'))}" for e in errors})[:3]


def _retry_after(problem: Mapping[str, t.Any], headers: Mapping[str, str]) -> float:
    for value in (problem.get("retryAfter"), headers.get("retry-after")):
        seconds = as_int(value)
        if seconds is not None and seconds >= 0:
            return float(min(seconds, LONGEST_RETRY_AFTER))
    return DEFAULT_RETRY_AFTER
