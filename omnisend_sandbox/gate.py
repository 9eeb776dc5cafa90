"""Who may call: key, version, scope, rate, query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .wire import FieldError, Problem, Reply, Request, day, invalid

if TYPE_CHECKING:
    from .limits import Requests

SCHEMES = ("Omnisend-API-Key", "Bearer")
FIRST_VERSION = "2026-03-15"

Keys = Mapping[str, Iterable[str] | None]


class Route(NamedTuple):
    """What answers an endpoint, the query parameters it knows, the scopes one of which it needs."""

    answer: Callable[[Request], Reply]
    query: frozenset[str]
    scopes: frozenset[str]


class Gate:
    """Lets a call through, or says why not."""

    def __init__(self, keys: Keys, retired: Iterable[str], requests: Requests) -> None:
        """Take the keys with their scopes, the retired versions, and who counts calls."""
        self._keys = {
            key: None if scopes is None else frozenset(scopes) for key, scopes in keys.items()
        }
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
        if unknown := request.query.keys() - route.query:
            raise invalid(
                *(FieldError(name, "unknown", f"{name} is unknown") for name in sorted(unknown))
            )
        return route

    def _check_version(self, version: str | None) -> None:
        if version is None:
            raise invalid(FieldError("Omnisend-Version", "required", "Header required"))
        if day(version) is None:
            raise invalid(FieldError("Omnisend-Version", "invalid_format", "Not a date"))
        if version in self._retired or version < FIRST_VERSION:
            raise Problem(410, "version-retired", f"Version {version} is retired")
