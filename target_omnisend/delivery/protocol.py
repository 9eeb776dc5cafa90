"""The parts that the engine needs: the ledger, and a place for rejected records."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import datetime as dt
    from array import array
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from target_omnisend.delivery.model import Entry
    from target_omnisend.output.rejected import Reason

Feed: t.TypeAlias = tuple[str, str]
"""A stream, and the loader that it came through."""


class Rejects(t.Protocol):
    """Where rejected records are kept."""

    def add(
        self,
        schema: bytes,
        line: bytes,
        *,
        segment: str = "",
        email: str | None = None,
        **reason: t.Unpack[Reason],
    ) -> None:
        """Append the record that `line` holds, under the SCHEMA message `schema`.

        `segment` is where it was to go, and `email` the person's address, if it can be read.
        """

    def settled(self, entries: Iterable[Entry]) -> None:
        """These records need not be kept, because Omnisend has what they say."""


class OpenBatch(t.Protocol):
    """A batch that an earlier run left open; `age` is in seconds."""

    @property
    def id(self) -> str:
        """Omnisend's name for it."""

    @property
    def emails(self) -> Collection[str]:
        """Its people."""

    @property
    def age(self) -> float:
        """Seconds since Omnisend took it."""


class OpenBatches(t.Protocol):
    """The batches that are not known to be over; `ledger.open_batches.OpenBatches` is one."""

    def begin(self, batch: str, emails: Iterable[str]) -> None:
        """Remember that Omnisend took a batch of these people."""

    def end(self, batches: Iterable[str]) -> None:
        """These are over."""

    def all(self) -> Sequence[OpenBatch]:
        """Those of earlier runs too."""


class RetryRow(t.Protocol):
    """A contact that is to be sent once more; `ledger.retries.RetryRow` is one."""

    @property
    def item(self) -> str:
        """The contact as JSON; empty if a tag is to be taken back."""

    @property
    def line(self) -> str:
        """The record's Singer message; empty without a record."""

    @property
    def schema(self) -> str:
        """The SCHEMA message of the record; empty without a record."""

    @property
    def fingerprint(self) -> str:
        """The ledger will know the contact by this, in hex; empty without one."""

    @property
    def leaves(self) -> bool:
        """Whether the person loses the membership."""


class RetryStore(t.Protocol):
    """The contacts that are to be sent once more; `ledger.retries.RetryRows` is one."""

    @property
    def tries(self) -> Mapping[tuple[str, str], int]:
        """How many runs have sent each of them, by segment and address."""

    def of_segment(self, segment: str) -> Iterator[tuple[str, RetryRow]]:
        """Address and contact of each that an earlier run left."""

    def put(self, segment: str, email: str, **row: t.Any) -> None:
        """Have a contact sent once more by the next run."""

    def drop(self, segment: str, email: str) -> None:
        """Have it sent no more."""


class ReadContacts(t.Protocol):
    """The contacts that a run last read, as numbers; `ledger.contacts.ReadContacts` is one."""

    def drop(self) -> None:
        """Have the next reading be a whole one."""

    def begin(self) -> tuple[dt.datetime | None, list[array[int]]]:
        """Begin to read contacts: the moment from which on to read, and those known from before."""

    def keep(self, parts: Sequence[array[int]], date: str) -> None:
        """Remember what the reading found, which began at an HTTP date."""


class Ledger(t.Protocol):
    """The memory of earlier runs, by segment and normalised e-mail; `ledger.Ledger` is one."""

    @property
    def batches(self) -> OpenBatches:
        """The batches that are not known to be over."""

    @property
    def contacts(self) -> ReadContacts:
        """The contacts that Omnisend had when a run last read them."""

    @property
    def retries(self) -> RetryStore:
        """The contacts that are to be sent once more."""

    def known(self, segment: str, emails: Collection[str]) -> dict[str, bytes]:
        """Fingerprints of those confirmed."""

    def mapping_fingerprint(self, segment: str) -> str | None:
        """The text that `set_mapping_fingerprint` got last."""

    def set_mapping_fingerprint(self, segment: str, text: str) -> None:
        """Remember under which settings members are written."""

    def confirm(
        self, segment: str, rows: Iterable[tuple[str, bytes]], *, given: bool = True
    ) -> None:
        """These are in Omnisend as sent; `given`: and members by this target."""

    def forget(self, segment: str, emails: Iterable[str]) -> None:
        """These are not members any more."""

    def flush(self) -> None:
        """Have all that on the disk."""

    def count(self, segment: str) -> int:
        """How many members this target made."""

    def begin_seen(self, segment: str, version: str | None = None) -> bool:
        """No member has been seen yet; False if an earlier run left this version half seen."""

    def see(self, segment: str, emails: Collection[str]) -> None:
        """These are in the source."""

    def end_seen(self, segment: str) -> None:
        """The members that left are dealt with."""

    def count_leavers(self, segment: str, besides: Collection[str] = ()) -> int:
        """How many members were not seen, besides some."""

    def set_version(self, segment: str, version: str) -> bool:
        """Read this version from here on; members that were seen stay seen.

        False if an earlier run left this version half seen.
        """

    def feeds(self, segment: str) -> set[Feed]:
        """Each stream and loader that ever fed the segment."""

    def add_feed(self, segment: str, stream: str, loader: str) -> None:
        """Remember, durably, that this stream and loader feed the segment."""

    def set_feeds(self, segment: str, feeds: Iterable[Feed]) -> None:
        """Remember these, and no others."""

    def leavers(self, segment: str, size: int = 250) -> Iterator[list[str]]:
        """The members that were not seen; they can be forgotten as they come."""

    def names(self) -> list[str]:
        """The segments that it knows."""
