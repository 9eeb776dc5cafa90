"""HTTP for one call, bounded as a whole: in seconds and in bytes.

libcurl makes the calls, because the same call costs three times the CPU with `requests`.
`requests` says what the environment means by its proxies and certificates.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import typing as t
from pathlib import Path

import pycurl
from requests import Session
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from target_omnisend.api.certificates import check_certificates
from target_omnisend.api.reasons import reason_of
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ANSWER_BYTES: t.Final = 64_000_000
"""Of one answer, decompressed: the largest one known, 250 batches or 100 items, has under 2 MB."""

logger = logging.getLogger("target-omnisend.api")


class NoAnswerError(Exception):
    """No whole answer came; the text says why, and names neither host nor header."""


class TooLargeError(Exception):
    """The answer has more than `MAX_ANSWER_BYTES`."""


class Response(t.NamedTuple):
    """An answer as it came.

    Attributes:
        status: of HTTP.
        headers: by name, in lower case.
        content: the body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class Transport:
    """Calls to one host; safe to use from many threads, each of which keeps a connection."""

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout: float) -> None:
        """Read what the environment says of proxies and certificates.

        `url` begins each call's; `headers` go with each; `timeout` is in seconds, for a whole call.

        Raises:
            RunFailed: if the environment names certificates that cannot be read.
        """
        environment = Session().merge_environment_settings(url, {}, None, None, None)
        self._proxy, self._certificates = "", DEFAULT_CA_BUNDLE_PATH
        # Plain http is for this machine: a proxy elsewhere would read key and contacts.
        if url.lower().startswith("https://"):
            check_certificates(environment["verify"])
            if isinstance(environment["verify"], str):
                self._certificates = environment["verify"]
            self._proxy = select_proxy(url, environment["proxies"]) or ""
        self._url = url
        self._headers = [f"{name}: {value}".encode() for name, value in headers.items()]
        self._headers.append(b"Expect:")  # else libcurl asks whether it may send a large body
        self._headers_of_json = [*self._headers, b"Content-Type: application/json"]
        self._milliseconds = max(1, int(timeout * 1000))
        self._own = threading.local()

    def send(self, method: str, path: str, body: bytes | None) -> Response:
        """Make a call; `path` has the query too.

        Raises:
            NoAnswerError: no whole answer came in time.
            TooLargeError: it is larger than any of Omnisend's.
        """
        curl = self._handle()
        head, content = _Head(), _Content()
        curl.setopt(pycurl.URL, (self._url + path).encode())
        if body is None:
            curl.setopt(pycurl.HTTPGET, 1)
            curl.setopt(pycurl.HTTPHEADER, self._headers)
        else:
            curl.setopt(pycurl.POST, 1)
            curl.setopt(pycurl.HTTPHEADER, self._headers_of_json)
            curl.setopt(pycurl.POSTFIELDSIZE, len(body))
            # A function cannot go back. A text libcurl could send twice, unseen, when a connection
            # is dropped.
            curl.setopt(pycurl.READFUNCTION, io.BytesIO(body).read)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.HEADERFUNCTION, head.take)
        curl.setopt(pycurl.WRITEFUNCTION, content.take)
        try:
            curl.perform()
        except pycurl.error as error:
            reason = reason_of(int(error.args[0]), curl, proxied=bool(self._proxy))
            # A handle that was asked to rewind fails from then on (curl/curl#18206).
            self._own.handle = None
            curl.close()
            if content.is_too_large:
                raise TooLargeError from None
            raise NoAnswerError(reason) from None
        status = curl.getinfo(pycurl.RESPONSE_CODE)
        if logger.isEnabledFor(logging.DEBUG):
            # Less the query: a look-up by address has the address there.
            place = path.partition("?")[0]
            logger.debug("%s %s: %d", method, place, status, extra=event("call_answered"))
        return Response(status, head.fields, b"".join(content.parts))

    def _handle(self) -> pycurl.Curl:
        """This thread's own: no two threads can use one."""
        curl: pycurl.Curl | None = getattr(self._own, "handle", None)
        if curl is None:
            curl = self._own.handle = self._make_handle()
        return curl

    def _make_handle(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        places = [pycurl.CAINFO, pycurl.PROXY_CAINFO]
        if Path(self._certificates).is_dir():
            for file in places:
                curl.unsetopt(file)  # libcurl has one of its own, and would trust both
            places = [pycurl.CAPATH, pycurl.PROXY_CAPATH]
        options = {
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.NOSIGNAL: 1,  # for threads
            pycurl.TIMEOUT_MS: self._milliseconds,
            pycurl.ACCEPT_ENCODING: "gzip, deflate",
            pycurl.PATH_AS_IS: 1,
            pycurl.PROXY: self._proxy.encode(),
            pycurl.NOPROXY: "",  # `requests` has read that of the environment
            **dict.fromkeys(places, os.fsencode(self._certificates)),  # as text it must be ASCII
        }
        if not self._proxy.lower().startswith(("https:", "socks")):
            options[pycurl.PROXYPORT] = 80  # of a proxy without one; libcurl takes that of SOCKS
        for option, value in options.items():
            curl.setopt(option, value)
        return curl


class _Head:
    """Takes the lines before the body; of several answers, as a proxy's, the last counts."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def take(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):
            self.fields.clear()
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            self.fields[name.lower()] = value.strip()


class _Content:
    """Takes the body, and ends the call if it gets too large."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    @property
    def is_too_large(self) -> bool:
        return self._size > MAX_ANSWER_BYTES

    def take(self, part: bytes) -> int | None:
        self._size += len(part)
        if self.is_too_large:
            return 0
        self.parts.append(part)
        return None
