"""Rejected records in a table beside the ledger, for machines that keep no files."""

from __future__ import annotations

import json
import typing as t
from collections import defaultdict
from hashlib import blake2b

from target_omnisend.ledger.kept import Row
from target_omnisend.output.rejected import (
    IN_LEDGER,
    keys_of,
    read,
    rejection,
    stream_of,
    with_rejection,
)

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from target_omnisend.delivery.model import Entry
    from target_omnisend.ledger.ledger import Ledger
    from target_omnisend.output.rejected import Reason, Where

AT_ONCE: t.Final = 1_000
"""Rows that wait for a state; so many are written at once, asked for or not."""


class LedgerRejects:
    """Keeps each rejected record once, until Omnisend has what a newer version of it says.

    A record that comes later stands for a kept one with the same `rejection.id`, with the same
    key properties, or of the same person. One that has neither key properties nor an address is
    recognised by all of its values.
    """

    def __init__(
        self,
        ledger: Callable[[], Ledger | None],
        run_id: str,
        utc_now: Callable[[], dt.datetime],
    ) -> None:
        """Keep records in the ledger that is open when the first one comes."""
        self._ledger = ledger
        self._run_id = run_id
        self._utc_now = utc_now
        self._number = 0
        self._rows: dict[str, Row] = {}
        self._schemas: dict[str, str] = {}
        self._gone: set[str] = set()
        self._known: Known | None = None
        self._again: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    @property
    def where(self) -> Where:
        """The ledger."""
        return IN_LEDGER

    def check(self, seconds: float) -> None:
        """Find nothing more out: the opening of the ledger shows the right to write."""

    def add(
        self,
        schema: bytes,
        line: bytes,
        *,
        segment: str = "",
        email: str | None = None,
        **reason: t.Unpack[Reason],
    ) -> None:
        """Append the record that `line` holds, in place of the row that it comes from.

        Raises:
            RunFailed: when the database fails.
        """
        self._drop_sent(segment, email, line)
        key = key_of(segment, schema, line, email)
        self._drop(self._kept.take(key))
        row = self._row(schema, line, segment, email or "", key, reason)
        self._rows[row.token] = row
        self._kept.add(row.token, key, segment, row.email)
        if len(self._rows) >= AT_ONCE:
            self.sync()

    def sync(self) -> None:
        """Have what changed in the database, before a state passes it.

        Raises:
            RunFailed: when the database fails.
        """
        ledger = self._ledger()
        if ledger is not None and (self._rows or self._gone):
            used = {row.digest for row in self._rows.values()}
            schemas = {one: text for one, text in self._schemas.items() if one in used}
            ledger.kept.change(self._gone, self._rows.values(), schemas)
            self._rows.clear()
            self._schemas.clear()
            self._gone.clear()

    def sent_again(self, line: bytes, segment: str, email: str) -> None:
        """A record that was printed is on its way again, and makes a contact of this person."""
        if token := _token(line):
            self._again[segment, email].append(token)

    def settled(self, entries: Iterable[Entry]) -> None:
        """Delete the rows of these records: Omnisend has what they say.

        Raises:
            RunFailed: when the database fails.
        """
        if not (self._kept.tokens or self._again):
            return
        for entry in entries:
            self._settle(entry, entry.origin.segment.name)
        if len(self._gone) >= AT_ONCE:
            self.sync()

    def _settle(self, entry: Entry, segment: str) -> None:
        for token in self._kept.of_person(segment, entry.email):
            self._drop(token)
        if entry.line is not None:
            line = bytes(entry.line)
            self._drop_sent(segment, entry.email, line)
            if self._kept.tokens:
                key = key_of(segment, entry.origin.schema, line, entry.email)
                self._drop(self._kept.take(key))

    def _drop_sent(self, segment: str, email: str | None, line: bytes) -> None:
        """Delete the row that was printed as this record, and those that it replaced on its way."""
        if not (own := _token(line)):
            return
        sent = self._again.get((segment, email or ""), [])
        number = sent.index(own) + 1 if own in sent else 0
        for token in (*sent[:number], own):
            self._drop(token)
        del sent[:number]

    def _drop(self, token: str | None) -> None:
        if token and self._rows.pop(token, None) is None:  # else it was not written yet
            self._gone.add(token)

    def _row(
        self, schema: bytes, line: bytes, segment: str, email: str, key: str, reason: Reason
    ) -> Row:
        self._number += 1
        token = f"{self._run_id}-{self._number}"
        digest, now = _hash(schema), self._utc_now()
        self._schemas[digest] = _text(schema.strip())
        message = with_rejection(line, rejection(reason, now, id=token))
        return Row(
            token=token,
            at=int(now.timestamp()),
            number=self._number,
            segment=segment,
            stream=stream_of(schema),
            email=_text(email.encode("utf-8", "surrogatepass")).replace("\0", ""),
            key=key,
            digest=digest,
            message=_text(message),
        )

    @property
    def _kept(self) -> Known:
        """The rows that are there; read when first needed."""
        if self._known is None:
            self._known = Known()
            if ledger := self._ledger():
                for row in ledger.kept.known():
                    self._known.add(*row)
        return self._known


class Known:
    """The tokens of rows, by what a record is recognised by.

    Attributes:
        tokens: by key.
    """

    def __init__(self) -> None:
        """Know no row."""
        self.tokens: dict[str, str] = {}
        self._people: dict[tuple[str, str], set[str]] = {}

    def add(self, token: str, key: str, segment: str, email: str) -> None:
        """There is a row."""
        self.tokens[key] = token
        if email:
            self._people.setdefault((segment, email), set()).add(token)

    def take(self, key: str) -> str | None:
        """The row with a key, which goes."""
        return self.tokens.pop(key, None)

    def of_person(self, segment: str, email: str) -> Iterable[str]:
        """The rows of a person, which go."""
        return self._people.pop((segment, email), ())


def key_of(segment: str, schema: bytes, line: bytes, email: str | None) -> str:
    """The hash by which a record of a stream is recognised."""
    of_stream = [segment, stream_of(schema)]
    try:
        record = read(line)["record"]
        keys = keys_of(schema)
        value: t.Any = email or record
        if keys and all(record.get(key) is not None for key in keys):
            value = [record[key] for key in keys]
        return _hash(json.dumps([*of_stream, value], sort_keys=True).encode())
    except (ValueError, RecursionError):  # a number of 5,000 digits, say
        return _hash(json.dumps([*of_stream, email or line.hex()]).encode())


def _token(line: bytes) -> str | None:
    if b'"rejection"' not in line:
        return None
    try:
        given = read(line).get("rejection")
    except (ValueError, RecursionError):
        return None
    token = given.get("id") if isinstance(given, dict) else None
    return token if isinstance(token, str) else None


def _hash(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


def _text(line: bytes) -> str:
    """A line for a database, which takes no half characters: they become their escapes."""
    return line.decode("utf-8", "surrogatepass").encode("utf-8", "backslashreplace").decode()
