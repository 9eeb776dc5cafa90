"""Rejected records in an object store: numbered files, each complete."""

from __future__ import annotations

import typing as t

from target_omnisend.errors import RunFailed
from target_omnisend.output.rejected import Schemas, in_store, rejection, with_rejection

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from target_omnisend.output.object_store import ObjectStore
    from target_omnisend.output.rejected import Reason, Where

LARGE: t.Final = 4_000_000
"""Bytes of rejected records that wait for a state; then they go into a file of their own."""


class StoredRejects:
    """`<folder>/<UTC start>-<run id>-00001.jsonl`, and so on.

    A file goes to the store before a state passes its records. It is Singer input by itself.
    """

    def __init__(
        self,
        store: ObjectStore,
        run_id: str,
        utc_now: Callable[[], dt.datetime],
        *,
        large: int = LARGE,
    ) -> None:
        """Name the files; nothing is written yet. `large` bytes do not wait for a state."""
        self._large = large
        self._store = store
        self._name = f"{utc_now():%Y%m%dT%H%M%SZ}-{run_id}"
        self._utc_now = utc_now
        self._schemas = Schemas()
        self._lines: list[bytes] = []
        self._size = 0
        self._written = 0
        self._failure: RunFailed | None = None

    @property
    def where(self) -> Where | None:
        """The pattern of their names; None before the first file is written."""
        pattern = f"{self._store.url}/{self._name}-*.jsonl"
        return in_store(pattern) if self._written else None

    def check(self, seconds: float) -> None:
        """Find out within so many seconds whether the store takes a file.

        Raises:
            RunFailed: when it does not.
        """
        self._store.check(seconds)

    def add(
        self,
        schema: bytes,
        line: bytes,
        *,
        segment: str = "",  # noqa: ARG002 - the stream is enough
        email: str | None = None,  # noqa: ARG002 - the same
        **reason: t.Unpack[Reason],
    ) -> None:
        """Append the record that `line` holds, under the SCHEMA message `schema`.

        Raises:
            RunFailed: when the store does not take it.
        """
        message = with_rejection(line, rejection(reason, self._utc_now()))
        lines = [*self._schemas.before(schema), message]
        self._schemas.wrote(schema)
        self._lines += lines
        self._size += sum(map(len, lines))
        if self._size >= self._large:
            self.sync()

    def sync(self) -> None:
        """Have what was appended in the store, before a state passes it.

        After a failure nothing is tried any more, so that no state ever passes what is lost.

        Raises:
            RunFailed: when the store does not take it.
        """
        if self._failure is not None:
            raise self._failure
        if not self._lines:
            return
        text = b"\n".join([*self._lines, b""])
        try:
            self._store.write(f"{self._name}-{self._written + 1:05}.jsonl", text)
        except RunFailed as failure:
            self._failure = failure
            raise
        self._written += 1
        self._lines.clear()
        self._schemas.clear()
        self._size = 0

    def sent_again(self, line: bytes, segment: str, email: str) -> None:
        """Keep the files as they are: their owner deletes them."""

    def settled(self, entries: Iterable[object]) -> None:
        """Keep the files as they are."""
