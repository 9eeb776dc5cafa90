"""Why no answer came, in words that name neither host nor header."""

from __future__ import annotations

import os
import typing as t

import pycurl

_WORDS: t.Final = {
    pycurl.E_URL_MALFORMAT: "no call can be made to this address",
    pycurl.E_COULDNT_RESOLVE_HOST: "the host's name is not known",
    pycurl.E_COULDNT_CONNECT: "no connection comes about",
    pycurl.E_OPERATION_TIMEDOUT: "nothing came in time",
    pycurl.E_SSL_CONNECT_ERROR: "no secure connection comes about",
    pycurl.E_PEER_FAILED_VERIFICATION: "the certificate is not trusted",
    pycurl.E_SSL_CACERT_BADFILE: "the certificates to check against cannot be read",
    pycurl.E_SEND_ERROR: "the connection was cut",
    pycurl.E_RECV_ERROR: "the connection was cut",
    # A body was to go out once more; the second is how 8.11 says so.
    pycurl.E_SEND_FAIL_REWIND: "the connection was cut",
    pycurl.E_READ_ERROR: "the connection was cut",
    pycurl.E_GOT_NOTHING: "the connection was cut",
    pycurl.E_PARTIAL_FILE: "the answer was cut short",
    pycurl.E_UNSUPPORTED_PROTOCOL: "the answer is not HTTP",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "the answer is not HTTP",
    pycurl.E_WRITE_ERROR: "the answer cannot be unpacked",
    pycurl.E_BAD_CONTENT_ENCODING: "the answer cannot be unpacked",
}

_OF_A_PROXY: t.Final = 97
"""`CURLE_PROXY`, which pycurl does not name."""

_CREDENTIALS_WANTED: t.Final = 407


def reason_of(code: int, curl: pycurl.Curl, *, proxied: bool) -> str:
    """The reason for an error of libcurl's, after the call that had it; it may go by a proxy."""
    if proxied and (reason := _reason_at_proxy(code, curl.getinfo(pycurl.HTTP_CONNECTCODE))):
        return reason
    if code == pycurl.E_COULDNT_CONNECT and (number := curl.getinfo(pycurl.OS_ERRNO)):
        return os.strerror(number)
    return _WORDS.get(code, f"error {code} of libcurl")


def _reason_at_proxy(code: int, status: int) -> str:
    """The reason if it is the proxy, which answered with this status or, with 0, not at all."""
    if status == _CREDENTIALS_WANTED:
        return "the proxy does not accept the user name and password"
    if status not in {0, 200}:
        return f"the proxy answers {status}"
    if code in {pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_PROXY, _OF_A_PROXY}:
        return "the proxy cannot be reached"
    return ""
