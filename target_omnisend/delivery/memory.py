"""What earlier runs confirmed, and who of them is in the source today."""

from __future__ import annotations

import json
import logging
import typing as t
from dataclasses import dataclass, field

from target_omnisend.delivery.failures import too_many_leave
from target_omnisend.delivery.model import MARK_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from target_omnisend.delivery.model import Entry, Origin, Segment

logger = logging.getLogger("target-omnisend.delivery")

_SEVERAL: t.Final = "several streams"
_RESUMED: t.Final = "this run may have gone on where an earlier one stopped half-way"
_STRANGERS: t.Final = "several streams feed it that are not all named in the setting 'streams'"
_ANNOUNCED: t.Final = (
    "its ACTIVATE_VERSION came before its records, and none after them; for a tap that sends it "
    "so, as those of Meltano's SDK do, set 'mirror_on: end_of_stream'"
)
_NOT_ACTIVATED: t.Final = (
    "no ACTIVATE_VERSION with the version of its records said that it is whole"
)
_TURNED_BACK: t.Final = "its records went back to a version they had left"
_UNVERSIONED: t.Final = "some of its records carry no version, and others do"
_WHOLE_RUNS: t.Final = "whole runs"
"""In place of a stream's version, where the end of the input completes a segment."""


class Ledger(t.Protocol):
    """The memory of earlier runs, by segment and normalised e-mail; `ledger.Ledger` is one."""

    def known(self, segment: str, emails: Collection[str]) -> dict[str, bytes]:
        """Fingerprints of those confirmed."""

    def mapping_fingerprint(self, segment: str) -> str | None:
        """What `set_mapping_fingerprint` was told last."""

    def set_mapping_fingerprint(self, segment: str, text: str) -> None:
        """Remember under which settings members are written."""

    def confirm(
        self, segment: str, rows: Iterable[tuple[str, bytes]], *, given: bool = True
    ) -> None:
        """These are in Omnisend as sent; `given`: and members by this target."""

    def forget(self, segment: str, emails: Iterable[str]) -> None:
        """These are no members any more."""

    def flush(self) -> None:
        """Have all that on the disk."""

    def count(self, segment: str) -> int:
        """How many members this target made."""

    def begin_seen(self, segment: str, version: str | None = None) -> bool:
        """Nobody has been seen yet; False if an earlier run left this version half seen."""

    def see(self, segment: str, emails: Collection[str]) -> None:
        """These are in the source."""

    def end_seen(self, segment: str) -> None:
        """The leavers are dealt with."""

    def count_leavers(self, segment: str) -> int:
        """How many members were not seen."""

    def leavers(self, segment: str, size: int = 250) -> Iterator[list[str]]:
        """Who they are; they may be forgotten as they come."""


@dataclass(slots=True)
class _Stream:
    """How far one stream has brought its segment.

    Attributes:
        announced: a version was activated before its records came.
    """

    version: t.Any = None
    announced: bool = False
    complete: bool = False
    left: list[t.Any] = field(default_factory=list)
    """Versions that its records had before; they may be of any type."""


@dataclass(slots=True)
class _Mirror:
    """A segment that shall equal its source.

    Attributes:
        doubt: why this run may not have brought it whole, if it may not.
        seen: somebody is in the source.
        before: members before this run.
    """

    origin: Origin
    begun: bool = False
    doubt: str = ""
    seen: bool = False
    before: int = 0
    streams: dict[str, _Stream] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The segment's."""
        return self.origin.segment.name


class Memory:
    """A ledger, as the engine uses it."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        full_refresh: bool,
        whole_runs: bool,
        max_removed_percent: float,
        incomplete: Collection[str],
        shared: Collection[str] = (),
    ) -> None:
        """Remember by `ledger`.

        Args:
            ledger: what earlier runs confirmed.
            full_refresh: take nothing for unchanged.
            whole_runs: the end of the input completes a segment, not ACTIVATE_VERSION.
            max_removed_percent: share of a segment that may leave at once.
            incomplete: segments whose source this run cannot show whole.
            shared: segments that are known to be fed by several streams.
        """
        self._ledger = ledger
        self._full_refresh = full_refresh
        self._whole_runs = whole_runs
        self._max_removed_percent = max_removed_percent
        self._incomplete = incomplete
        self._shared = shared
        self._mirrors: dict[str, _Mirror] = {}

    # -- what changed ------------------------------------------------------------------

    def open(self, origin: Origin) -> None:
        """Announce a stream of a segment; says why everything is sent again, if it is."""
        segment = origin.segment
        now = json.dumps(dict(segment.settings), sort_keys=True)
        before = self._ledger.mapping_fingerprint(segment.name)
        if before is not None and before != now:
            logger.info(
                "Segment '%s': everything is sent again, since %s changed.",
                segment.name,
                _difference(before, segment.settings),
                extra=origin.about,
            )
        if before != now:
            self._ledger.set_mapping_fingerprint(segment.name, now)
        if segment.mirrored:
            self._open_mirror(origin)

    def sift(self, segment: Segment, entries: Collection[Entry]) -> list[Entry]:
        """The entries that need no call: unchanged, or leaving where they never were.

        Notes on the others whether their membership shows already.
        """
        known = self._ledger.known(segment.name, [entry.email for entry in entries])
        staying = [entry.email for entry in entries if not entry.leaves]
        self._see(segment, staying)
        unchanged = []
        for entry in entries:
            before = entry.before = known.get(entry.email)
            if entry.leaves:
                if before is None and entry.line:
                    unchanged.append(entry)
            elif before is not None and not self._full_refresh:
                if before == entry.fingerprint:
                    unchanged.append(entry)
                else:
                    entry.member = before[:MARK_BYTES] == (entry.fingerprint or b"")[:MARK_BYTES]
        return unchanged

    def doubt(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """These are about to change; until they are confirmed nobody knows what Omnisend has.

        Otherwise a run that dies after the change would leave the ledger with what was before,
        and who is again as before would be taken for unchanged. It is on the disk when this
        returns. What stays known of those who do not leave is that they are members.
        """
        rows = [
            (entry.email, b"" if entry.leaves else entry.before[:MARK_BYTES])
            for entry in entries
            if entry.before and (entry.leaves or len(entry.before) > MARK_BYTES)
        ]
        if rows:
            self._ledger.confirm(segment.name, rows, given=False)
            self._ledger.flush()

    def confirm(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """These are in Omnisend as sent."""
        rows = [(entry.email, entry.fingerprint or b"") for entry in entries]
        given = segment.tag is not None or segment.clear is not None
        self._ledger.confirm(segment.name, rows, given=given)

    def forget(self, segment: Segment, entries: Iterable[Entry]) -> None:
        """These lost the membership."""
        self._ledger.forget(segment.name, [entry.email for entry in entries])

    # -- who left ----------------------------------------------------------------------

    def present(self, segment: Segment, email: str) -> None:
        """This person is in the source, though the record was refused."""
        self._see(segment, [email])

    def bring(self, origin: Origin, version: t.Any) -> None:
        """From here on the stream's records carry this version."""
        name = origin.segment.name
        mirror = self._mirrors.get(name)
        if mirror is None or self._whole_runs:
            return
        stream = mirror.streams[origin.stream]
        if mirror.begun and stream.version == version:  # its schema has changed, no more
            return
        first = stream.version is None
        if first and not stream.left and origin.counts.received > 1:
            mirror.doubt = _UNVERSIONED  # those before this one were not seen
        if version in stream.left:  # whom it brought before it left is not known any more
            mirror.doubt = _TURNED_BACK
        if not first and stream.version not in stream.left:
            stream.left.append(stream.version)
        stream.version, stream.complete = version, False
        alone = len(mirror.streams) == 1 and name not in self._shared
        if not mirror.begun or (alone and not first):
            self._begin(mirror, str(version) if alone else _SEVERAL)
        elif not first:
            mirror.doubt = _RESUMED  # the other streams' people cannot be brought once more

    def activate(self, origin: Origin, version: t.Any) -> None:
        """The stream says that this version is whole."""
        if mirror := self._mirrors.get(origin.segment.name):
            stream = mirror.streams[origin.stream]
            stream.announced |= stream.version is None
            stream.complete = stream.version is not None and stream.version == version

    def departures(self) -> Iterator[tuple[Origin, list[str]]]:
        """After a clean run: who left each segment that was brought whole, 250 at a time.

        Raises:
            RunFailed: when more would leave than may; before anybody is given.
        """
        whole = [mirror for mirror in self._mirrors.values() if self._is_whole(mirror)]
        for mirror in whole:
            self._guard(mirror)
        for mirror in whole:
            for emails in self._ledger.leavers(mirror.name):
                yield mirror.origin, emails
        for mirror in whole:
            self._ledger.end_seen(mirror.name)

    def _open_mirror(self, origin: Origin) -> None:
        name = origin.segment.name
        mirror = self._mirrors.setdefault(name, _Mirror(origin))
        mirror.origin = origin
        if origin.stream not in mirror.streams:
            mirror.streams[origin.stream] = _Stream()
            if self._whole_runs and not mirror.begun:
                self._begin(mirror, _WHOLE_RUNS)
            elif mirror.begun and not (self._whole_runs or name in self._shared):
                # The ledger knows the version of the first stream, and would not notice that
                # an earlier run stopped in the middle of this one.
                mirror.doubt = _STRANGERS

    def _begin(self, mirror: _Mirror, version: str) -> None:
        mirror.before = self._ledger.count(mirror.name)
        if not self._ledger.begin_seen(mirror.name, version):
            mirror.doubt = mirror.doubt or _RESUMED
        mirror.begun, mirror.seen = True, False

    def _see(self, segment: Segment, emails: Collection[str]) -> None:
        mirror = self._mirrors.get(segment.name)
        if mirror and mirror.begun and emails:
            mirror.seen = True
            self._ledger.see(segment.name, emails)

    def _is_whole(self, mirror: _Mirror) -> bool:
        name = mirror.name
        brought = all(s.complete or self._whole_runs for s in mirror.streams.values())
        if not mirror.begun:
            reason = "its records carry no version, or there are none"
        elif not mirror.seen:
            reason = "its source brought nobody"
        elif not brought:
            announced = any(stream.announced for stream in mirror.streams.values())
            reason = _ANNOUNCED if announced else _NOT_ACTIVATED
        elif name in self._incomplete:
            reason = "this run did not bring its whole source (a filter, or a stream is missing)"
        elif mirror.doubt:
            reason = mirror.doubt
        else:
            return True
        logger.warning(
            "Segment '%s': nobody was removed, since %s.",
            name,
            reason,
            extra={"segment": name, "streams": list(mirror.streams)},
        )
        if mirror.begun and brought:
            self._ledger.end_seen(name)
        return False

    def _guard(self, mirror: _Mirror) -> None:
        name = mirror.name
        leaving = self._ledger.count_leavers(name)
        if leaving * 100 > mirror.before * self._max_removed_percent:
            self._ledger.end_seen(name)
            raise too_many_leave(name, leaving, mirror.before, self._max_removed_percent)


def _difference(before: str, now: t.Mapping[str, str]) -> str:
    try:
        then = dict(json.loads(before))
    except ValueError:
        then = {}
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return ", ".join(f"'{name}'" for name in changed) + (" has" if len(changed) == 1 else " have")
