"""`OmnisendClient`: one method an endpoint, each one HTTP call and one `Answer`.

It neither repeats a call nor waits: that is decided where the whole run is known.
"""

from __future__ import annotations

import typing as t
from urllib.parse import quote, urlencode

import msgspec

from target_omnisend.api.answers import Answer, Kind, read_problem
from target_omnisend.api.transport import NoAnswerError, Response, TooLargeError, Transport

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence


class Sender(t.Protocol):
    """What sends calls to Omnisend; a `Transport`."""

    def send(self, method: str, path: str, body: bytes | None) -> Response:
        """See `Transport.send`."""


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
        transport: Callable[..., Sender] = Transport,
    ) -> None:
        """Prepare the calls.

        `timeout` is in seconds, for a whole call; `authorization` is the header.

        Raises:
            RunFailed: if the environment names certificates that cannot be read.
        """
        headers = {
            "Authorization": authorization,
            "Omnisend-Version": api_version,
            "User-Agent": user_agent,
            "Accept": "application/json",
        }
        self._send = transport(url, headers, timeout=timeout).send

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

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        if query:
            path = f"{path}?{urlencode(query)}"
        try:
            response = self._send(method, path, body)
        except TooLargeError:
            return Answer(Kind.RETRY, fault="an answer that is too large")
        except NoAnswerError as error:
            return Answer(Kind.RETRY, fault=str(error))
        return _read(response)


def _read(response: Response) -> Answer:
    body, broken = _decode(response.content)
    if not 200 <= response.status < 300:
        return read_problem(response.status, body, response.headers)
    if broken:
        return Answer(Kind.RETRY, response.status, fault="an answer that is not JSON")
    return Answer(Kind.DONE, response.status, body, date=response.headers.get("date", ""))


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
