"""A call is bounded as a whole, whatever the other end does with the connection."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.client import OmnisendClient
from target_omnisend.api.transport import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TIMEOUT = 0.5
LONG = 10.0
"""Seconds for which a server here goes on, were it not for the bound."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def served(answer: Callable[[], Iterable[bytes]]) -> Iterator[str]:
    """The URL of a server that sends these parts to each call, one connection a call."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    for part in answer():
                        connection.sendall(part)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/api"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


def ask(url: str, timeout: float = TIMEOUT) -> Answer:
    client = OmnisendClient(
        url,
        authorization="Omnisend-API-Key k",
        api_version="2026-03-15",
        user_agent="target-omnisend/1",
        timeout=timeout,
        connections=1,
    )
    return client.current_brand()


def dripping(text: bytes) -> Iterator[bytes]:
    end = time.monotonic() + LONG
    for byte in itertools.cycle(text):
        if time.monotonic() > end:
            return
        yield bytes([byte])
        time.sleep(0.05)


def drip_body() -> Iterator[bytes]:
    yield HEAD + b"Content-Length: 100000\r\n\r\n"
    yield from dripping(b" ")


def drip_chunks() -> Iterator[bytes]:
    yield HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from dripping(b"1\r\n \r\n")


def drip_headers() -> Iterator[bytes]:
    yield HEAD
    yield from dripping(b"X-A: b\r\n")


def drip_status() -> Iterator[bytes]:
    yield from dripping(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("answer", [drip_body, drip_chunks, drip_headers, drip_status])
def test_a_server_that_drips_is_given_up_in_time(answer: Callable[[], Iterable[bytes]]) -> None:
    with served(answer) as url:
        started = time.monotonic()
        given = ask(url)
        seconds = time.monotonic() - started
    assert given.kind is Kind.RETRY
    assert given.status is None
    assert TIMEOUT * 0.9 < seconds < LONG / 2


def test_a_slow_answer_within_the_time_is_an_answer() -> None:
    def slowly() -> Iterator[bytes]:
        yield HEAD + b"Content-Length: 2\r\n\r\n"
        time.sleep(0.2)
        yield b"{"
        time.sleep(0.2)
        yield b"}"

    with served(slowly) as url:
        assert ask(url, timeout=30.0).body == {}


def large(size: int) -> Iterator[bytes]:
    yield HEAD + b"Content-Length: %d\r\n\r\n" % (size + 2)
    yield b'"'
    for _ in range(size // 1_000_000):
        yield b"x" * 1_000_000
    yield b'"'


@pytest.mark.parametrize(("more", "kind"), [(-2_000_000, Kind.DONE), (1_000_000, Kind.RETRY)])
def test_an_answer_that_is_too_large_is_not_kept(more: int, kind: Kind) -> None:
    with served(lambda: large(MAX_ANSWER_BYTES + more)) as url:
        assert ask(url, timeout=60.0).kind is kind


@pytest.mark.parametrize("status", [b"200 OK", b"500 Oops"])
def test_a_small_answer_that_becomes_too_large_is_not_kept(status: bytes) -> None:
    packed = gzip.compress(b" " * (5 * MAX_ANSWER_BYTES))

    def bomb() -> Iterator[bytes]:
        yield HEAD.replace(b"200 OK", status) + b"Content-Encoding: gzip\r\n"
        yield b"Content-Length: %d\r\n\r\n" % len(packed)
        yield packed

    with served(bomb) as url:
        given = ask(url, timeout=60.0)
    assert (given.kind, given.fault) == (Kind.RETRY, "an answer that is too large")
