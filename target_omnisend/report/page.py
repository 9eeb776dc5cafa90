"""The report as a page: one HTML file that needs nothing else, for people."""

from __future__ import annotations

import datetime as dt
import functools
import typing as t

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from target_omnisend.report.codes import REJECTIONS, WARNINGS, Code
from target_omnisend.report.history import day, ends, picture
from target_omnisend.report.plot import duration, plot
from target_omnisend.report.verdict import verdict

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PURPOSES: t.Final = {
    "GET /brands/current": "check the key",
    "GET /contacts": "look people up, or check the key",
    "POST /batches": "hand contacts over, up to 100 a call",
    "GET /batches": "ask which batches are done",
    "GET /batches/{id}": "ask for one batch",
    "GET /batches/{id}/items": "read each contact's result",
    "POST /contacts/tags": "add tags, up to 500 contacts a call",
    "DELETE /contacts/tags": "take tags back",
    "GET /segments": "look for the segment",
    "POST /segments": "make the segment",
    "GET /segments/{id}/statistics": "count the segment",
}

VERDICTS: t.Final = {
    "accepted": "Omnisend has confirmed them",
    "unchanged": "Omnisend has them already, just as they are",
    "duplicates": "the same person came twice",
    "skipped": "there is nothing to do for them",
    "rejected": "kept aside, to be corrected",
    "unconfirmed": "sent, without an answer that settles them",
    "not_sent": "never sent, because the run ended early",
}
"""What can become of a record; they add up to all that were received."""

COLUMNS: t.Final = {
    "received": "Received",
    "accepted": "Accepted",
    "unchanged": "Unchanged",
    "duplicates": "Duplicates",
    "skipped": "Skipped",
    "rejected": "Rejected",
    "unconfirmed": "Unconfirmed",
    "not_sent": "Not sent",
    "tagged": "Tagged",
    "removed": "Removed",
    "not_removed": "Not removed",
    "retried": "Sent again",
    "verified": "Seen in Omnisend",
    "warnings": "Left out",
}
_UNKNOWN: t.Final = Code("This page does not know the code.", "")


def render(report: Mapping[str, t.Any]) -> str:
    """The page of a report, as `target_omnisend.report.data.build` makes it."""
    totals, history = report["totals"], picture(report)
    return _template().render(
        report=report,
        verdict=verdict(report),
        verdicts=[(name, totals[name], text) for name, text in VERDICTS.items() if totals[name]],
        columns={n: head for n, head in COLUMNS.items() if totals[n]},
        rejections=_explained(report["rejections"], REJECTIONS),
        warnings=_explained(report["warnings"], WARNINGS),
        purposes=PURPOSES,
        history=history,
        ends=ends(history.bars) if history else (),
        plot=plot(report["throughput"], report["ceiling"], report["run"]["seconds"]),
        settings={name: list(_lines(value)) for name, value in report["settings"].items()},
    )


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("target_omnisend.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, t.Any] = {"duration": duration, "moment": _moment, "code": _code, "day": day}
    environment.filters |= filters | {"number": lambda value: f"{value:,}"}
    return environment.get_template("page.html.jinja")


def _explained(counts: Mapping[str, int], table: Mapping[str, Code]) -> list[tuple[str, int, Code]]:
    return [(code, count, table.get(code, _UNKNOWN)) for code, count in counts.items()]


def _lines(value: t.Any, name: str = "") -> Iterator[str]:
    """A setting's value, a line each for what is in an object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{name}.{key}" if name else key)
        return
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    elif isinstance(value, bool):
        value = str(value).lower()
    if value is not None and value != "":
        yield f"{name}: {value}" if name else str(value)


def _moment(text: str) -> str:
    return f"{dt.datetime.fromisoformat(text):%-d %B %Y, %H:%M:%S} UTC"


def _code(text: str) -> Markup:
    """Text in which backticks set off code, as everywhere in the documentation."""
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part)
        for n, part in enumerate(parts)
    )
