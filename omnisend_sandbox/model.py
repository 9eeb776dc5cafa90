"""A model of an Omnisend store: no HTTP, no clock of its own, no threads.

It follows Omnisend's public documentation of version 2026-03-15, and where that is
silent, the reading that hurts a careless client most.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal

from .batches import Batches
from .directory import Directory
from .faults import Faults
from .limits import Called, Gate, Keys, Requests, Route
from .people import People
from .schedule import Schedule
from .segments import Segments
from .spoiling import instead, spoil
from .wire import PROBLEM_HEADERS, Problem, Reply, Request, encode, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .batch import Result

DEFAULT_KEY = "sandbox-key"
CONTACT_QUERY = "after email limit segmentID status tag updatedAtFrom"


def _route(answer: Callable[[Request], Reply], scopes: str, query: str = "") -> Route:
    return Route(answer, frozenset(query.split()), frozenset(scopes.split()))


class Store:
    """One brand's store.

    Drive it with `handle`; look at it through the attributes, after `advance` if only
    the clock has moved since the last call.

    Attributes:
        contacts: Contacts by e-mail, as it was written.
        batches: Batches, oldest first.
        welcome_messages: E-mails that would have got a welcome message.
        ignored_fields: How often each body field it does not know was sent, by dotted path.
        requests: Counts and recent calls by endpoint.
        faults: Trouble to make.
        schedule: What is due later, by the clock.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        keys: Keys | None = None,
        retired: Iterable[str] = (),
        limits: Literal["on", "off"] = "on",
        batch_latency: float = 0.0,
        progressive: bool = False,
        visibility_delay: float = 0.0,
        build_time: float = 0.0,
        max_contacts: int | None = None,
        when_full: Literal["402", "403-items"] = "402",
        faults: Faults | None = None,
        brand_id: str | None = None,
    ) -> None:
        """Open an empty store.

        Args:
            clock: Seconds since the epoch; never goes back.
            keys: API keys, each with its scopes, or None for all scopes.
            retired: Values of `Omnisend-Version` answered with 410.
            limits: Whether Omnisend's limits per minute hold.
            batch_latency: Seconds from a batch's submission to its end; 0 ends it at once.
            progressive: Process a batch in quarters rather than all at its end.
            visibility_delay: Seconds from a batch item's processing until tag calls
                find the contact it created.
            build_time: Seconds a segment is building.
            max_contacts: The plan's limit.
            when_full: At the limit, what gets the problem: `POST /batches`, or every item.
            faults: Trouble to start with.
            brand_id: The store's ID; without it each store has a new one, as an empty store
                is not the one that a ledger of yesterday knows.
        """
        self.faults = faults if faults is not None else Faults()
        self.schedule = Schedule()
        self.people = People()
        self.segments = Segments(self.people, build_time=build_time)
        self.directory = Directory(self.people, self.segments, self.schedule)
        self.queue = Batches(
            self.schedule, self._work, latency=batch_latency, progressive=progressive
        )
        self.requests = Requests(limited=limits == "on")
        self.brand_id = brand_id or token_hex(12)
        self.visibility_delay = visibility_delay
        self.max_contacts = max_contacts
        self.when_full = when_full
        # What tests and the page look at.
        self.contacts, self.batches = self.people.by_email, self.queue.all
        self.welcome_messages = self.people.welcome_messages
        self.ignored_fields = self.people.ignored_fields
        self._clock = clock
        self._gate = Gate(keys or {DEFAULT_KEY: None}, retired, self.requests)
        self._problems = 0
        self._routes = self._make_routes()

    @property
    def tag_misses(self) -> int:
        """Selectors of tag calls that met no contact."""
        return self.people.tag_misses

    def advance(self) -> float:
        """Do all that is due by now; returns now."""
        now = self._clock()
        self.schedule.run(now)
        return now

    def seed(self, contacts: Iterable[dict[str, Any]]) -> None:
        """Put contacts in as others left them; see `People.seed`."""
        now = self.advance()
        for contact in contacts:
            self.people.seed(contact, now)

    def handle(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """Answer one call; a leading `/api` of the path is passed over."""
        now = self.advance()
        self.schedule.call_arrived(now)
        path = path.removeprefix("/api")
        endpoint, resource = self._endpoint(method, path)
        self.requests.arrived(endpoint, now)
        struck = self.faults.strike(endpoint, body)
        reply = instead(struck)
        if reply is None:
            request = Request(endpoint, resource, dict(query), body, now, struck)
            reply = spoil(self._answer(request, headers or {}), struck)
        self.requests.answered(endpoint, Called(now, method, path, reply.status))
        return reply

    def snapshot(self, *, contacts: bool = True) -> dict[str, Any]:
        """Everything as plain JSON; leave the contacts out of it when they are many."""
        now, people, requests = self.advance(), self.people, self.requests
        held = [one.as_json(self.segments.of(one)) for one in people.all] if contacts else []
        return {
            "contactsCount": len(people.all),
            "contacts": held,
            "segments": [
                {**one.as_json(now), "contactsCount": one.count(people)}
                for one in self.segments.by_id.values()
            ],
            "batches": [batch.as_json() for batch in self.batches],
            "requests": {
                "counts": dict(requests.counts),
                "busiest": dict(requests.busiest),
                "throttled": +requests.throttled,
                "statuses": [[*key, count] for key, count in requests.statuses.items()],
            },
            "welcomeMessages": list(people.welcome_messages),
            "tagMisses": people.tag_misses,
            "ignoredFields": dict(people.ignored_fields),
            "faults": {
                "hits": dict(self.faults.hits),
                "inForce": [fault for fault, _ in self.faults.in_force()],
            },
        }

    def _endpoint(self, method: str, path: str) -> tuple[str, str]:
        """Name of the endpoint and the id in its path."""
        parts = path.split("/")
        template = "/".join((*parts[:2], "{id}", *parts[3:]))
        for name, resource in ((path, ""), (template, parts[2] if len(parts) > 2 else "")):
            if f"{method} {name}" in self._routes:
                return f"{method} {name}", resource
        return "unknown", ""

    def _answer(self, request: Request, headers: Mapping[str, str]) -> Reply:
        try:
            lowered = {name.lower(): headers[name] for name in headers}
            route = self._gate.check(request, lowered, self._routes.get(request.endpoint))
            return route.answer(request)
        except Problem as problem:
            return self._told(problem)

    def _told(self, problem: Problem) -> Reply:
        self._problems += 1
        body = problem.as_json()
        if problem.status == 401:
            # Word for word from a live answer of 2026-09: neither detail nor instance.
            del body["detail"]
        else:
            number = f"{self._problems:012x}"
            body["instance"] = f"urn:omnisend:request:00000000-0000-4000-8000-{number}"
        return Reply(problem.status, PROBLEM_HEADERS, encode(body))

    def _work(self, item: Any, now: float) -> Result:
        """Process one item of a batch."""
        try:
            wrongs = self.faults.strike_item(item)
            if self.when_full == "403-items" and self._is_full():
                raise _plan_full(403)
            contact, created = self.people.upsert(item, now, now + self.visibility_delay, wrongs)
        except Problem as problem:
            # Kept as long as the batch: its frames need not be.
            return problem.with_traceback(None)
        return contact, 201 if created else 200

    def _is_full(self) -> bool:
        return self.max_contacts is not None and len(self.people.all) >= self.max_contacts

    def _brand(self, _: Request) -> Reply:
        shown = {"name": "Sandbox", "platform": "api", "website": "https://sandbox.example"}
        more = {"connected": True, "currency": "EUR", "timezone": "UTC", "version": ""}
        return ok(200, {"brandID": self.brand_id, **shown, **more})

    def _submit(self, request: Request) -> Reply:
        if self.when_full == "402" and self._is_full():
            raise _plan_full(402)
        return self.queue.submit(request)

    def _make_routes(self) -> dict[str, Route]:
        people, segments, batches = self.directory, self.segments, self.queue
        write, either = "contacts.write", "contacts.read contacts.write"
        return {
            "GET /brands/current": _route(self._brand, "brands.read"),
            "GET /contacts": _route(people.show_all, "contacts.read", CONTACT_QUERY),
            "POST /contacts/tags": _route(people.tag, write),
            "DELETE /contacts/tags": _route(people.untag, write),
            "POST /batches": _route(self._submit, write),
            "GET /batches": _route(batches.show_all, either, "dateFrom endpoint limit offset"),
            "GET /batches/{id}": _route(batches.show, either),
            "GET /batches/{id}/items": _route(batches.show_items, either),
            "POST /segments": _route(segments.create, "segments.write"),
            "GET /segments": _route(segments.show_all, "segments.read", "after limit"),
            "GET /segments/{id}/statistics": _route(segments.statistics, "segments.read"),
        }


def _plan_full(status: int) -> Problem:
    return Problem(status, "plan-limit-reached", "Contact limit of the plan reached")
