"""E-mail addresses: the one form that is sent, remembered and recognised in answers."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

MAX_EMAIL: Final = 254  # RFC 5321, as read by RFC 3696 erratum 1690

_ORDINARY_LENGTH: Final = 64
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]++"  # RFC 5322, 3.2.3
_ORDINARY_EMAIL = re.compile(
    rf"(?!'){_ATOM}(?:\.{_ATOM})*+"
    r"@(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)+"
    r"(?!(?:arpa|invalid|local|localhost|onion)\Z)[a-z]{2,}"
)
_is_ordinary = _ORDINARY_EMAIL.fullmatch
_MARKS = re.compile(r"[\s']+")
"""The apostrophe by which spreadsheets mark text, among white space."""

_DOTTED = re.compile("i\u0307+")

_LIKE_ASCII = re.compile("([\u037e\u1fef\u212a])")
"""The Greek question mark and varia and the Kelvin sign: the only characters that Unicode's
composition, or lower case, makes an ASCII one of."""


def is_ordinary_email(text: str) -> bool:
    """Whether an address is in its one form and fit to be delivered to beyond doubt."""
    return len(text) <= _ORDINARY_LENGTH and _is_ordinary(text) is not None


def email_key(text: str) -> str:
    """The one form of an address: sent, key of the ledger, and recognised in answers.

    Case, margins, invisible characters and the composition of accents do not count. Invisible
    characters made a live sync create the same contact on each run. Beyond these an address
    stays as it is written: no other person's address may come of it.

    Any text has a form, and the form of a form is itself.
    """
    if not text.isprintable():  # else it has neither control nor format characters
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cc", "Cf"})
    text = text.strip()
    if text.startswith("'"):
        text = _MARKS.sub("", text, count=1)
    return text.lower() if text.isascii() else _beyond_ascii(text)


def email_number(key: str) -> int:
    """A number of 64 bits that stands for an address, the same in each run.

    Two addresses of a million have one number with a chance of 1 in 37 million.
    """
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def email(text: str) -> str:
    """The address in its one form, or "" if nothing is left of the text.

    Ordinary addresses are recognised by one pattern, narrower than email-validator and without
    any form that it would change: at most 64 characters keep every part within its own limit.

    Raises:
        ValueError: not the syntax of an address that can be delivered to.
    """
    if is_ordinary_email(text):
        return text
    if not text.isprintable() and _has_words(text):
        raise ValueError("white space inside")  # its halves joined may be someone else's address
    key = email_key(text)
    if key and not is_ordinary_email(key):
        _check(key)
    return key


def _has_words(text: str) -> bool:
    return len("".join(c for c in text if unicodedata.category(c) != "Cf").split()) > 1


def _beyond_ascii(text: str) -> str:
    folded = "".join(
        part if _LIKE_ASCII.fullmatch(part) else _lower(part) for part in _LIKE_ASCII.split(text)
    )
    local, at, domain = folded.rpartition("@")
    if not at or domain.isascii() or len(domain) > MAX_EMAIL:
        return folded
    return f"{local}@{_domain(domain)}"


def _lower(text: str) -> str:
    """Lower case in composed characters; the dotted capital of Turkish becomes a plain i."""
    lower = _DOTTED.sub("i", unicodedata.normalize("NFC", text).lower())
    return unicodedata.normalize("NFC", lower)


def _domain(domain: str) -> str:
    """The domain that name servers would be asked for; full-width letters are plain there."""
    try:
        return _validated(f"a@{domain}").partition("@")[2].lower()
    except ValueError:
        return domain


def _check(key: str) -> None:
    if len(key) > MAX_EMAIL:
        raise ValueError("longer than any address may be")
    _validated(key)


def _validated(address: str) -> str:
    from email_validator import validate_email  # noqa: PLC0415  see normalize

    # A test environment only means that names under .test, reserved for trying, are let through.
    valid = validate_email(address, check_deliverability=False, test_environment=True)
    return valid.normalized
