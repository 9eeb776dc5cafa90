"""Mirrors: the members in the source of each segment, and the members that left it."""

from __future__ import annotations

import logging
import typing as t

from target_omnisend.delivery import doubts
from target_omnisend.delivery.failures import mixed_modes, too_many_leave
from target_omnisend.delivery.source import Feeding, Source, stream_key
from target_omnisend.events import event

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from target_omnisend.delivery.model import Origin
    from target_omnisend.delivery.protocol import Ledger

logger = logging.getLogger("target-omnisend.delivery")

_SEVERAL: t.Final = "several streams"
_WHOLE_RUNS: t.Final = "whole runs"
"""In place of a stream's version, where the end of the input completes a segment."""


class NoMirrors:
    """Without a ledger no segment is mirrored."""

    def see(self, segment: str, emails: Collection[str]) -> None:
        """Note nothing."""

    def bring(self, origin: Origin, version: t.Any) -> None:
        """Note nothing."""

    def activate(self, origin: Origin, version: t.Any) -> None:
        """Note nothing."""

    def expect_deletions(self, segment: str) -> None:
        """Count nothing."""

    def admit_deletions(self, deleted: Mapping[str, Collection[str]]) -> None:
        """Admit them all."""

    def departures(
        self,
        deleted: Mapping[str, Collection[str]],  # noqa: ARG002
        *,
        removing: bool,  # noqa: ARG002
    ) -> Iterator[tuple[Origin, list[str]]]:
        """No member left."""
        return iter(())


class Mirrors:
    """The sources of a run's segments, and the members that left the mirrored ones."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        full_refresh: bool,
        whole_runs: bool,
        max_removed_percent: float,
        incomplete: Mapping[str, str],
        shared: Collection[str],
        lose: Callable[[str], None],
        would: bool,
    ) -> None:
        """Know the sources by `ledger`.

        Args:
            ledger: the contacts that earlier runs confirmed.
            full_refresh: the ledger forgets streams that do not come.
            whole_runs: the end of the input completes a segment, not ACTIVATE_VERSION.
            max_removed_percent: share of a segment that may leave at once.
            incomplete: why this run cannot show a segment's source whole, by segment.
            shared: segments that are known to be fed by several streams.
            lose: keeps a sentence about a loss for the report.
            would: nothing is removed in truth.
        """
        self._ledger = ledger
        self._full_refresh = full_refresh
        self._whole_runs = whole_runs
        self._max_removed_percent = max_removed_percent
        self._incomplete = incomplete
        self._shared = shared
        self._lose = lose
        self._removed = "would remove" if would else "removed"
        self._sources: dict[str, Source] = {}

    # -- the members that are there ----------------------------------------------------

    def open(self, origin: Origin) -> None:
        """Announce a stream of a segment.

        Raises:
            RunFailed: when the segment's streams have different sync modes.
        """
        segment = origin.segment
        source = self._sources.get(segment.name)
        if source is None:
            source = Source(origin, self._ledger.feeds(segment.name))
            self._sources[segment.name] = source
        elif source.is_mirrored != segment.mirrored:
            raise mixed_modes(segment.name, source.origin.stream, origin.stream)
        source.origin = origin
        name = stream_key(origin.stream)
        if name not in source.streams:
            source.streams[name] = Feeding(origin.loader, origin.present)
            if segment.mirrored:
                self._begin_or_widen(source)

    def see(self, segment: str, emails: Collection[str]) -> None:
        """These people are in the source of the segment of this name."""
        source = self._sources.get(segment)
        if source is None or not emails:
            return
        for name, stream in source.bringing.items():
            if not stream.noted:
                stream.noted = True
                if (name, stream.loader) not in source.feeds:
                    self._ledger.add_feed(segment, name, stream.loader)
        if source.begun:
            self._ledger.see(segment, emails)

    def bring(self, origin: Origin, version: t.Any) -> None:
        """From here on the stream's records carry this version."""
        source = self._sources.get(origin.segment.name)
        if source is None or self._whole_runs or not origin.segment.mirrored:
            return
        stream = source.streams[stream_key(origin.stream)]
        if source.begun and stream.version == version:  # its schema has changed, no more
            return
        first = stream.version is None
        if first and not stream.left and origin.counts.received > 1:
            source.doubt = doubts.UNVERSIONED  # those before this one were not seen
        if version in stream.left:  # the members it sent before are not known any more
            source.doubt = doubts.TURNED_BACK
        if not first and stream.version not in stream.left:
            stream.left.append(stream.version)
        stream.version, stream.complete = version, False
        alone = self._is_alone(source)
        if not source.begun or (alone and not first):
            self._begin(source, str(version) if alone else _SEVERAL)
        elif not first:
            source.doubt = doubts.RESUMED  # the other streams do not send their members again

    def activate(self, origin: Origin, version: t.Any) -> None:
        """The stream says that this version is whole."""
        if (source := self._sources.get(origin.segment.name)) and origin.segment.mirrored:
            stream = source.streams[stream_key(origin.stream)]
            stream.announced |= stream.version is None
            stream.complete = stream.version is not None and stream.version == version

    # -- who leaves --------------------------------------------------------------------

    def expect_deletions(self, segment: str) -> None:
        """Count the members, before the source has deleted one."""
        source = self._sources.get(segment)
        if source is not None and source.before is None:
            source.before = self._ledger.count(segment)

    def admit_deletions(self, deleted: Mapping[str, Collection[str]]) -> None:
        """These members, by segment, lose the membership before the end of the input.

        Raises:
            RunFailed: when more would leave than may.
        """
        for name, emails in deleted.items():
            self._guard(self._sources[name], emails, mirrored=False)

    def departures(
        self, deleted: Mapping[str, Collection[str]], *, removing: bool
    ) -> Iterator[tuple[Origin, list[str]]]:
        """After a clean run: the members that left each segment received whole, 250 at a time.

        Args:
            deleted: members whose deletion the source sent, by segment; they are not given.
            removing: False when the run is not clean.

        Raises:
            RunFailed: when more would leave than the guard allows; before any member is given.
        """
        mirrors = [one for one in self._sources.values() if removing and one.is_mirrored]
        whole = [source for source in mirrors if self._is_whole(source)]
        for name, source in self._sources.items():
            mirrored = any(source is one for one in whole)
            if mirrored or name in deleted:
                self._guard(source, deleted.get(name, ()), mirrored=mirrored)
        return self._leavers(whole, deleted)

    def _leavers(
        self, whole: Iterable[Source], deleted: Mapping[str, Collection[str]]
    ) -> Iterator[tuple[Origin, list[str]]]:
        for source in whole:
            known = deleted.get(source.name, ())
            for emails in self._ledger.leavers(source.name):
                yield source.origin, [email for email in emails if email not in known]
        for source in whole:
            self._ledger.end_seen(source.name)

    def _guard(self, source: Source, deleted: Collection[str], *, mirrored: bool) -> None:
        name = source.name
        source.deleted += len(deleted)
        leaving = source.deleted
        if mirrored:
            leaving += self._ledger.count_leavers(name, deleted)
        before = source.before or self._ledger.count(name)  # all may have come in this run
        if leaving * 100 > before * self._max_removed_percent:
            if mirrored:
                self._ledger.end_seen(name)
            raise too_many_leave(name, leaving, before, self._max_removed_percent)

    # -- whether it was whole ----------------------------------------------------------

    def _is_alone(self, source: Source) -> bool:
        return source.is_alone and source.name not in self._shared

    def _begin_or_widen(self, source: Source) -> None:
        if self._whole_runs and not source.begun:
            self._begin(source, _WHOLE_RUNS)
        elif source.begun and not self._whole_runs:
            self._widen(source)

    def _widen(self, source: Source) -> None:
        """Several streams feed the segment from here on, and not the first one alone.

        The ledger knows the version of the first stream alone, and would not notice that an
        earlier run stopped in the middle of this one.
        """
        if not self._ledger.set_version(source.name, _SEVERAL):
            source.doubt = source.doubt or doubts.RESUMED

    def _begin(self, source: Source, version: str) -> None:
        name = source.name
        if source.before is None:
            source.before = self._ledger.count(name)
        if not self._ledger.begin_seen(name, version):
            source.doubt = source.doubt or doubts.RESUMED
        if source.before and not source.feeds:
            source.doubt = source.doubt or doubts.NO_HISTORY
        source.begun = True

    def _is_whole(self, source: Source) -> bool:
        name = source.name
        brought = self._is_brought(source)
        reason = self._doubt(source, brought=brought)
        if not reason:
            return True
        sentence = f"Segment '{name}': this run {self._removed} no member, because {reason}"
        logger.warning(
            sentence, extra=event("none_removed", segment=name, streams=list(source.streams))
        )
        self._lose(sentence)
        if source.begun and brought:
            self._ledger.end_seen(name)
        return False

    def _is_brought(self, source: Source) -> bool:
        return self._whole_runs or all(one.complete for one in source.bringing.values())

    def _doubt(self, source: Source, *, brought: bool) -> str:
        if not source.begun:
            return doubts.NO_VERSION
        if not source.bringing:
            return doubts.EMPTY
        if not brought:
            announced = any(stream.announced for stream in source.streams.values())
            return doubts.ANNOUNCED if announced else doubts.NOT_ACTIVATED
        incomplete = self._incomplete.get(source.name)
        return incomplete or self._doubt_of_feeds(source) or source.doubt

    def _doubt_of_feeds(self, source: Source) -> str:
        """Why a stream that fed the segment before did not in this run, if one did not."""
        here = {(name, one.loader) for name, one in source.bringing.items()}
        absent = sorted(source.feeds - here)
        if not absent:
            return ""
        if self._full_refresh:
            self._ledger.set_feeds(source.name, here)
        others = [stream for stream, _ in absent if stream in source.bringing]
        return doubts.other_loader(others[0]) if others else doubts.not_brought(absent[0][0])
