"""A stream under the settings: its mappers, its segment, its marks."""

from __future__ import annotations

import json
import logging
import typing as t
from collections import Counter
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType

import msgspec

from target_omnisend.config.parts import MEMBERSHIPS
from target_omnisend.delivery.model import MARK_BYTES, Segment
from target_omnisend.delivery.segment_creator import has_property, has_tag
from target_omnisend.errors import ExitCode, RunFailed
from target_omnisend.events import event
from target_omnisend.mapping.contact import Contact
from target_omnisend.mapping.mapper import MemberMapper
from target_omnisend.mapping.normalize import segment_property, tag
from target_omnisend.mapping.properties import NOTHING_DECLARED, Declared
from target_omnisend.marks import Earlier, Marks, shown_by

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Mapping

    from target_omnisend.config.settings import Settings, StreamSettings

logger = logging.getLogger("target-omnisend")

MAPPING_VERSION: t.Final = 2
"""To be raised when the same record comes to be mapped to another contact than before."""


def compile_mapping(
    run: Settings,
    stream: StreamSettings,
    now: Callable[[], dt.datetime],
    declared: Declared = NOTHING_DECLARED,
) -> MemberMapper:
    """The mapper of a stream's records, of which its schema declares types.

    `now` gives the present moment.

    Raises:
        ValueError: for settings that no record can be mapped with, as a plain sentence.
    """
    return MemberMapper(
        stream.mapping,
        custom_properties=stream.custom_properties,
        constant_properties=dict.fromkeys(membership_property(stream), True),
        default_status=run.subscription_status,
        send_welcome_message=run.send_welcome_message,
        null_policy=run.null_policy,
        date_formats=run.date_formats,
        declared=declared,
        now=now,
    )


def compile_leaver(stream: StreamSettings) -> MemberMapper:
    """The mapper of members that leave: the e-mail, and the property that shows they left."""
    return MemberMapper(
        {"email": stream.mapping["email"]}, constant_properties=left_property(stream)
    )


class Ledger(t.Protocol):
    """What earlier runs know of segments; `ledger.Ledger` is one."""

    def names(self) -> list[str]:
        """The segments that it knows."""

    def mapping_fingerprint(self, segment: str) -> str | None:
        """What the segment's settings were, as JSON of `settings_hashes`."""

    def count(self, segment: str) -> int:
        """How many members this target made."""


class Segments:
    """The segments of a run: one object for all streams that feed one under the same settings.

    Attributes:
        earlier: the marks of the segments that the ledger knows.
    """

    def __init__(self, settings: Settings) -> None:
        """Start without any."""
        self._settings = settings
        self._made: dict[tuple[str, bool, bytes], Segment] = {}
        self._streams: set[str] = set()
        self.earlier = Earlier((), lambda _: False)

    def remember_by(self, ledger: Ledger) -> None:
        """Let the segments of earlier runs keep their marks."""
        known = ((name, _memberships(ledger.mapping_fingerprint(name))) for name in ledger.names())
        self.earlier = Earlier(known, lambda name: ledger.count(name) > 0)

    def of_stream(self, stream: str) -> Segment:
        """The segment of a stream, made at the first stream that needs it.

        Raises:
            ValueError: for a name that cannot be a tag or a property, as a plain sentence.
            RunFailed: when the stream has no mapping, or when another segment shows by the same
                tag or property.
        """
        own = self._settings.for_stream(stream)
        if stream not in self._streams:
            self._claim(own, stream)
            self._streams.add(stream)
        hashes = settings_hashes(self._settings, own)
        key = (own.segment, own.mirrored, settings_mark(hashes))
        if key not in self._made:
            self._made[key] = make_segment(own, settings=hashes)
        return self._made[key]

    def _claim(self, own: StreamSettings, stream: str) -> None:
        if not own.mapping:
            raise RunFailed(
                ExitCode.SETTINGS,
                f"Stream '{stream}' has no mapping. Set 'mapping.email', or "
                f"'streams.{stream}.mapping.email', to its column with the e-mail address.",
            )
        for sentence in (*self._marks.add(own, stream), *self.earlier.conflicts(own, stream)):
            raise RunFailed(ExitCode.SETTINGS, sentence)
        mark = shown_by(own.membership, own.segment)
        logger.info(
            "Stream '%s': segment '%s' %s.",
            stream,
            own.segment,
            f"shows as {mark}" if mark else "does not show in Omnisend ('membership: none')",
            extra=event("segment_shown", stream_name=stream, segment=own.segment),
        )

    @cached_property
    def _marks(self) -> Marks:
        marks = Marks()
        for stream in self._settings.streams:
            list(marks.add(self._settings.for_stream(stream), stream))
        return marks


def shared_segments(settings: Settings) -> set[str]:
    """The segments that the settings give to several streams."""
    names = Counter(settings.for_stream(stream).segment for stream in settings.streams)
    return {name for name, streams in names.items() if streams > 1}


def proof_key(settings: Settings) -> str:
    """The settings under which a look at Omnisend's contacts proves something, as a hash."""
    names = (
        *("api_url", "api_version", "mapping", "custom_properties", "date_formats", "segment"),
        *("membership", "tags", "streams", "subscription_status", "send_welcome_message"),
        "null_policy",
    )
    return _digest([getattr(settings, name) for name in names], 16).hexdigest()


def make_segment(
    stream_settings: StreamSettings, settings: Mapping[str, str] = MappingProxyType({})
) -> Segment:
    """The engine's view of the segment that a stream's settings name; `settings` are hashes."""
    return Segment(
        name=stream_settings.segment,
        tags=member_tags(stream_settings),
        tag=tag(stream_settings.segment) if stream_settings.membership == "tag" else None,
        property=next(iter(membership_property(stream_settings)), None),
        clear=_clearer(stream_settings) if stream_settings.membership == "property" else None,
        settings=settings,
        mirrored=stream_settings.mirrored,
    )


def member_tags(stream: StreamSettings) -> tuple[str, ...]:
    """The tags of a stream's members.

    Raises:
        ValueError: for a name that cannot be a tag, as a plain sentence.
    """
    names = [stream.segment, *stream.tags] if stream.membership == "tag" else stream.tags
    return tuple(dict.fromkeys(tag(name) for name in names))


def conditions(stream: StreamSettings) -> list[t.Any]:
    """Condition groups of an Omnisend segment over the stream's membership."""
    for name in membership_property(stream):
        return has_property(name)
    return has_tag(tag(stream.segment))


def settings_hashes(run: Settings, stream: StreamSettings) -> dict[str, str]:
    """A short hash of each setting that decides what is sent for a record, by its name."""
    deciding = {
        "mapping": stream.mapping,
        "custom_properties": stream.custom_properties,
        "membership": stream.membership,
        "tags": member_tags(stream),
        "subscription_status": run.subscription_status,
        "send_welcome_message": run.send_welcome_message,
        "null_policy": run.null_policy,
        "date_formats": run.date_formats,
        "the way of mapping": MAPPING_VERSION,
    }
    return {name: _short_hash(value) for name, value in deciding.items()}


def loader_of(hashes: Mapping[str, str]) -> str:
    """A hash that differs between loaders with other sources: it says where columns go."""
    return _digest([hashes[name] for name in ("mapping", "custom_properties")], 8).hexdigest()


def settings_mark(hashes: Mapping[str, str]) -> bytes:
    """The part of a fingerprint that stands for the settings."""
    return _digest(hashes, MARK_BYTES).digest()


def membership_property(stream: StreamSettings) -> list[str]:
    """The custom property that shows membership, if one does."""
    return [segment_property(stream.segment)] if stream.membership == "property" else []


def left_property(stream: StreamSettings) -> dict[str, bool]:
    """The custom property that shows membership, if one does, as it is once a member has left.

    False and not null: that null removes a property is documented and unproven. A segment over
    the property being true loses the person either way.
    """
    return dict.fromkeys(membership_property(stream), False)


def _clearer(stream: StreamSettings) -> Callable[[str], bytes]:
    mapper = MemberMapper({"email": "email"}, constant_properties=left_property(stream))

    def clear(email: str) -> bytes:
        made = mapper.map({"email": email})
        return made.body if isinstance(made, Contact) else b""

    return clear


def _memberships(settings: str | None) -> Collection[str]:
    """The ways in which a segment may show that was sent under settings with these hashes."""
    try:
        known = json.loads(settings or "{}").get("membership")
    except (ValueError, AttributeError):
        known = None
    ways = [way for way in MEMBERSHIPS if _short_hash(way) == known]
    return ways or MEMBERSHIPS


def _short_hash(value: t.Any) -> str:
    return _digest(value, 8).hexdigest()


def _digest(value: t.Any, size: int) -> blake2b:
    return blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=size)
