"""Whether `api_url` and `notify_url` lead where they seem to lead."""

from __future__ import annotations

import ipaddress
import re
import typing as t

import requests
from requests.adapters import HTTPAdapter

_HOST: t.Final = (
    r"https?://"
    r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])"  # a name in ASCII, or an IP address
    r"(?::[0-9]+)?"
)
_ADDRESS: t.Final = re.compile(_HOST + r"(?:/[a-z0-9._~!$&'()*+,;=:%/-]*)?", re.IGNORECASE)
"""Few characters, so that no two parsers can read two hosts out of one text.

A backslash, a tab, a percent sign, a letter like a letter: each has made a check see another host
than the connection. No query either: each call appends its path.
"""

_WEBHOOK: t.Final = re.compile(
    _HOST + r"(?:/[a-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[a-z0-9._~!$&'()*+,;=:@%/?-]*)?)?", re.IGNORECASE
)
"""The same with a query, and with an @ in the path, as chat services write it."""

_PROBLEM: t.Final = (
    "Setting 'api_url' should be an https:// address (http:// only to this machine)."
)
_NO_USER: t.Final = (
    "Setting 'api_url' should not hold a user name or password. The key belongs in 'api_key'."
)

_WEBHOOK_PROBLEM: t.Final = (
    "Setting 'notify_url' should be an https:// address without user name and password "
    "(http:// only to this machine)."
)


def webhook_problems(url: str) -> list[str]:
    """A sentence if `notify_url` cannot be used; it does not quote it, because it is a secret."""
    usable = _WEBHOOK.fullmatch(url) and _is_safe(url)
    return [] if usable else [_WEBHOOK_PROBLEM]


def address_problems(url: str) -> list[str]:
    """A sentence if the address cannot be used; it does not quote the address."""
    if "@" in url:
        return [_NO_USER]
    if not _ADDRESS.fullmatch(url):
        return [_PROBLEM]
    return [] if _is_safe(url) else [_PROBLEM]


def _is_safe(url: str) -> bool:
    """Whether the text goes encrypted, or stays on this machine."""
    try:
        scheme, host = _connects_to(url)
    except ValueError:  # a port or brackets that cannot be
        return False
    return scheme == "https" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine, without asking any name server."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _connects_to(url: str) -> tuple[str, str]:
    """Scheme and host as `requests` reads them; of so few characters libcurl makes the same.

    Raises:
        ValueError: if it cannot.
    """
    request = requests.Request("GET", url).prepare()
    place, _ = HTTPAdapter().build_connection_pool_key_attributes(request, verify=True)
    return str(place["scheme"]), str(place["host"])
