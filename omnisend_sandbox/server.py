"""Serves the sandbox with uvicorn, on a socket that listens already."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import uvicorn

from .app import Protocol, create_app
from .faults import Faults
from .model import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from starlette.types import ASGIApp

    from .faults import Fault


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address; port 0 picks a free one.

    Raises:
        ValueError: `host` is not loopback: the sandbox has no protection to speak of.
        OSError: The port is taken.
    """
    address = "127.0.0.1" if host == "localhost" else host
    if not ipaddress.ip_address(address).is_loopback:
        raise ValueError(f"{host} is not a loopback address")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.create_server((address, port), family=family, backlog=256)
    # Uvicorn writes head and body of an answer apart; without this the body waits 40 ms.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class Server(uvicorn.Server):
    """Uvicorn's server, which leaves signals to its caller."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Capture none: uvicorn would raise them again when it is done, and so kill us."""
        return nullcontext()

    async def serve_until_signalled(self, listening: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for wanted in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(wanted, self.stop)
        await self.serve([listening])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the connections, also those that came in while uvicorn ended the others."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)  # the loop closes an aborted transport in its next round

    def stop(self) -> None:
        """End within about a tenth of a second."""
        self.should_exit = True


def server_of(app: ASGIApp) -> Server:
    """A server that keeps quiet, whose connections the faults can break."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return Server(config)


def app_of(*, latency: float = 0.0, planted: Sequence[Fault] = (), **options: Any) -> ASGIApp:
    """An application over a store on the wall clock; `options` are those of `Store`."""

    def renew() -> Store:
        return Store(time.time, faults=Faults(planted), **options)

    return create_app(renew(), latency=latency, renew=renew)
