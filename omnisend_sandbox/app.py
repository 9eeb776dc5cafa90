"""The store over HTTP: the API under `/api`, controls under `/_sandbox`, a page at `/`."""

from __future__ import annotations

import asyncio
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

    from starlette.types import Receive, Scope, Send

    from .model import Store

TRANSPORT = "sandbox.transport"
# SO_LINGER on, for no time: closing sends RST instead of FIN.
AT_ONCE = struct.pack("ii", 1, 0)


class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type, unused-ignore]
    """Uvicorn's own protocol, letting the application at the connection beneath it.

    Give it to uvicorn as `http=`; without it cut and reset answers fail loudly.
    """

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override, unused-ignore]
        """Put the transport where `scope["state"]` is copied from."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


class Site:
    """Answers for the store in force; the controls need no key."""

    def __init__(self, store: Store, renew: Callable[[], Store] | None, latency: float) -> None:
        """Serve `store`; the other arguments are those of `create_app`."""
        self._store = store
        self._renew = renew
        self._latency = latency

    async def api(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A call of the API, as an ASGI application."""
        request = Request(scope, receive)
        body = await request.body()
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        query = request.query_params.multi_items()
        reply = self._store.handle(scope["method"], path, query, request.headers, body)
        if delay := self._latency + reply.delay:
            await asyncio.sleep(delay)
        if reply.wire == "whole":
            await Response(reply.body, reply.status, dict(reply.headers))(scope, receive, send)
        else:
            await _break(reply, scope, receive, send)

    async def page(self, request: Request) -> Response:
        """`GET /`."""
        return HTMLResponse(render(self._store, request.query_params, str(request.base_url)))

    async def state(self, request: Request) -> Response:
        """`GET /_sandbox/state`; `?contacts=no` leaves the contacts out."""
        contacts = request.query_params.get("contacts") != "no"
        return _json(self._store.snapshot(contacts=contacts))

    async def plant(self, request: Request) -> Response:
        """`POST /_sandbox/faults`: a list of faults, added to those in force."""
        try:
            self._store.faults.add(*msgspec.json.decode(await request.body(), type=list[Fault]))
        except msgspec.DecodeError as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json({"inForce": [fault for fault, _ in self._store.faults.in_force()]}, 201)

    async def lift(self, _: Request) -> Response:
        """`DELETE /_sandbox/faults`."""
        self._store.faults.clear()
        return Response(status_code=204)

    async def seed(self, request: Request) -> Response:
        """`POST /_sandbox/contacts`: a list of contacts as others left them."""
        try:
            contacts = msgspec.json.decode(await request.body(), type=list[dict[str, Any]])
            self._store.seed(contacts)
        except (msgspec.DecodeError, LookupError, TypeError, AttributeError) as wrong:
            return _json({"error": f"{type(wrong).__name__}: {wrong}"}, 400)
        return _json({"contactsCount": len(self._store.contacts)}, 201)

    async def reset(self, _: Request) -> Response:
        """`POST /_sandbox/reset`: an empty store, with the faults it started with."""
        if self._renew is None:
            return _json({"error": "This sandbox was given its store: it cannot make another"}, 409)
        self._store = self._renew()
        return Response(status_code=204)


def create_app(
    store: Store, *, latency: float = 0.0, renew: Callable[[], Store] | None = None
) -> Starlette:
    """The sandbox as an ASGI application; serve it with `http=Protocol`.

    Args:
        store: What it serves; touched in the event loop's thread only.
        latency: Seconds each call takes beyond the store's own work.
        renew: Makes a fresh store at `POST /_sandbox/reset`; without it a reset gets 409.
    """
    site = Site(store, renew, latency)
    return Starlette(
        routes=[
            Mount("/api", app=site.api),
            Route("/", site.page),
            Route("/_sandbox/state", site.state),
            Route("/_sandbox/faults", site.plant, methods=["POST"]),
            Route("/_sandbox/faults", site.lift, methods=["DELETE"]),
            Route("/_sandbox/contacts", site.seed, methods=["POST"]),
            Route("/_sandbox/reset", site.reset, methods=["POST"]),
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
