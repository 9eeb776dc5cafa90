"""Why no answer came, in words that name neither host nor header."""

from __future__ import annotations

import os
import socket
import ssl
import typing as t

import requests

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS: t.Final[tuple[tuple[type[BaseException], str], ...]] = (
    (requests.exceptions.ProxyError, "the proxy does not answer"),
    (socket.gaierror, "the host's name is not known"),
    (ssl.SSLCertVerificationError, "the certificate is not trusted"),
    (ssl.SSLError, "no secure connection comes about"),
    (requests.Timeout, "nothing came in time"),
    (TimeoutError, "nothing came in time"),
)


def reason_of(error: BaseException) -> str:
    """The first reason that the error, or one that it came from, gives."""
    for link in _chain(error):
        for kind, words in _WORDS:
            if isinstance(link, kind):
                return words
        if isinstance(link, OSError) and link.errno:
            return os.strerror(link.errno)
    return type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    known: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and id(link) not in known:
            known.add(id(link))
            yield link
            waiting += [getattr(link, "reason", None), *link.args, link.__cause__, link.__context__]
