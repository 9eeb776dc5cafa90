"""The contacts that Omnisend has, read a page at a time.

Omnisend lists the newest contact first, by its own date of creation, which never changes. So a
contact keeps its place while others change, and a contact that is made meanwhile is not listed.
"""

from __future__ import annotations

import typing as t

from target_omnisend.api.answers import Kind, as_list
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.exchange import Ask
from target_omnisend.mapping.address import email_key

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_omnisend.api.answers import Answer
    from target_omnisend.delivery.exchange import Exchange

Contact: t.TypeAlias = t.Mapping[str, t.Any]
"""A contact as Omnisend describes it."""

FORBIDDEN_WAITS: t.Final = (1.0, 2.0)
"""Seconds before a page that was forbidden is asked for again; after them the 403 is believed."""


class Pages:
    """The contacts that a filter lets through, at most 250 a page.

    Attributes:
        calls: how many pages came.
        kept_back: the answer that kept a page back; None if none did. Its kind is one that
            `Call.done` can get, FORBIDDEN among them: the API key lacks contacts.read.
        date: of the first page, as HTTP writes it, by Omnisend's clock; empty if it is not said.
        cut_off: Omnisend says that there are more contacts, and leads to none of them.
    """

    def __init__(self, filters: Mapping[str, str], *, wait: float = 0.0) -> None:
        """Begin before the first page, which comes after so many seconds.

        `filters` are those of `GET /contacts`, by name.
        """
        self.calls = 0
        self.kept_back: Answer | None = None
        self.date = ""
        self.cut_off = False
        self._filters = dict(filters)
        self._cursor: str | None = None
        self._cursors: set[int] = set()
        self._over = False
        self._wait = wait

    def next_page(self) -> Exchange[list[Contact] | None]:
        """The next page, which can be empty; None after the last one, or if one is kept back."""
        if self._over:
            return None
        answer = yield from self._ask()
        if answer.kind is not Kind.DONE:
            self.kept_back, self._over = answer, True
            return None
        self.calls += 1
        self.date = self.date or answer.date
        self._follow(answer.body.get("paging"))
        return [one for one in as_list(answer.body["contacts"]) if isinstance(one, dict)]

    def _ask(self) -> Exchange[Answer]:
        filters, cursor = self._filters, self._cursor
        first, self._wait = self._wait, 0.0
        for wait in (first, *FORBIDDEN_WAITS):
            answer = yield Ask(
                Endpoint.READ_CONTACTS, lambda api: api.contacts(filters, cursor), wait=wait
            )
            if answer.kind is not Kind.FORBIDDEN:
                break
        return answer

    def _follow(self, paging: t.Any) -> None:
        cursor = cursor_of(paging)
        # A cursor that leads back would lead round for ever. Its hash costs less than its text.
        self._over = cursor is None or hash(cursor) in self._cursors
        self.cut_off = self._over and isinstance(paging, dict) and bool(paging.get("hasMore"))
        self._cursors.add(hash(cursor))
        self._cursor = cursor


def email_of(contact: Contact) -> str:
    """The address of a contact in its one form; empty if Omnisend does not say it."""
    email = contact.get("email")
    if not isinstance(email, str) or not email:
        email = next(
            (
                one["id"]
                for one in as_list(contact.get("identifiers"))
                if isinstance(one, dict)
                and one.get("type") == "email"
                and isinstance(one.get("id"), str)
            ),
            "",
        )
    return email_key(email)


def cursor_of(paging: t.Any) -> str | None:
    """Where the next page begins, if there is one."""
    if not isinstance(paging, dict) or not paging.get("hasMore"):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) and after else None
