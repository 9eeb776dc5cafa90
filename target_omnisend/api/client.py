"""`OmnisendClient`: one method an endpoint, each one HTTP call and one `Answer`.

It neither repeats a call nor waits: that is decided where the whole run is known.
"""

from __future__ import annotations

import typing as t
from urllib.parse import quote, urlencode

import msgspec
import requests

from target_omnisend.api.answers import Answer, Kind, read_problem
from target_omnisend.api.certificates import check_certificates
from target_omnisend.api.quiet_queries import keep_queries_out
from target_omnisend.api.reasons import reason_of
from target_omnisend.api.transport import Adapter, TooLargeError, body_of, set_deadline

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

PAGE: t.Final = 250
"""Batches that one `GET /batches` lists at the most, and contacts one `GET /contacts`."""


class OmnisendClient:
    """Omnisend's API over HTTP; safe to use from many threads."""

    def __init__(
        self,
        url: str,
        *,
        authorization: str,
        api_version: str,
        user_agent: str,
        timeout: float,
        connections: int,
    ) -> None:
        """Open a session.

        `timeout` is in seconds, for a whole call; `authorization` is the header.

        Raises:
            RunFailed: if the environment names certificates that cannot be read.
        """
        self._url = url
        self._timeout = timeout
        self._headers = {
            "Authorization": authorization,
            "Omnisend-Version": api_version,
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
        }
        keep_queries_out()
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, Adapter(pool_maxsize=connections))
        self._templates: dict[str, requests.PreparedRequest] = {}
        # Proxy and certificate settings of the environment, read once and not at each call.
        self._environment = self._session.merge_environment_settings(
            url, {}, stream=True, verify=None, cert=None
        )
        if url.lower().startswith("https://"):
            check_certificates(self._environment["verify"])
        else:  # plain http is for this machine; a proxy elsewhere would read key and contacts
            self._environment["proxies"] = {}

    def current_brand(self) -> Answer:
        """`GET /brands/current`: the store that the key belongs to."""
        return self._call("GET", "/brands/current")

    def any_contact(self) -> Answer:
        """`GET /contacts?limit=1`: the cheapest call that needs contacts.read."""
        return self._call("GET", "/contacts", {"limit": "1"})

    def contacts(self, filters: Mapping[str, str], after: str | None = None) -> Answer:
        """`GET /contacts`: one page of `PAGE` that pass the filters, from a cursor on."""
        query = {**filters, "limit": str(PAGE)} | ({"after": after} if after else {})
        return _with(self._call("GET", "/contacts", query), "contacts", list)

    def find_contact(self, email: str) -> Answer:
        """`GET /contacts?email=`: the contact of an address. Body: {contacts}."""
        return _with(self._call("GET", "/contacts", {"email": email}), "contacts", list)

    def post_batch(self, items: Sequence[bytes]) -> Answer:
        """`POST /batches`: contacts, each already encoded as JSON. Body: {batchID, totalCount}."""
        answer = self._call(
            "POST",
            "/batches",
            body=b'{"method":"POST","endpoint":"contacts","origin":"api","items":['
            + b",".join(items)
            + b"]}",
        )
        return _with_id(answer, "batchID")

    def list_batches(self, since: dt.date, offset: int) -> Answer:
        """`GET /batches`: one page of `PAGE` contact batches, without items."""
        answer = self._call(
            "GET",
            "/batches",
            {
                "endpoint": "contacts",
                "dateFrom": since.isoformat(),
                "limit": str(PAGE),
                "offset": str(offset),
            },
        )
        return _with(answer, "batches", list)

    def batch(self, batch_id: str) -> Answer:
        """`GET /batches/{id}`."""
        return _with_id(self._call("GET", f"/batches/{quote(batch_id, safe='')}"), "batchID")

    def batch_items(self, batch_id: str) -> Answer:
        """`GET /batches/{id}/items`: the batch with its errors and responses."""
        path = f"/batches/{quote(batch_id, safe='')}/items"
        return _with_id(self._call("GET", path), "batchID")

    def add_tags(
        self, emails: Sequence[str], tags: Sequence[str], contact_ids: Sequence[str] = ()
    ) -> Answer:
        """`POST /contacts/tags`: every tag to every contact; 202 without a body.

        The contacts are those of the e-mails and those of the IDs, at most 250 of each.
        """
        ids = {"contactIDs": contact_ids} if contact_ids else {}
        body = msgspec.json.encode({"emails": emails, **ids, "tags": tags})
        return self._call("POST", "/contacts/tags", body=body)

    def remove_tags(self, emails: Sequence[str], tags: Sequence[str]) -> Answer:
        """`DELETE /contacts/tags`: every tag from every contact; 202 without a body."""
        return self._call(
            "DELETE", "/contacts/tags", body=msgspec.json.encode({"emails": emails, "tags": tags})
        )

    def list_segments(self, after: str | None) -> Answer:
        """`GET /segments`: one page of 50, from the cursor of the page before."""
        query = {"limit": "50"} | ({"after": after} if after else {})
        return _with(self._call("GET", "/segments", query), "segments", list)

    def create_segment(self, name: str, condition_groups: Sequence[t.Any]) -> Answer:
        """`POST /segments`. Body: the segment."""
        body = msgspec.json.encode({"name": name, "conditionGroups": condition_groups})
        return _with_id(self._call("POST", "/segments", body=body), "segmentID")

    def segment_statistics(self, segment_id: str) -> Answer:
        """`GET /segments/{id}/statistics`. Body: {contactsCount}."""
        return self._call("GET", f"/segments/{segment_id}/statistics")

    def _prepared(self, method: str, url: str) -> requests.PreparedRequest:
        # A third of a call's CPU is preparing it, and most calls differ in their body alone.
        if (known := self._templates.get(url)) is None or known.method != method:
            known = requests.Request(method, url, headers=self._headers).prepare()
            if method == "POST":
                self._templates[url] = known
        return known.copy()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        url = f"{self._url}{path}?{urlencode(query)}" if query else f"{self._url}{path}"
        try:
            request = self._prepared(method, url)
            if body is not None:
                request.body = body
                request.headers["Content-Length"] = str(len(body))
                request.headers["Content-Type"] = "application/json"
            set_deadline(self._timeout)
            response = self._session.send(
                request, timeout=self._timeout, allow_redirects=False, **self._environment
            )
            content = body_of(response)
        except TooLargeError:
            return Answer(Kind.RETRY, response.status_code, fault="an answer that is too large")
        except (OSError, ValueError, OverflowError) as error:
            # The text of such an error names hosts, URLs and headers; its type says enough.
            # Those of `requests` are OSErrors, as is one for certificates that have gone.
            # The last two are for what `requests` lets through: odd headers and timeouts.
            return Answer(Kind.RETRY, fault=type(error).__name__, reason=reason_of(error))
        return _read(response, content)


def _read(response: requests.Response, content: bytes) -> Answer:
    body, broken = _decode(content)
    if not 200 <= response.status_code < 300:
        return read_problem(response.status_code, body, response.headers)
    if broken:
        return Answer(Kind.RETRY, response.status_code, fault="an answer that is not JSON")
    return Answer(Kind.DONE, response.status_code, body, date=response.headers.get("Date", ""))


def _with(answer: Answer, key: str, kind: type) -> Answer:
    """A success without its key is the same as no answer."""
    if answer.kind is not Kind.DONE:
        return answer
    value = answer.body.get(key) if isinstance(answer.body, dict) else None
    if isinstance(value, kind) and value != "":
        return answer
    return Answer(Kind.RETRY, answer.status, fault=f"an answer without {key}")


def _with_id(answer: Answer, key: str) -> Answer:
    """The same for an ID, which can be written as a number."""
    value = answer.body.get(key) if isinstance(answer.body, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        answer.body[key] = str(value)
    return _with(answer, key, str)


def _decode(content: bytes) -> tuple[t.Any, bool]:
    if not content:
        return None, False
    try:
        return msgspec.json.decode(content), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, True
