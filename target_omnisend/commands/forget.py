"""`forget`: erase every local trace of a person. Omnisend is not asked and not changed."""

from __future__ import annotations

import sys
import typing as t
from collections import Counter
from contextlib import closing

import click

from target_omnisend.commands.closing import end_of_command, noting
from target_omnisend.config.rejects_path import LEDGER, folder_of, is_url
from target_omnisend.mapping.person import Person
from target_omnisend.output.erasing import Folder, erase
from target_omnisend.output.object_store import ObjectStore
from target_omnisend.output.rejected import read

if t.TYPE_CHECKING:
    from target_omnisend.commands.session import Session


def person_of(address: str) -> Person:
    """The person of the command line; `-` stands for a line of standard input.

    Raises:
        click.UsageError: when that is not an address.
    """
    if address == "-":
        address = sys.stdin.readline() if sys.stdin is not None else ""
    try:
        return Person(address.strip())
    except ValueError:
        raise click.UsageError(
            "--forget needs an e-mail address, or - and the address on standard input."
        ) from None


def forget(session: Session, person: Person) -> int:
    """Erase a person from the ledger and from the rejects; the exit code.

    The session does not begin, because no call is made.
    """
    found: Counter[str] = Counter()
    with noting(session.outcome):
        if session.settings.ledger_url is not None:
            _forget_in_ledger(session, session.settings.ledger_url, person, found)
        session.interrupt.check()
        _forget_in_files(session.settings.rejects_path, person, found)
    places = ", ".join(f"{number} {kind}" for kind, number in found.items())
    kinds = f" ({places})" if places else ""
    return end_of_command(
        session,
        f"The person was in {found.total()} places{kinds}",
        "nothing of that is left here; Omnisend was not changed",
    )


def _forget_in_ledger(session: Session, url: str, person: Person, found: Counter[str]) -> None:
    from target_omnisend.ledger import ErasingLedger, brands_of  # noqa: PLC0415 - takes its time

    for brand in brands_of(url):
        session.interrupt.check()
        with closing(ErasingLedger(url, brand=brand, utc_now=session.utc_now)) as ledger:
            found.update(ledger.erase(person.email, lambda text: person.is_in(_message(text))))
            ledger.overwrite()


def _forget_in_files(path: str, person: Person, found: Counter[str]) -> None:
    if path == LEDGER:
        return
    stored = ObjectStore(path) if is_url(path) else Folder(folder_of(path))
    if number := erase(stored, person.is_in):
        found["rejected records"] += number


def _message(text: str) -> t.Any:
    try:
        return read(text.encode())
    except (ValueError, RecursionError):  # a number of 5,000 digits, say
        return text
