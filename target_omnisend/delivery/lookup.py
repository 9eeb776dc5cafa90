"""A look-up: the contact that Omnisend has for one address."""

from __future__ import annotations

import typing as t

from target_omnisend.api.answers import Answer, Kind, as_list
from target_omnisend.api.budget import Endpoint
from target_omnisend.delivery.exchange import Ask
from target_omnisend.mapping.address import email_key

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_omnisend.delivery.exchange import Exchange


class Finding(t.NamedTuple):
    """The result of a look-up.

    Attributes:
        contact: as Omnisend returned it; None if Omnisend has none, or if that is not known.
        fault: why it is not known, for the log and without personal data; empty if it is known.
        forbidden: it is not known because the key cannot read contacts.
    """

    contact: Mapping[str, t.Any] | None
    fault: str = ""
    forbidden: bool = False

    @property
    def is_known(self) -> bool:
        """Whether Omnisend said if it has the contact."""
        return not self.fault

    @property
    def is_absent(self) -> bool:
        """Whether Omnisend said that it has no such contact."""
        return self.contact is None and self.is_known


def look_up(email: str, *, wait: float = 0.0) -> Exchange[Finding]:
    """Look one person up, by the e-mail in its one form; the first call is due in `wait` seconds.

    A look-up never ends a run. If its call is forbidden, or goes on failing, the finding is not
    known. `Exchanges.start` needs a `wait` of 0.
    """
    answer = yield Ask(
        Endpoint.READ_CONTACTS, lambda api: api.find_contact(email), optional=True, wait=wait
    )
    return read_finding(email, answer)


def read_finding(email: str, answer: Answer) -> Finding:
    """The finding that an answer to `Api.find_contact` holds."""
    if answer.kind is not Kind.DONE:
        fault = answer.fault or "no answer"
        return Finding(None, fault, forbidden=answer.kind is Kind.FORBIDDEN)
    listed = as_list(answer.body["contacts"])
    for contact in listed:
        if isinstance(contact, dict) and email in _addresses(contact):
            return Finding(contact)
    # A list without this person proves nothing: the filter was not applied.
    return Finding(None, "a list of other contacts" if listed else "")


def _addresses(contact: Mapping[str, t.Any]) -> Iterator[str]:
    """The addresses of a contact, each in its one form."""
    identifiers = [one for one in as_list(contact.get("identifiers")) if isinstance(one, dict)]
    emails = [one.get("id") for one in identifiers if one.get("type") == "email"]
    return (email_key(one) for one in (contact.get("email"), *emails) if isinstance(one, str))
