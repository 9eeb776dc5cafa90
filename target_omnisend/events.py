"""The name and the facts of a log line, as its fields.

An alert can match the name: it stays when the sentence changes. docs/logs.md lists the events.
"""

from __future__ import annotations

import typing as t


def event(name: str, /, **facts: t.Any) -> dict[str, t.Any]:
    """The `extra` of a log line: its event and its facts, without personal data.

    The field is not called `event`: Meltano passes fields on to structlog, which calls the
    message so, and a second `event` would end Meltano with a TypeError.
    """
    return {"event_name": name, **facts}
