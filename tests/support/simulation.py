"""A run without threads, network or waiting: a real `Delivery` against a `Store`.

The clock jumps from event to event, chance comes from a seed, and the calls go through the
real client's encoding and reading, so that an hour of Omnisend takes a moment here.
"""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from omnisend_sandbox.model import DEFAULT_KEY, Store
from support.calls import NOON, OLD
from target_omnisend.api.client import OmnisendClient
from target_omnisend.api.transport import NoAnswerError, Response
from target_omnisend.delivery.chain import Chain, Limits
from target_omnisend.delivery.checkpoint import Checkpoint
from target_omnisend.delivery.engine import Delivery
from target_omnisend.delivery.model import Origin, Segment
from target_omnisend.delivery.newcomers import UNBOUNDED, Growth
from target_omnisend.delivery.outcome import Outcome
from target_omnisend.delivery.virtual_runner import VirtualClock, VirtualLoop
from target_omnisend.mapping.address import email_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_omnisend.errors import RunFailed

DRAIN = 10_000
"""Records after which the sink drains."""

TOO_LONG = 30 * 86_400.0


class Member(NamedTuple):
    """A record of a person."""

    email: str
    stream: str = "vip"
    name: str = ""


class State(NamedTuple):
    """A STATE message."""

    value: Any


class Wait(NamedTuple):
    """The tap says nothing for so many seconds."""

    seconds: float


class Bad(NamedTuple):
    """A record that is no contact."""

    stream: str = "vip"


Message = Member | State | Wait | Bad


def members(count: int, stream: str = "vip", *, start: int = 0) -> Iterator[Member]:
    """So many different people."""
    return (Member(f"p{n}@example.com", stream) for n in range(start, start + count))


def with_states(messages: Iterable[Message], every: int) -> Iterator[Message]:
    """The same with a STATE after each `every` messages; its value says how many came before."""
    read = 0
    for read, message in enumerate(messages, 1):
        yield message
        if read % every == 0:
            yield State({"read": read})
    if read % every:
        yield State({"read": read})


def item_of(line: bytes, _email: str = "") -> bytes:
    """The contact of a record's message."""
    record = msgspec.json.decode(line)["record"]
    return _item(record["email"], record["name"])


def _item(email: str, name: str) -> bytes:
    return (
        f'{{"identifiers":[{{"type":"email","id":"{email}","channels":{{"email":'
        f'{{"status":"nonSubscribed","statusChangedAt":"{OLD}"}}}},'
        f'"sendWelcomeMessage":false}}],"firstName":"{name}"}}'
    ).encode()


class StoreTransport:
    """Brings calls to a store in place of a network.

    Attributes:
        delay: seconds that the latest answer was held back.
    """

    def __init__(self, store: Store, headers: Mapping[str, str], *, timeout: float) -> None:
        self.delay = 0.0
        self._store = store
        self._headers = headers
        self._timeout = timeout

    def send(self, method: str, path: str, body: bytes | None) -> Response:
        place, _, query = path.partition("?")
        reply = self._store.handle(
            method, unquote(place), dict(parse_qsl(query)), self._headers, body or b""
        )
        self.delay = min(reply.delay, self._timeout)
        if reply.wire != "whole":
            raise NoAnswerError("the connection was cut")
        if reply.delay > self._timeout:
            raise NoAnswerError("nothing came in time")
        now = datetime.fromtimestamp(self._store.advance(), UTC)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        headers["date"] = format_datetime(now, usegmt=True)
        return Response(reply.status, headers, reply.body)


class StoreClient(OmnisendClient):
    """The real client, whose calls reach a store in place of a network."""

    def __init__(self, store: Store, *, key: str = DEFAULT_KEY, timeout: float = 60.0) -> None:
        def transport(_: str, headers: Mapping[str, str], *, timeout: float) -> StoreTransport:
            self._transport = StoreTransport(store, headers, timeout=timeout)
            return self._transport

        super().__init__(
            "http://127.0.0.1/api",
            authorization=f"Omnisend-API-Key {key}",
            api_version="2026-03-15",
            user_agent="target-omnisend/simulated",
            timeout=timeout,
            transport=transport,
        )

    @property
    def delay(self) -> float:
        """Seconds that the latest answer was held back."""
        return self._transport.delay


@dataclass(frozen=True)
class Reject:
    """One refused record, as the rejects file got it."""

    email: str
    code: str
    reason: Mapping[str, Any]


class Rejects:
    """Refused records in a list."""

    def __init__(self) -> None:
        self.all: list[Reject] = []

    def add(self, schema: bytes, line: bytes, *, code: str, **reason: Any) -> None:  # noqa: ARG002
        reason = {name: reason[name] for name in reason.keys() - {"segment", "email"}}
        email = msgspec.json.decode(line)["record"]["email"]
        self.all.append(Reject(email, code, reason))

    def settled(self, entries: Iterable[object]) -> None:
        """Keep what is there."""


class Emitted(NamedTuple):
    """A state that left, and when, in seconds from the start."""

    at: float
    value: Any


class Simulation:
    """One run; `messages` go in, the store and these attributes show what became of them.

    Attributes:
        store: Omnisend.
        loop: It makes the calls.
        states: What was emitted.
        rejects: What was refused.
    """

    client: ClassVar[type[StoreClient]] = StoreClient
    """The client that the calls go through."""

    def __init__(
        self,
        *,
        tags: Mapping[str, Sequence[str]] | None = None,
        latency: float = 0.08,
        spread: float = 0.5,
        seed: int = 1,
        quota_share: float = 0.9,
        confirm_timeout: float = 3600.0,
        max_unconfirmed: int = 500_000,
        max_rejected_percent: float = 100.0,
        request_timeout: float = 60.0,
        verify: bool = True,
        looking: bool = False,
        growth: Growth = UNBOUNDED,
        **store: Any,
    ) -> None:
        """Prepare a run.

        Args:
            tags: The tags of each stream; `vip` of stream `vip` unless given.
            latency: Seconds of a call.
            spread: Share of it that chance adds or takes.
            seed: Of that chance, and of the retries' jitter.
            quota_share: As the setting.
            confirm_timeout: As the setting.
            max_unconfirmed: As the setting.
            max_rejected_percent: As the setting; here nothing is too much.
            request_timeout: As the setting.
            looking: As the setting `verify: sample`.
            growth: As the settings `create_contacts` and `max_new_contacts`.
            verify: Check at each emitted state that it covers nothing unsettled.
            store: Options of `Store`.
        """
        self._clock = VirtualClock()
        self.store = Store(lambda: NOON + self.now, **store)
        self.api = self.client(self.store, timeout=request_timeout)
        self.outcome = Outcome(max_rejected_percent=max_rejected_percent)
        self.rejects = Rejects()
        self.states: list[Emitted] = []
        self.delivery = Delivery(
            Chain(
                Limits(
                    quota_share=quota_share,
                    confirm_timeout=confirm_timeout,
                    max_unconfirmed=max_unconfirmed,
                    since=datetime.fromtimestamp(NOON - 86_400, UTC).date(),
                    growth=growth,
                ),
                now=0.0,
                key=email_key,
                checkpoint=Checkpoint(self._emitted),
                rejects=self.rejects,
                outcome=self.outcome,
                looking=looking,
            )
        )
        self.origins = {
            stream: self._open(stream, tuple(names))
            for stream, names in (tags if tags is not None else {"vip": ["vip"]}).items()
        }
        chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        random.seed(seed)
        self.loop = VirtualLoop(
            self.delivery,
            self.api,
            self._clock,
            latency=lambda: latency * chance.uniform(1 - spread, 1 + spread),
            held_back=lambda: self.api.delay,
            moved=self.store.advance,
        )
        self._verify = verify
        self._creates = growth.create
        self._read: list[Member] = []
        self._latest: dict[tuple[str, str], int] = {}
        self._marks: deque[tuple[Any, int]] = deque()
        self._verified = 0
        self._silent_until = 0.0

    def run(self, messages: Iterable[Message], *, stop_at: float = math.inf) -> Simulation:
        """Read `messages` to their end, or be stopped, and see it through.

        Raises:
            AssertionError: An emitted state covers an unsettled record or leaves though nothing
                has arrived, a verdict is given twice, or the run does not end.
        """
        source = iter(messages)
        upcoming = next(source, None)
        closed = False
        self.delivery.check()
        while not self.delivery.is_over(self.now):
            while upcoming and self._take(upcoming):
                upcoming = next(source, None)
            if upcoming is None and self.now >= self._silent_until and not (closed or self.ended):
                closed = True
                self.delivery.close(self.now)
            self.loop.start_calls()
            if self.now >= stop_at and not self.ended:
                self.outcome.stopped_by = 15
                self.delivery.stop(self.now)
                continue
            self.loop.move_on(self._next_moment(math.inf if self.ended else stop_at))
            assert self.now < TOO_LONG, "it never ends"
        assert min(self.outcome.total().numbers().values()) >= 0, "a verdict was given twice"
        return self

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self._clock.now

    @now.setter
    def now(self, seconds: float) -> None:
        self._clock.now = seconds

    def _next_moment(self, stop_at: float) -> float:
        silent = self._silent_until > self.now
        return min(stop_at, self._silent_until) if silent else stop_at

    # -- what became of it -------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether nothing more is read, because it failed or was stopped."""
        return self.outcome.failure is not None or self.outcome.stopped_by is not None

    @property
    def calls(self) -> Counter[str]:
        """Calls that reached the store, by endpoint."""
        return self.store.requests.counts

    @property
    def delivered(self) -> set[str]:
        """E-mails of contacts in the store that have all tags of some stream."""
        wanted = [set(origin.segment.tags) for origin in self.origins.values()]
        return {
            contact.email
            for contact in self.store.contacts.values()
            if any(tags <= set(contact.tags) for tags in wanted)
        }

    @property
    def refused(self) -> dict[str, str]:
        """Code of each refused e-mail."""
        return {reject.email: reject.code for reject in self.rejects.all}

    # -- the tap -----------------------------------------------------------------------

    def _open(self, stream: str, tags: tuple[str, ...]) -> Origin:
        schema = msgspec.json.encode({"type": "SCHEMA", "stream": stream, "schema": {}})
        counts = self.outcome.stream(stream)
        origin = Origin(stream, schema, counts, item_of, Segment(stream, tags))
        self.delivery.open(origin)
        return origin

    def _take(self, message: Message) -> bool:
        """Take a message in, unless the tap is silent, nobody reads, or there is no room."""
        if self.now < self._silent_until or self.ended or not self.delivery.checked:
            return False
        match message:
            case Member():
                return self._take_member(message)
            case State(value):
                self._marks.append((value, len(self._read)))
                self.delivery.state(value)
            case Wait(seconds):
                self._silent_until = self.now + seconds
            case Bad(stream):
                origin = self.origins[stream]
                origin.counts.received += 1
                line = b'{"type":"RECORD","record":{"email":""}}'
                self.delivery.reject(origin, line, "email_missing", "email", "", self.now)
        return True

    def _take_member(self, member: Member) -> bool:
        if not self.delivery.has_room():
            return False
        origin = self.origins[member.stream]
        origin.counts.received += 1
        if self._verify:
            self._latest[member.stream, member.email] = len(self._read)
            self._read.append(member)
        line = (
            f'{{"type":"RECORD","stream":"{member.stream}",'
            f'"record":{{"email":"{member.email}","name":"{member.name}"}}}}'
        ).encode()
        item = _item(member.email, member.name)
        self.delivery.admit(origin, member.email, item, line, self.now)
        if origin.counts.received % DRAIN == 0:
            self.delivery.flush(self.now)
        return True

    def _emitted(self, value: Any) -> None:
        assert not self.outcome.nothing_arrived, "a state leaves though nothing has arrived"
        self.states.append(Emitted(self.now, value))
        covered = 0
        while self._marks:
            marked, covered = self._marks.popleft()
            if marked is value:
                break
        refused = self.refused if self._verify else {}
        for index in range(self._verified, covered if self._verify else 0):
            self._assert_settled(index, refused)
        self._verified = max(self._verified, covered)

    def _assert_settled(self, index: int, refused: Mapping[str, str]) -> None:
        member = self._read[index]
        if self._latest[member.stream, member.email] > index or member.email in refused:
            return  # merged into a later record of the same person, or refused
        contact = self.store.contacts.get(member.email)
        if contact is None and not self._creates:
            return  # skipped
        tags = set(self.origins[member.stream].segment.tags)
        assert contact is not None, f"a state covers {member}, which is not there"
        assert tags <= set(contact.tags), f"a state covers {member}, which is not tagged"


def failure_of(run: Simulation) -> RunFailed:
    """What ended the run early."""
    assert run.outcome.failure is not None, "it did not fail"
    return run.outcome.failure
