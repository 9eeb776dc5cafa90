"""The page a newcomer looks at: one HTML text, no script, nothing fetched."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from .faults import KINDS
from .notes import OMNISEND
from .wire import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .batch import Batch
    from .contact import Contact
    from .model import Store

PER_PAGE = 25
LATEST = 15


def render(store: Store, query: Mapping[str, str], base: str) -> str:
    """The page.

    Args:
        store: What it shows, after all that is due was done.
        query: `q` searches e-mail, name and tags; `page` counts from 1.
        base: Address of the sandbox, with a slash at its end.
    """
    store.advance()
    wanted, page = query.get("q", "").strip(), query.get("page", "1")
    found = _search(store.people.all, wanted)
    pages = max(1, -(-len(found) // PER_PAGE))
    at = min(max(1, int(page) if page.isdecimal() and page.isascii() else 1), pages)
    by_id = store.segments.by_id

    def time(moment: float) -> str:
        return stamp(moment)[11:19]

    def done(batch: Batch) -> str:
        return f"{len(batch.results)} of {batch.total}"

    return _template().render(
        store=store,
        base=base,
        wanted=wanted,
        at=at,
        pages=pages,
        hits=len(found),
        contacts=found[(at - 1) * PER_PAGE : at * PER_PAGE],
        figures=_figures(store),
        faults=_faults(store),
        segments=[(one.name, f"{one.count(store.people):,}", one.id) for one in by_id.values()],
        segments_of=lambda one: [by_id[identifier].name for identifier in store.segments.of(one)],
        batches=[
            (one.id, one.status, done(one), one.errors, time(one.created))
            for one in store.batches[: -LATEST - 1 : -1]
        ],
        calls=[
            (time(one.at), f"{one.method} {one.path}", one.status or "reset")
            for one in list(store.requests.recent)[: -LATEST - 1 : -1]
        ],
    )


def _figures(store: Store) -> dict[str, int]:
    people = store.people.all
    return {
        "contacts": len(people),
        "subscribed": sum(one.email_status == "subscribed" for one in people),
        "segments": len(store.segments.by_id),
        "batches": len(store.batches),
        "calls": store.requests.counts.total(),
        "answered 429": store.requests.throttled.total(),
        "welcome messages": len(store.welcome_messages),
    }


def _faults(store: Store) -> list[tuple[Any, ...]]:
    """Kind, meaning, Omnisend's own way, settings and strikes of each fault in force."""
    rows = []
    for fault, struck in store.faults.in_force():
        settings = msgspec.to_builtins(fault)
        kind = settings.pop("kind")
        shown = ", ".join(f"{name}: {value}" for name, value in settings.items())
        rows.append((kind, KINDS[kind][1], OMNISEND[kind], shown, struck))
    return rows


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


@cache
def _template() -> Template:
    loader = PackageLoader("omnisend_sandbox", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals["stamp"] = stamp
    return environment.get_template("page.html.jinja")
