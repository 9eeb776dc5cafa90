"""The notice that a run sends at its end: one sentence for people, numbers for programs."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import typing as t
from urllib.parse import urlsplit

import requests

from target_omnisend.report.verdict import verdict
from target_omnisend.threads import start_thread

if t.TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBERS: t.Final = ("run", "store", "totals", "streams", "rejections", "warnings")
"""What a notice has of the report."""

_TEAMS: t.Final = (".logic.azure.com", ".api.powerplatform.com", ".webhook.office.com")
"""What hosts of Microsoft Teams end with. A workflow there shows a card and no text."""

_PAUSE: t.Final = 0.5
"""Seconds between the first try and the second."""

_WORK: t.Final = {
    "export": "export{} to Omnisend",
    "retire": "taking back{} in Omnisend",
    "verify": "verification{} in Omnisend",
}
"""What a command does, with the names of segments."""

_NAMED: t.Final = 3
"""So many segments are named."""


def notice(report: Mapping[str, t.Any], sentence: str, url: str) -> dict[str, t.Any]:
    """The JSON of a notice; it holds no personal data.

    Args:
        report: of the run, as `target_omnisend.report.data.build` makes it.
        sentence: the last line of the log.
        url: where it goes; for Microsoft Teams it holds a card too.
    """
    text = _in_one_sentence(report, sentence)
    made = {"text": text, **{name: report[name] for name in _NUMBERS}}
    host = (urlsplit(url).hostname or "").lower()
    return made | _card(text) if host.endswith(_TEAMS) else made


def post(url: str, message: Mapping[str, t.Any], *, seconds: float) -> str | None:
    """Send a message, twice if need be, in so many seconds in all; why it did not arrive, or None.

    The reason holds nothing of the URL.
    """
    # At level DEBUG it logs the URL of each call, and here that is a secret.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    reasons: list[str | None] = []
    done = threading.Event()

    def work() -> None:
        try:
            reasons.append(_try_twice(url, body, seconds))
        finally:
            done.set()

    # A name server or an answer that drips can take longer than any timeout of one read.
    if not start_thread(work, "notify"):
        return "the system has no room for a thread"
    done.wait(seconds)
    return reasons[0] if reasons else f"no answer came within {seconds:g} s"


def _try_twice(url: str, body: bytes, seconds: float) -> str | None:
    end = time.monotonic() + seconds
    reason = _try(url, body, (seconds - _PAUSE) / 2)
    if reason is None or not reason.worth_another:
        return reason and reason.text
    time.sleep(_PAUSE)
    reason = _try(url, body, max(0.1, end - time.monotonic()))
    return reason and reason.text


class _Reason(t.NamedTuple):
    text: str
    worth_another: bool


def _try(url: str, body: bytes, seconds: float) -> _Reason | None:
    try:
        with requests.Session() as session:
            if not url.lower().startswith("https://"):  # it stays on this machine
                session.trust_env = False
            response = session.post(
                url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=seconds,
                allow_redirects=False,
                stream=True,  # its body is of no interest, whatever its size
            )
            response.close()
    except (OSError, ValueError) as error:  # its text names host and path
        return _Reason(type(error).__name__, worth_another=True)
    status = response.status_code
    if 200 <= status < 300:
        return None
    return _Reason(f"the answer is {status}", worth_another=status == 429 or status >= 500)


def _in_one_sentence(report: Mapping[str, t.Any], sentence: str) -> str:
    segments = list(dict.fromkeys(f"'{one['segment']}'" for one in report["streams"].values()))
    more = f" and {len(segments) - _NAMED} more" if len(segments) > _NAMED else ""
    of = f" of {', '.join(segments[:_NAMED])}{more}" if segments else ""
    store = f", store '{report['store']}'" if report["store"] else ""
    work = _WORK[report["run"]["command"]].format(of)
    text = f"{verdict(report).word}: {work}{store}: {sentence}"
    # In a chat <!channel> would call everybody, and <…|…> hide an address.
    return re.sub("[<>]", "", text)


def _card(text: str) -> dict[str, t.Any]:
    """An adaptive card, as the template for webhooks in Teams posts it."""
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": content}]}
