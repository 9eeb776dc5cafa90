"""Who may call: key, version, scope, sliding limits per minute, query."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from .wire import FieldError, Problem, Reply, Request, day, invalid

SCHEMES = ("Omnisend-API-Key", "Bearer")
FIRST_VERSION = "2026-03-15"
WINDOW = 60.0
DEFAULT_LIMIT = 400
# api-docs.omnisend.com/reference/rate-limit-timeouts-errors
LIMITS = {
    "POST /contacts/tags": 60,
    "DELETE /contacts/tags": 60,
    "GET /segments": 100,
    "GET /segments/{id}/statistics": 100,
    "POST /segments": 15,
}
LATEST = 200

Keys = Mapping[str, Iterable[str] | None]


class Window(deque[float]):
    """Moments of the last 60 seconds, on one endpoint."""

    def held(self, now: float) -> int:
        """How many moments are less than 60 s old."""
        while self and self[0] <= now - WINDOW:
            self.popleft()
        return len(self)


class Called(NamedTuple):
    """One call, for the page and for tests."""

    at: float
    method: str
    path: str
    status: int


class Requests:
    """Every call the store has seen, counted by endpoint.

    Attributes:
        counts: Calls by endpoint (`POST /batches`), those with a problem included.
        busiest: The largest number of calls any 60 s window held, by endpoint; 429s included.
        throttled: 429 answers by endpoint, planted ones included.
        statuses: Answers by endpoint and status (`("POST /batches", 201)`);
            0 is a connection reset before anything was done.
        recent: The latest calls, oldest first.
    """

    def __init__(self, *, limited: bool) -> None:
        """Start without a call; `limited` says whether Omnisend's limits hold."""
        self.counts: Counter[str] = Counter()
        self.busiest: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.recent: deque[Called] = deque(maxlen=LATEST)
        self._limited = limited
        self._seen: defaultdict[str, Window] = defaultdict(Window)
        self._admitted: defaultdict[str, Window] = defaultdict(Window)

    def arrived(self, endpoint: str, now: float) -> None:
        """Note a call, before anything is known about it."""
        self.counts[endpoint] += 1
        seen = self._seen[endpoint]
        seen.append(now)
        self.busiest[endpoint] = max(self.busiest[endpoint], seen.held(now))

    def answered(self, endpoint: str, called: Called) -> None:
        """Note its answer."""
        self.statuses[endpoint, called.status] += 1
        self.throttled[endpoint] += called.status == 429
        self.recent.append(called)

    def wait(self, endpoint: str, now: float) -> int:
        """Whole seconds until the endpoint admits a call; 0 admits this one."""
        admitted = self._admitted[endpoint]
        if self._limited and admitted.held(now) >= LIMITS.get(endpoint, DEFAULT_LIMIT):
            return max(1, math.ceil(admitted[0] + WINDOW - now))
        admitted.append(now)
        return 0


class Route(NamedTuple):
    """What answers an endpoint, the query parameters it knows, the scopes one of which it needs."""

    answer: Callable[[Request], Reply]
    query: frozenset[str]
    scopes: frozenset[str]


class Gate:
    """Lets a call through, or says why not."""

    def __init__(self, keys: Keys, retired: Iterable[str], requests: Requests) -> None:
        """Take the keys with their scopes, the retired versions, and what counts calls."""
        self._keys = {key: None if held is None else set(held) for key, held in keys.items()}
        self._retired = frozenset(retired)
        self._requests = requests

    def check(self, request: Request, headers: Mapping[str, str], route: Route | None) -> Route:
        """The route, of a call that has the right to it; header names in lower case.

        Raises:
            Problem: 401, 400 or 410 (version), 404, 403, 429, 400 (query), in this order.
        """
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme not in SCHEMES or key not in self._keys:
            raise Problem(401, "unauthorized", "")
        self._check_version(headers.get("omnisend-version"))
        if route is None:
            raise Problem(404, "not-found", "No such endpoint")
        scopes = self._keys[key]
        if scopes is not None and route.scopes.isdisjoint(scopes):
            raise Problem(403, "forbidden", f"Key lacks {' or '.join(sorted(route.scopes))}")
        if wait := self._requests.wait(request.endpoint, request.now):
            raise Problem(429, "rate-limit-exceeded", "Too many requests", retryAfter=wait)
        if unknown := sorted(request.query.keys() - route.query):
            raise invalid(*(FieldError(name, "unknown", f"{name} is unknown") for name in unknown))
        return route

    def _check_version(self, version: str | None) -> None:
        if version is None:
            raise invalid(FieldError("Omnisend-Version", "required", "Header required"))
        if day(version) is None:
            raise invalid(FieldError("Omnisend-Version", "invalid_format", "Not a date"))
        if version in self._retired or version < FIRST_VERSION:
            raise Problem(410, "version-retired", f"Version {version} is retired")
