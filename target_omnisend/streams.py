"""What the settings make of a stream: its mappers, its segment, its marks."""

from __future__ import annotations

import typing as t
from hashlib import blake2b

import msgspec

from target_omnisend.delivery.memory import MARK_BYTES
from target_omnisend.delivery.model import Segment
from target_omnisend.delivery.segment_creator import has_property, has_tag
from target_omnisend.mapping.contact import Contact
from target_omnisend.mapping.mapper import MemberMapper
from target_omnisend.mapping.normalize import segment_property, tag

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Container, Mapping

    from target_omnisend.config.settings import Settings, StreamSettings

MAPPING_VERSION: t.Final = 1
"""To be raised when the same record comes to be mapped to another contact than before."""


def compile_mapping(run: Settings, stream: StreamSettings, now: dt.datetime) -> MemberMapper:
    """The mapper of a stream's records.

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
        consent_not_after=now,
    )


def compile_leaver(stream: StreamSettings) -> MemberMapper:
    """The mapper of who leaves: nothing but the e-mail, and the property that is cleared."""
    cleared = dict.fromkeys(membership_property(stream))
    return MemberMapper({"email": stream.mapping["email"]}, constant_properties=cleared)


def make_segment(stream_settings: StreamSettings, **rest: t.Any) -> Segment:
    """The engine's view of the segment that a stream's settings name; `rest` as there."""
    return Segment(
        name=stream_settings.segment,
        tags=member_tags(stream_settings),
        tag=tag(stream_settings.segment) if stream_settings.membership == "tag" else None,
        clear=_clearer(stream_settings) if stream_settings.membership == "property" else None,
        mirrored=stream_settings.mirrored,
        **rest,
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


def mixed_segments(settings: Settings) -> list[str]:
    """A sentence for each stream whose segment shows in Omnisend as another stream's does.

    Who left the one would lose what shows that they are in the other. Likewise for streams
    of one segment that show it in different ways.
    """
    problems = []
    ways: dict[str, str] = {}
    modes: dict[str, bool] = {}
    first: dict[tuple[str, str], str] = {}
    for stream in settings.streams:
        own = settings.for_stream(stream)
        if ways.setdefault(own.segment, own.membership) != own.membership:
            problems.append(
                f"The streams of segment '{own.segment}' should all have the same 'membership'."
            )
        if modes.setdefault(own.segment, own.mirrored) != own.mirrored:
            problems.append(
                f"The streams of segment '{own.segment}' should all have the same 'sync_mode'."
            )
        marks = [("property", name) for name in membership_property(own)]
        marks += [("tag", tag(own.segment))] if own.membership == "tag" else []
        for kind, name in marks:
            other = first.setdefault((kind, name), stream)
            if settings.for_stream(other).segment != own.segment:
                problems.append(
                    f"The segments of the streams '{other}' and '{stream}' would both show as the "
                    f"{kind} '{name}'; give one of them another name in 'segment'."
                )
    return problems


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
        "the way of mapping": MAPPING_VERSION,
    }
    return {name: _digest(value, 8).hexdigest() for name, value in deciding.items()}


def loader_of(hashes: Mapping[str, str]) -> str:
    """What tells one loader's source from another's, for the ledger: where its columns go."""
    return _digest([hashes[name] for name in ("mapping", "custom_properties")], 8).hexdigest()


def hopeless(run: Settings, stream: StreamSettings, columns: Container[str]) -> list[str]:
    """Why each single record of a stream will be refused, if it will be."""
    sentences = []
    if stream.mapping["email"] not in columns:
        sentences.append("every record will be refused, since mapping.email names no column of it.")
    dated = "subscription_changed_at" in stream.mapping
    if run.subscription_status != "nonSubscribed" and not dated:
        sentences.append(
            f"members will be refused that have no status of their own: 'subscription_status: "
            f"{run.subscription_status}' needs mapping.subscription_changed_at."
        )
    return sentences


def settings_mark(hashes: Mapping[str, str]) -> bytes:
    """The part of a fingerprint that tells the settings."""
    return _digest(hashes, MARK_BYTES).digest()


def membership_property(stream: StreamSettings) -> list[str]:
    """The custom property that shows membership, if one does."""
    return [segment_property(stream.segment)] if stream.membership == "property" else []


def _clearer(stream: StreamSettings) -> Callable[[str], bytes]:
    cleared = dict.fromkeys(membership_property(stream))
    mapper = MemberMapper({"email": "email"}, constant_properties=cleared)

    def clear(email: str) -> bytes:
        made = mapper.map({"email": email})
        return made.body if isinstance(made, Contact) else b""

    return clear


def _digest(value: t.Any, size: int) -> blake2b:
    return blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=size)
