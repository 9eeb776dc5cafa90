"""Trouble the store can be told to make: which, where, when, how often.

Nothing here sleeps or rolls dice of its own: a fault says in its `Reply` what the
transport is to do, and chance comes from a seed.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

import msgspec

from .wire import PROBLEM_HEADERS, PROBLEMS, Refused, Reply, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal[
    # one call
    "status",  # `status` with an HTML body (or none with `html: false`); `acted`: after acting
    "throttle",  # 429, `retry_after` in the body, in the header with `header: true`
    "reset_before",  # TCP reset, nothing done
    "reset_after",  # done, then TCP reset
    "cut",  # done, half the body, end of connection
    "broken_json",  # done, then a body that is no JSON
    "slow",  # done, answered `seconds` later
    # one batch, chosen when it is submitted
    "stopped",  # first half processed, then `stopped`
    "vanished",  # 404 from `seconds` after submission on; `acted`: its items are processed
    "stuck",  # pending for `seconds` more; 0 is for good
    # how batches are shown
    "no_counts",  # finishedCount and errorsCount null, or missing with `shape: missing`
    "shuffled",  # errors and responses in another order
    "no_arrays",  # errors and responses null, or missing with `shape: missing`
    "answers",  # item answers of another `shape`: fields, string, null, no_request, contact_id
    # one item
    "item_flaky",  # `failures` times `code` for each matching e-mail, then as usual
    "item_refused",  # `code` for each matching e-mail
]
Shape = Literal["null", "missing", "fields", "string", "no_request", "contact_id"]

# Where a fault strikes when it does not say.
AT_HOME: dict[str, str] = {
    "stopped": "POST /batches",
    "vanished": "POST /batches",
    "stuck": "POST /batches",
    "no_counts": "GET /batches*",
    "shuffled": "GET /batches/{id}/items",
    "no_arrays": "GET /batches/{id}/items",
    "answers": "GET /batches/{id}/items",
    "item_flaky": "item",
    "item_refused": "item",
}


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One kind of trouble and when it strikes.

    Attributes:
        kind: What happens.
        endpoint: Glob over endpoint names (`POST /batches`, `GET /batches/{id}`, `*`);
            empty is where the kind belongs.
        skip: Matching calls (items, for item faults) let through first.
        times: Strike at most so often; None is always.
        every: Strike each k-th matching call only.
        probability: Strike by chance, drawn from `seed`.
        seed: Seed of that chance.
        status: HTTP status of `status`.
        html: Whether `status` has an HTML body.
        acted: Whether the call, or the vanished batch, is processed all the same.
        seconds: Of `slow`, `stuck` and `vanished`.
        retry_after: Seconds named by `throttle`; None names none.
        header: Whether `throttle` says so in a `Retry-After` header too.
        email: Regular expression the e-mail of an item is searched for.
        code: Item's `responseCode`.
        failures: How often `item_flaky` fails an e-mail.
        shape: Variant of `no_counts`, `no_arrays`, `answers`.
    """

    kind: Kind
    endpoint: str = ""
    skip: int = 0
    times: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    status: int = 500
    html: bool = True
    acted: bool = False
    seconds: float = 0.0
    retry_after: int | None = None
    header: bool = False
    email: str = ""
    code: int = 400
    failures: int = 1
    shape: Shape = "null"


class _Armed:
    """A fault and how often it has met its match."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.scope = fault.endpoint or AT_HOME.get(fault.kind, "*")
        self.pattern = re.compile(fault.email)
        self.failed: Counter[str] = Counter()
        self._met = 0
        self._struck = 0
        # Chance must be repeatable, not secret.
        self._random = random.Random(fault.seed)  # noqa: S311

    def matches(self, endpoint: str) -> bool:
        return self.scope in ("*", endpoint) or fnmatchcase(endpoint, self.scope)

    def draw(self) -> bool:
        fault = self.fault
        self._met += 1
        if self._met <= fault.skip or self._struck == fault.times:
            return False
        if fault.every is not None and (self._met - fault.skip) % fault.every:
            return False
        if fault.probability is not None and self._random.random() >= fault.probability:
            return False
        self._struck += 1
        return True


class Faults:
    """The faults in force.

    Attributes:
        hits: How often each kind struck.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        """Put faults in force."""
        self.hits: Counter[str] = Counter()
        self._calls: list[_Armed] = []
        self._items: list[_Armed] = []
        self.add(*faults)

    @property
    def touches_items(self) -> bool:
        """Whether items need to be asked about at all."""
        return bool(self._items)

    def add(self, *faults: Fault) -> None:
        """Put more faults in force.

        Raises:
            re.error: `email` is no regular expression; none is in force then.
        """
        for armed in [_Armed(fault) for fault in faults]:
            at_items = AT_HOME.get(armed.fault.kind) == "item"
            (self._items if at_items else self._calls).append(armed)

    def clear(self) -> None:
        """Take all back; what a batch already got, it keeps."""
        self._calls.clear()
        self._items.clear()

    def in_force(self) -> list[Fault]:
        """All of them, used up or not."""
        return [armed.fault for armed in (*self._calls, *self._items)]

    def strike(self, endpoint: str) -> Sequence[Fault]:
        """The faults that strike this call."""
        if not self._calls:
            return ()
        struck = [one.fault for one in self._calls if one.matches(endpoint) and one.draw()]
        self.hits.update(fault.kind for fault in struck)
        return struck

    def strike_item(self, email: str) -> Refused | None:
        """What refuses the item with this e-mail, if anything does."""
        for armed in self._items:
            fault = armed.fault
            if not armed.pattern.search(email) or not armed.draw():
                continue
            if fault.kind == "item_flaky":
                if armed.failed[email] >= fault.failures:
                    continue
                armed.failed[email] += 1
            self.hits[fault.kind] += 1
            return Refused(fault.code, "planted", f"Planted {fault.code}")
        return None


def instead(struck: Sequence[Fault]) -> Reply | None:
    """The answer given instead of acting, if a fault says so."""
    for fault in struck:
        if fault.kind == "reset_before":
            return Reply(0, {}, b"", wire="reset")
        if fault.kind == "status" and not fault.acted:
            return _plain(fault)
        if fault.kind == "throttle":
            return _throttled(fault)
    return None


def spoil(reply: Reply, struck: Sequence[Fault]) -> Reply:
    """The answer after faults had their way with it."""
    for fault in struck:
        if fault.kind == "slow":
            reply = replace(reply, delay=fault.seconds)
        elif fault.kind == "reset_after":
            reply = replace(reply, wire="reset")
        elif fault.kind == "cut":
            reply = replace(reply, wire="cut")
        elif fault.kind == "broken_json":
            reply = replace(reply, body=reply.body[: len(reply.body) // 2] + b'"\x00}')
        elif fault.kind == "status" and fault.acted:
            reply = replace(_plain(fault), delay=reply.delay)
    return reply


def among(struck: Sequence[Fault], kind: Kind) -> Fault | None:
    """The first struck fault of a kind."""
    return next((fault for fault in struck if fault.kind == kind), None)


def _plain(fault: Fault) -> Reply:
    if not fault.html:
        return Reply(fault.status, {}, b"")
    body = f"<html><body><h1>{fault.status}</h1><p>planted</p></body></html>"
    return Reply(fault.status, {"content-type": "text/html"}, body.encode())


def _throttled(fault: Fault) -> Reply:
    headers = dict(PROBLEM_HEADERS)
    problem = {
        "type": PROBLEMS + "rate-limit-exceeded",
        "title": "Too Many Requests",
        "status": 429,
    }
    if fault.header:
        headers["retry-after"] = str(fault.retry_after or 1)
    elif fault.retry_after is not None:
        return Reply(429, headers, encode({**problem, "retryAfter": fault.retry_after}))
    return Reply(429, headers, encode(problem))
