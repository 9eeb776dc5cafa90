"""A sandbox in a thread, for tests that need a real connection."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omnisend_sandbox.app import create_app
from omnisend_sandbox.model import Store
from omnisend_sandbox.server import listen, server_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where it is and what it serves; `store` belongs to the server's thread.

    Look at `store` between calls, when no call is under way.
    """

    url: str
    store: Store

    @property
    def api_url(self) -> str:
        """The API base."""
        return f"{self.url}/api"


@contextmanager
def running_sandbox(
    store: Store | None = None, *, port: int = 0, latency: float = 0.0, **options: Any
) -> Iterator[Sandbox]:
    """Serve a store on a loopback port, a free one unless given; `options` are those of `Store`."""
    if store is None:
        store = Store(time.time, **options)
    listening = listen("127.0.0.1", port)
    server = server_of(create_app(store, latency=latency))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        # The socket listens already: a call made before uvicorn accepts just waits.
        yield Sandbox(f"http://127.0.0.1:{listening.getsockname()[1]}", store)
    finally:
        server.stop()
        thread.join(5)
        listening.close()
