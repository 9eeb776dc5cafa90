"""A call is bounded as a whole, and made once, whatever the other end does."""

from __future__ import annotations

import gzip
import itertools
import select
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme

from target_omnisend.api.answers import Answer, Kind
from target_omnisend.api.client import OmnisendClient
from target_omnisend.api.transport import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

KEY = "key-that-nobody-may-see"
TIMEOUT = 0.5
LONG = 10.0
"""Seconds for which a server here goes on, were it not for the bound."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EMPTY = HEAD + b"Content-Length: 2\r\n\r\n{}"


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Host and port of a server that has this talk over one connection after another."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@contextmanager
def served(answer: Callable[[], Iterable[bytes]]) -> Iterator[str]:
    """The URL of a server that sends these parts to each call, one connection a call."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65_536)
        for part in answer():
            connection.sendall(part)

    with listening(talk) as place:
        yield f"http://{place}/api"


def client_of(url: str, timeout: float = TIMEOUT) -> OmnisendClient:
    return OmnisendClient(
        url,
        authorization=f"Omnisend-API-Key {KEY}",
        api_version="2026-03-15",
        user_agent="target-omnisend/1",
        timeout=timeout,
    )


def ask(url: str, timeout: float = TIMEOUT) -> Answer:
    return client_of(url, timeout).current_brand()


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


# -- once ------------------------------------------------------------------------------


def test_a_call_over_a_connection_that_ends_is_not_made_again_unseen() -> None:
    calls = []

    def end_after_two(connection: socket.socket) -> None:
        for number in range(2):
            if not (call := connection.recv(65_536)):
                return
            calls.append(call)
            if number == 0:
                connection.sendall(EMPTY)

    with listening(end_after_two) as place:
        client = client_of(f"http://{place}/api", LONG)
        kinds = [client.add_tags(["a@example.com"], ["vip"]).kind for _ in range(4)]
    assert kinds == [Kind.DONE, Kind.RETRY, Kind.DONE, Kind.RETRY]
    assert len(calls) == 4


# -- encryption and proxies ------------------------------------------------------------


@contextmanager
def encrypted(authority: trustme.CA) -> Iterator[str]:
    """The URL of a server whose certificate this authority gave."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def talk(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as connection:
            connection.recv(65_536)
            connection.sendall(EMPTY)

    with listening(talk) as place:
        yield f"https://{place}/api"


@contextmanager
def proxied(passed: bytearray, status: bytes = b"200 OK") -> Iterator[str]:
    """The URL of a proxy for encrypted calls; what the client sends is added to `passed`."""

    def talk(client: socket.socket) -> None:
        head = client.recv(65_536)
        passed.extend(head)
        client.sendall(b"HTTP/1.1 %s\r\nDate: of the proxy\r\n\r\n" % status)
        if status.startswith(b"200"):
            host, port = head.split()[1].split(b":")
            with socket.create_connection((host.decode(), int(port))) as server:
                _join(client, server, passed)

    with listening(talk) as place:
        yield f"http://{place}"


def _join(client: socket.socket, server: socket.socket, passed: bytearray) -> None:
    while True:
        for one in select.select([client, server], [], [])[0]:
            part = one.recv(65_536)
            if not part:
                return
            if one is client:
                passed.extend(part)
            (server if one is client else client).sendall(part)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    bundle = tmp_path / "für Köln.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return authority


def test_a_certificate_that_the_environment_names_is_trusted(trusted: trustme.CA) -> None:
    with encrypted(trusted) as url:
        assert ask(url, LONG).body == {}


def test_a_certificate_of_an_unknown_authority_is_not_trusted(authority: trustme.CA) -> None:
    with encrypted(authority) as url:
        answer = ask(url, LONG)
    assert (answer.kind, answer.fault) == (Kind.RETRY, "the certificate is not trusted")


def test_a_certificate_of_another_host_is_not_trusted(trusted: trustme.CA) -> None:
    with encrypted(trusted) as url:
        answer = ask(url.replace("127.0.0.1", "localhost"), LONG)
    assert (answer.kind, answer.fault) == (Kind.RETRY, "the certificate is not trusted")


def test_a_proxy_passes_what_it_cannot_read(
    trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = bytearray()
    with encrypted(trusted) as url, proxied(passed) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        answer = ask(url, LONG)
    assert (answer.kind, answer.date) == (Kind.DONE, "")
    assert passed.startswith(b"CONNECT 127.0.0.1:")
    assert KEY.encode() not in passed


def test_hosts_that_need_no_proxy_get_none(
    trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with encrypted(trusted) as url:
        assert ask(url, LONG).kind is Kind.DONE


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (b"403 Forbidden", "the proxy answers 403"),
        (b"407 Denied", "the proxy does not accept the user name and password"),
    ],
)
def test_a_proxy_that_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, status: bytes, said: str
) -> None:
    with proxied(bytearray(), status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        answer = ask("https://api.example.com/api", LONG)
    assert (answer.kind, answer.fault) == (Kind.RETRY, said)


@pytest.mark.parametrize("proxy", ["127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:no"])
def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    answer = ask("https://api.example.com/api", LONG)
    assert (answer.kind, answer.fault) == (Kind.RETRY, "the proxy cannot be reached")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>not here</html>", "the answer is not HTTP"),
        (HEAD + b"Content-Length: many\r\n\r\n{}", "the answer is not HTTP"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip at all", "the answer cannot be unpacked"),
        (HEAD + b"Content-Length: 9\r\n\r\n{}", "the answer was cut short"),
        (b"", "the connection was cut"),
    ],
)
def test_each_answer_that_cannot_be_used_has_its_reason(answer: bytes, said: str) -> None:
    with served(lambda: [answer]) as url:
        given = ask(url, LONG)
    assert (given.kind, given.status, given.fault) == (Kind.RETRY, None, said)


def test_a_name_that_is_not_known_is_told() -> None:
    # libcurl asks no name server for names under .onion.
    answer = ask("https://api.onion/api", LONG)
    assert (answer.kind, answer.fault) == (Kind.RETRY, "the host's name is not known")
