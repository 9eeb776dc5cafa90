"""HTTP for one call, bounded as a whole: in seconds and in bytes."""

from __future__ import annotations

import http.client
import io
import threading
import time
import typing as t

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if t.TYPE_CHECKING:
    import socket

    from requests import Response
    from urllib3 import PoolManager, ProxyManager
    from urllib3.connectionpool import ConnectionPool

MAX_ANSWER_BYTES: t.Final = 64_000_000
"""Of one answer, decompressed: the largest one known, 250 batches or 100 items, has under 2 MB."""

_CHUNK: t.Final = 65_536

_call: t.Final = threading.local()
"""`deadline`: when the call that this thread makes must be over, by `time.monotonic`."""


class TooLargeError(Exception):
    """The answer has more than `MAX_ANSWER_BYTES`."""


def set_deadline(seconds: float) -> None:
    """Give the next call of this thread so many seconds, however it is answered.

    `requests` bounds each read alone: a server that sends a byte a minute would never end.
    """
    _call.deadline = time.monotonic() + seconds


def body_of(response: Response) -> bytes:
    """The body of a response that is being streamed.

    Raises:
        TooLargeError: it is larger than any answer of Omnisend's.
    """
    chunks, size = [], 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            response.close()
            raise TooLargeError
        chunks.append(chunk)
    return b"".join(chunks)


class Adapter(HTTPAdapter):
    """Sends as `requests` does, to one host, over connections that keep the deadline."""

    def __init__(self, **options: t.Any) -> None:
        """As `HTTPAdapter`."""
        super().__init__(**options)
        self._pool: ConnectionPool | None = None

    def get_connection_with_tls_context(self, *args: t.Any, **options: t.Any) -> ConnectionPool:
        """The pool of the host, which `requests` would look up by a dozen facts for each call."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **options)
        return self._pool

    def init_poolmanager(self, *args: t.Any, **options: t.Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        _use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: t.Any) -> ProxyManager:
        """Make the pools of connections through a proxy."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            _use_our_pools(manager)
        return manager


def _use_our_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Reading(io.RawIOBase):
    """A socket's bytes; each read may last no longer than the call has left."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int | None:
        left = _call.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call takes too long")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Socket:
    """As much of a socket as `http.client.HTTPResponse` asks for."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._sock))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: t.Any, **options: t.Any) -> None:
        super().__init__(_Socket(sock), *args, **options)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
