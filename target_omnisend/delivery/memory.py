"""What earlier runs confirmed, as the engine uses it."""

from __future__ import annotations

import json
import logging
import typing as t

from target_omnisend.delivery.mirror import Mirrors
from target_omnisend.delivery.model import MARK_BYTES

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from target_omnisend.delivery.mirror import Ledger, OpenBatch
    from target_omnisend.delivery.model import Batch, Entry, Origin, Segment

logger = logging.getLogger("target-omnisend.delivery")


class Memory:
    """A ledger, as the engine uses it.

    Attributes:
        mirrors: who is in the source of each segment.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        full_refresh: bool,
        whole_runs: bool,
        max_removed_percent: float,
        incomplete: Mapping[str, str],
        shared: Collection[str] = (),
    ) -> None:
        """Remember by `ledger`.

        Args:
            ledger: what earlier runs confirmed.
            full_refresh: take nothing for unchanged.
            whole_runs: the end of the input completes a segment, not ACTIVATE_VERSION.
            max_removed_percent: share of a segment that may leave at once.
            incomplete: why this run cannot show a segment's source whole, by segment.
            shared: segments that are known to be fed by several streams.
        """
        self._ledger = ledger
        self._full_refresh = full_refresh
        self._opened: set[str] = set()
        self.mirrors = Mirrors(
            ledger,
            full_refresh=full_refresh,
            whole_runs=whole_runs,
            max_removed_percent=max_removed_percent,
            incomplete=incomplete,
            shared=shared,
        )

    # -- what changed ------------------------------------------------------------------

    def open(self, origin: Origin) -> None:
        """Announce a stream of a segment; says why everything is sent again, if it is.

        The first stream of a segment speaks for it: the others can have settings of their own.

        Raises:
            RunFailed: when its streams have different sync modes.
        """
        segment = origin.segment
        if segment.name not in self._opened:
            self._opened.add(segment.name)
            self._compare_settings(origin)
        self.mirrors.open(origin)

    def _compare_settings(self, origin: Origin) -> None:
        segment = origin.segment
        now = json.dumps(dict(segment.settings), sort_keys=True)
        before = self._ledger.mapping_fingerprint(segment.name)
        if before is not None and before != now:
            logger.info(
                "Segment '%s': everything is sent again, because %s changed.",
                segment.name,
                _difference(before, segment.settings),
                extra=origin.about,
            )
        if before != now:
            self._ledger.set_mapping_fingerprint(segment.name, now)

    def sift(self, segment: Segment, entries: Collection[Entry]) -> list[Entry]:
        """The entries that need no call: unchanged, or leaving where they never were.

        Notes on the others whether their membership shows already.
        """
        known = self._ledger.known(segment.name, [entry.email for entry in entries])
        staying = [entry.email for entry in entries if not entry.leaves]
        self.mirrors.see(segment.name, staying)
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

    # -- batches under way -------------------------------------------------------------

    def begin_batch(self, batch: Batch) -> None:
        """Omnisend took a batch, and can carry it out whatever becomes of this run."""
        self._ledger.begin_batch(batch.id, [entry.email for entry in batch.entries])

    def end_batch(self, batch: Batch) -> None:
        """It is over."""
        self._ledger.end_batches([batch.id])

    def open_batches(self) -> Sequence[OpenBatch]:
        """Those of earlier runs that are not known to be over."""
        return self._ledger.open_batches()

    def settle_batches(self, people: Collection[str], over: Collection[str]) -> None:
        """Take these people for changed, and forget the batches that are over.

        An older batch can have overwritten what was confirmed of them, in any segment.
        """
        for segment in self._ledger.names():
            known = self._ledger.known(segment, people)
            rows = [(e, mark[:MARK_BYTES]) for e, mark in known.items() if len(mark) > MARK_BYTES]
            self._ledger.confirm(segment, rows, given=False)
        self._ledger.end_batches(over)
        self._ledger.flush()


def _difference(before: str, now: t.Mapping[str, str]) -> str:
    try:
        then = dict(json.loads(before))
    except ValueError:
        then = {}
    changed = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return ", ".join(f"'{name}'" for name in changed) + (" has" if len(changed) == 1 else " have")
