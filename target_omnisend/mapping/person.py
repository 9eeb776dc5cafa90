"""Whether a text, or what is in a record, names a person by the address."""

from __future__ import annotations

import re
import typing as t

from target_omnisend.mapping.address import email_key


class Person:
    """A person by the e-mail address, in whatever case it is written."""

    def __init__(self, address: str) -> None:
        """Take the address as it is typed.

        Raises:
            ValueError: when it is not an address: any text of a record could contain it.
        """
        self.email = email_key(address)
        local, at, domain = self.email.rpartition("@")
        if not (local and at and domain) or any(map(str.isspace, self.email)):
            raise ValueError("not an address")
        # Not within another address: ann@example.com in joann@example.com, or before .br.
        self._inside = re.compile(
            rf"(?<![\w.+%-]){re.escape(self.email)}(?![\w-]|\.\w)", re.IGNORECASE
        )

    def is_in(self, value: t.Any) -> bool:
        """Whether a value of JSON names the person, at any depth."""
        waiting = [value]
        while waiting:
            match waiting.pop():
                case str(text):
                    if self._is_named_by(text):
                        return True
                case dict() as named:
                    waiting += [*named.keys(), *named.values()]
                case list() as several:
                    waiting += several
        return False

    def _is_named_by(self, text: str) -> bool:
        return "@" in text and (
            self._inside.search(text) is not None or email_key(text) == self.email
        )
