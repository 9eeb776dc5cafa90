"""The store over HTTP: the API under `/api`, controls under `/_sandbox`, a page at `/`."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .faults import Fault
from .page import render
from .wire import Reply, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from .model import Store

TRANSPORT = "sandbox.transport"
# SO_LINGER on, for no time: closing sends RST instead of FIN.
AT_ONCE = struct.pack("ii", 1, 0)


class Joined:
    """A transport that writes what is written in one turn of the loop in one piece.

    Uvicorn writes head and body of an answer apart; a client that gets them so wakes twice,
    or waits 40 ms for a delayed acknowledgement. Servers in earnest send them together.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        """Write to `transport`."""
        self._transport = transport
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Hold `data` until this turn of the loop is over."""
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        """Close, after what was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own."""
        return getattr(self._transport, name)


class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type, unused-ignore]
    """Uvicorn's own protocol, letting the application at the connection beneath it.

    Give it to uvicorn as `http=`; without it cut and reset answers fail loudly.
    """

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override, unused-ignore]
        """Put the transport where `scope["state"]` is copied from."""
        joined: Any = Joined(transport)
        super().connection_made(joined)
        self.app_state = {**self.app_state, TRANSPORT: joined}


class Api:
    """The API as an ASGI application."""

    def __init__(self, holder: Holder) -> None:
        """Answer from what `holder` holds."""
        self._holder = holder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        request = Request(scope, receive)
        body = await request.body()
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        reply = self._holder.store.handle(
            scope["method"], path, request.query_params.multi_items(), request.headers, body
        )
        if delay := self._holder.latency + reply.delay:
            await asyncio.sleep(delay)
        if reply.wire == "whole":
            await Response(reply.body, reply.status, dict(reply.headers))(scope, receive, send)
        else:
            await _break(reply, scope, receive, send)


class Holder:
    """What is served: the store in force, how to make a fresh one, seconds per call."""

    def __init__(self, store: Store, renew: Callable[[], Store] | None, latency: float) -> None:
        """Hold `store`; `renew` makes its successor at a reset."""
        self.store = store
        self.renew = renew
        self.latency = latency


class Controls:
    """What only a sandbox has; needs no key."""

    def __init__(self, holder: Holder) -> None:
        """Act on what `holder` holds."""
        self._holder = holder

    async def page(self, request: Request) -> Response:
        """`GET /`."""
        base = str(request.base_url)
        return HTMLResponse(render(self._holder.store, request.query_params, base))

    async def state(self, request: Request) -> Response:
        """`GET /_sandbox/state`; `?contacts=no` leaves the contacts out."""
        contacts = request.query_params.get("contacts") != "no"
        return _json(self._holder.store.snapshot(contacts=contacts))

    async def plant(self, request: Request) -> Response:
        """`POST /_sandbox/faults`: a list of faults, added to those in force."""
        try:
            faults = msgspec.json.decode(await request.body(), type=list[Fault])
            self._holder.store.faults.add(*faults)
        except (msgspec.DecodeError, re.error) as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json({"inForce": self._holder.store.faults.in_force()}, 201)

    async def lift(self, _: Request) -> Response:
        """`DELETE /_sandbox/faults`."""
        self._holder.store.faults.clear()
        return Response(status_code=204)

    async def seed(self, request: Request) -> Response:
        """`POST /_sandbox/contacts`: a list of contacts as others left them."""
        try:
            contacts = msgspec.json.decode(await request.body(), type=list[dict[str, Any]])
            self._holder.store.seed(contacts)
        except (msgspec.DecodeError, LookupError, TypeError, AttributeError) as wrong:
            return _json({"error": f"{type(wrong).__name__}: {wrong}"}, 400)
        return _json({"contactsCount": len(self._holder.store.contacts)}, 201)

    async def reset(self, _: Request) -> Response:
        """`POST /_sandbox/reset`: an empty store, no faults."""
        if self._holder.renew is None:
            return _json({"error": "This sandbox was given its store: it cannot make another"}, 409)
        self._holder.store = self._holder.renew()
        return Response(status_code=204)


def create_app(
    store: Store, *, latency: float = 0.0, renew: Callable[[], Store] | None = None
) -> Starlette:
    """The sandbox as an ASGI application; serve it with `http=Protocol`.

    Args:
        store: What it serves; touched in the event loop's thread only.
        latency: Seconds each call takes beyond the store's own work.
        renew: Makes a fresh store at `POST /_sandbox/reset`; without it a reset is refused.
    """
    holder = Holder(store, renew, latency)
    api: ASGIApp = Api(holder)
    controls = Controls(holder)
    return Starlette(
        routes=[
            Mount("/api", app=api),
            Route("/", controls.page),
            Route("/_sandbox/state", controls.state),
            Route("/_sandbox/faults", controls.plant, methods=["POST"]),
            Route("/_sandbox/faults", controls.lift, methods=["DELETE"]),
            Route("/_sandbox/contacts", controls.seed, methods=["POST"]),
            Route("/_sandbox/reset", controls.reset, methods=["POST"]),
        ]
    )


def _json(body: Any, status: int = 200) -> Response:
    return Response(encode(body), status, media_type="application/json")


async def _break(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """End the connection for good, in the middle of an answer or before it."""
    transport: asyncio.Transport = scope["state"][TRANSPORT]
    if reply.wire == "reset":
        beneath: socket.socket = transport.get_extra_info("socket")
        beneath.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        transport.abort()
    else:
        length = str(max(2, len(reply.body))).encode()
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", length))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        half = reply.body[: len(reply.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()
    # Returning earlier would make uvicorn answer for us.
    while (await receive())["type"] != "http.disconnect":
        pass
