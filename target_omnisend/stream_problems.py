"""What is wrong with the settings of a stream, and with the columns that they name."""

from __future__ import annotations

import typing as t

from target_omnisend.marks import Marks
from target_omnisend.streams import compile_mapping, member_tags

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Container

    from target_omnisend.config.settings import Settings, StreamSettings


def mapping_problems(settings: Settings, now: Callable[[], dt.datetime]) -> list[str]:
    """A sentence for each mapping and each segment that no run can use.

    `now` is the present moment.
    """
    # A stream that names its own segment is not known yet; any name serves for it.
    for stream in ("", *settings.streams):
        own = settings.for_stream(stream or "stream")
        try:
            if own.mapping:  # else the stream may never come
                compile_mapping(settings, own, now)
            member_tags(own)
        except ValueError as error:
            where = f"In 'streams.{stream}': " if stream else ""
            return [f"{where}{error}"]
    return mixed_segments(settings)


def mixed_segments(settings: Settings) -> list[str]:
    """A sentence for each named stream whose segment shows in Omnisend as another one does.

    Likewise for streams of one segment that show it in different ways.
    """
    marks = Marks()
    modes: dict[str, bool] = {}
    problems: list[str] = []
    for stream in settings.streams:
        own = settings.for_stream(stream)
        problems += marks.add(own, stream)
        if modes.setdefault(own.segment, own.mirrored) != own.mirrored:
            problems.append(
                f"The streams of segment '{own.segment}' should all have the same 'sync_mode'."
            )
    return problems


def hopeless(stream: StreamSettings, columns: Container[str]) -> list[str]:
    """Why every record of a stream that has these columns is rejected, if it is."""
    if stream.mapping["email"] in columns:
        return []
    return ["every record is rejected, because mapping.email names a column that no record has."]


def hopeless_without_dates(run: Settings, stream: StreamSettings) -> list[str]:
    """Why records without a status of their own are rejected, if they are."""
    dated = "subscription_changed_at" in stream.mapping
    if run.subscription_status == "nonSubscribed" or dated:
        return []
    sentence = (
        "records without a status of their own are rejected: 'subscription_status: "
        f"{run.subscription_status}' needs mapping.subscription_changed_at."
    )
    return [sentence]
