"""The address is checked as the library that connects reads it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pycurl
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3.util import parse_url

from target_omnisend.config.address import address_problems

ELSEWHERE = [
    "http://other\\@127.0.0.1/",
    "http://other.example\\.localhost/api",
    "http://127.0.0.1\\@other.example/api",
    "http://other.example#@127.0.0.1/",
    "http://other.example?@127.0.0.1/",
    "http://127.0.0.1:80@other.example/",
    "http://127.0.0.1\t.other.example/",
    "http://127.0.0.1\n@other.example/",
    "http://127.0.0.1%2eother.example/",
    "http://other.example%00.localhost/",
    "http://localhost.other.example/api",
    "http://localhost./api",
    "http://127.0.0.1.other.example/api",
    "http://0x7f.1/api",
    "http://2130706433/api",
    "http://127.1/api",
    "http://0.0.0.0/api",
    "http://[::1%25eth0]/api",
    "http://[::1]other.example/api",
    "http://[::]/api",
    "http://lôcalhost/api",
    "http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54/api",
    "http://127\u30020\u30020\u30021/api",
    "http://\u24dbocalhost/api",
    "http:/127.0.0.1/api",
    "http:///127.0.0.1/api",
    "//127.0.0.1/api",
    " http://127.0.0.1/api",
    "https:\\\\api.example.com/api",
    "https://.example.com",
    "https://api.example.com:99999/api",
    "https://api.example.com/api?key=1",
    "https://api.example.com/api#part",
]
HERE = [
    "http://localhost:8765/api",
    "HTTP://LOCALHOST/api",
    "http://127.0.0.1:8765/api/",
    "http://127.8.9.1",
    "http://[::1]:8765/api",
    "https://api.omnisend.com/api",
    "https://other.example:8443/a/b-c_d~e",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_an_address_with_two_readings_is_not_taken(url: str) -> None:
    (problem,) = address_problems(url)
    assert "'api_url'" in problem
    assert url.strip() not in problem


@pytest.mark.parametrize("url", HERE)
def test_an_address_with_one_reading_is_taken(url: str) -> None:
    assert address_problems(url) == []
    if url.lower().startswith("http:"):
        assert reached_by_libcurl(url) <= {"127.0.0.1", "127.8.9.1", "::1"}


@pytest.mark.parametrize(
    "url", ["https://user@api.example.com/api", "https://user:secret@api.example.com/api"]
)
def test_a_user_name_would_replace_the_key_and_is_not_taken(url: str) -> None:
    (problem,) = address_problems(url)
    assert problem == (
        "Setting 'api_url' should not hold a user name or password. The key belongs in 'api_key'."
    )


PARTS = st.sampled_from(
    [
        *("127.0.0.1", "localhost", "other.example", "[::1]", "0x7f.1", "80", "\uff4c", "é"),
        *("@", "\\", "/", "//", ":", "#", "?", "%", "%2f", ";", ".", "\u3002", "[", "]"),
        *("\t", "\n", " ", "\0"),
    ]
)


@given(st.sampled_from(["http://", "https://", "HTTP://"]), st.lists(PARTS, max_size=6))
def test_all_parsers_see_the_same_host_in_an_address_that_is_taken(
    scheme: str, parts: list[str]
) -> None:
    url = scheme + "".join(parts)
    if address_problems(url):
        return
    request = requests.Request("GET", url).prepare()
    place, _ = HTTPAdapter().build_connection_pool_key_attributes(request, verify=True)
    hosts = {urlsplit(url).hostname, str(parse_url(url).host).strip("[]"), place["host"]}
    assert len(hosts) == 1
    host = str(hosts.pop())
    loopback = host in {"localhost", "::1"} or host.startswith("127.0.0.")
    assert place["scheme"] == "https" or loopback
    assert "Authorization" not in request.headers
    if place["scheme"] == "http":
        assert reached_by_libcurl(url) <= {"127.0.0.1", "::1"} | {host}


def reached_by_libcurl(url: str) -> set[str]:
    """The addresses that libcurl would connect to; it makes no connection."""
    reached = []

    def refuse(_: int, address: Any) -> int:
        reached.append(address.addr[0])
        return int(pycurl.SOCKET_BAD)

    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url.encode())
    curl.setopt(pycurl.PROXY, "")
    curl.setopt(pycurl.OPENSOCKETFUNCTION, refuse)
    with pytest.raises(pycurl.error):
        curl.perform()
    assert reached
    return set(reached)
