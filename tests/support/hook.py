"""A real HTTP server that gets notices, and answers as a test wants."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "T0KEN"  # noqa: S105 - of no service
PATH = f"/services/{SECRET}?sig={SECRET}"


@dataclass
class Hook:
    """What came, and what is answered: a status each, the last one from then on."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    silent: bool = False
    dripping: bool = False
    got: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running_hook(**options: Any) -> Iterator[Hook]:
    """Serve on a free loopback port."""
    hook = Hook(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.got.append(json.loads(body))
            hook.paths.append(self.path)
            if hook.silent:
                hook.over.wait(60)
                return
            status = hook.answers[min(len(hook.got), len(hook.answers)) - 1]
            self.send_response_only(status)
            if status == 302:
                self.send_header("Location", hook.url)
            self.flush_headers()
            while hook.dripping and not hook.over.wait(0.05):  # a header that never ends
                self.wfile.write(b"X")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.url = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hook
    finally:
        hook.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
