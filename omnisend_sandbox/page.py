"""The page a newcomer looks at: one HTML text, no script, nothing fetched."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .style import STYLE
from .wire import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .contact import Contact
    from .model import Store

PER_PAGE = 25
LATEST = 15


def render(store: Store, query: Mapping[str, str], base: str) -> str:
    """The page.

    Args:
        store: What it shows, brought up to date first.
        query: `q` searches e-mail, name and tags; `page` counts from 1.
        base: Address of the sandbox, with a slash at its end.
    """
    store.advance()
    body = (
        _head(base),
        _counts(store),
        _contacts(store, query.get("q", "").strip(), query.get("page", "1")),
        _segments(store),
        _batches(store),
        _requests(store),
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Omnisend sandbox</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>"
    )


def _head(base: str) -> str:
    return (
        "<header><h1>Omnisend sandbox</h1>"
        "<p>A local stand-in for an Omnisend store. Nothing here reaches Omnisend, "
        "and all of it is gone when the sandbox stops.</p>"
        f"<p>API base <code>{escape(base)}api</code></p></header>"
    )


def _counts(store: Store) -> str:
    people = store.people.all
    figures = {
        "contacts": len(people),
        "subscribed": sum(one.email_status == "subscribed" for one in people),
        "segments": len(store.segments.by_id),
        "batches": len(store.batches),
        "calls": store.requests.counts.total(),
        "answered 429": store.requests.throttled.total(),
        "welcome messages": len(store.welcome_messages),
    }
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{count:,}</dd></div>" for name, count in figures.items()
    )
    return f'<dl class="counts">{shown}</dl>'


def _contacts(store: Store, wanted: str, page: str) -> str:
    found = _search(store.people.all, wanted)
    pages = max(1, -(-len(found) // PER_PAGE))
    at = min(max(1, int(page) if page.isdecimal() and page.isascii() else 1), pages)
    shown = found[(at - 1) * PER_PAGE : at * PER_PAGE]
    names = {segment.id: segment.name for segment in store.segments.by_id.values()}
    rows = [
        (
            escape(one.email or one.phone),
            escape(f"{one.first_name} {one.last_name}".strip()),
            _consent(one),
            _chips(one.tags),
            _chips(f"{key}: {value}" for key, value in (one.properties or {}).items()),
            _chips(names[identifier] for identifier in store.segments.of(one)),
        )
        for one in shown
    ]
    search = (
        '<form><input type="search" name="q" aria-label="Search contacts" '
        f'placeholder="E-mail, name or tag" value="{escape(wanted)}"><button>Search</button></form>'
    )
    heads = ("Contact", "Name", "E-mail consent", "Tags", "Properties", "Segments")
    empty = "Nobody matches." if wanted else "No contacts yet. Run the target against the API base."
    return _section("Contacts", search + _table(heads, rows, empty) + _pager(wanted, at, pages))


def _search(people: list[Contact], wanted: str) -> list[Contact]:
    """Newest first; a match is part of the e-mail, the name or a tag, in any case."""
    if not wanted:
        return people[::-1]
    needle = wanted.casefold()
    return [
        one
        for one in reversed(people)
        if needle in f"{one.email} {one.first_name} {one.last_name} {one.phone}".casefold()
        or any(needle in tag.casefold() for tag in one.tags)
    ]


def _consent(contact: Contact) -> str:
    if not contact.email_status:
        return ""
    status = escape(contact.email_status)
    return f'<b class="{status}">{status}</b> <small>{stamp(contact.email_changed)[:10]}</small>'


def _pager(wanted: str, at: int, pages: int) -> str:
    def link(page: int, text: str) -> str:
        if not 1 <= page <= pages:
            return ""
        return f'<a href="/?{escape(urlencode({"q": wanted, "page": page}))}">{text}</a>'

    if pages == 1:
        return ""
    turns = f"{link(at - 1, 'Newer')} <span>page {at} of {pages}</span> {link(at + 1, 'Older')}"
    return f"<nav>{turns}</nav>"


def _segments(store: Store) -> str:
    rows = [
        (escape(one.name), f"{one.count(store.people):,}", f"<code>{one.id}</code>")
        for one in store.segments.by_id.values()
    ]
    return _section("Segments", _table(("Name", "Contacts", "ID"), rows, "No segments."))


def _batches(store: Store) -> str:
    rows = [
        (
            f"<code>{one.id}</code>",
            escape(one.status),
            f"{len(one.results)} of {one.total}",
            str(one.errors),
            stamp(one.created)[11:19],
        )
        for one in store.batches[: -LATEST - 1 : -1]
    ]
    heads = ("Batch", "Status", "Done", "Errors", "Sent (UTC)")
    return _section("Latest batches", _table(heads, rows, "No batches."))


def _requests(store: Store) -> str:
    rows = [
        (stamp(one.at)[11:19], escape(f"{one.method} {one.path}"), str(one.status or "reset"))
        for one in list(store.requests.recent)[: -LATEST - 1 : -1]
    ]
    heads = ("At (UTC)", "Call", "Answer")
    return _section("Latest calls", _table(heads, rows, "No calls."))


def _chips(texts: Iterable[Any]) -> str:
    return "".join(f"<i>{escape(str(text))}</i>" for text in texts)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str) -> str:
    """A table; `rows` are HTML already, `heads` and `empty` are text."""
    if not rows:
        return f"<p>{escape(empty)}</p>"
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td data-head="{escape(name)}">{cell}</td>'
            for name, cell in zip(heads, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
