"""E-mail addresses: one form for all that is done with them."""

from __future__ import annotations

import unicodedata

import email_validator
import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

from target_omnisend.mapping import address
from target_omnisend.mapping.address import email_key


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("anna@example.com", "anna@example.com"),
        ("  Anna@Example.COM\n", "anna@example.com"),
        ("an\u200bna@example.com", "anna@example.com"),
        ("\ufeff anna@example.com\u202c ", "anna@example.com"),
        ("an\x00na@example.com\u00a0", "anna@example.com"),
        ("ĄNNA@example.com", "ąnna@example.com"),
        ("\u200b", ""),
    ],
)
def test_an_email_key_has_no_case_no_margins_and_nothing_invisible(written: str, key: str) -> None:
    assert address.email_key(written) == key


@given(st.text())
@example("\u200b \u200b")
@example("İ")
def test_the_key_of_a_key_is_itself(text: str) -> None:
    key = address.email_key(text)
    assert address.email_key(key) == key


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Anna@Example.com ", "anna@example.com"),
        ("o'hara+list@mail.example.co.uk", "o'hara+list@mail.example.co.uk"),
        ("anna@shop.test", "anna@shop.test"),
        ("ąnna@shop.test", "ąnna@shop.test"),
        ("\ufeff\tan\u00adna@exam\x00ple.com\r\n", "anna@example.com"),
        ("anna@exämple.com", "anna@exämple.com"),
        ("anna@xn--exmple-cua.com", "anna@xn--exmple-cua.com"),
        ("ąnna@example.com", "ąnna@example.com"),
        ("\uff41nna@example.com", "\uff41nna@example.com"),
        ("x" * 65 + "@example.com", "x" * 65 + "@example.com"),
        ("", ""),
        (" \u200b ", ""),
    ],
)
def test_an_address_is_normalised(written: str, form: str) -> None:
    assert address.email(written) == form


BAD_ADDRESSES = [
    "anna",
    "@example.com",
    "anna@",
    "anna@example",
    "anna@@example.com",
    "anna example@example.com",
    "anna..b@example.com",
    ".anna@example.com",
    "anna.@example.com",
    "anna@-example.com",
    "anna@example-.com",
    "anna@ab--cd.com",
    "anna@example..com",
    "anna@example.com.",
    "anna@example.123",
    "anna@[127.0.0.1]",
    '"anna b"@example.com',
    "Anna <anna@example.com>",
    "anna@localhost",
    "anna@shop.localhost",
    "anna@shop.invalid",
    "anna@shop.local",
    "anna@shop.onion",
    "anna@1.arpa",
    "anna@" + "a" * 64 + ".com",
    "a" * 243 + "@example.com",
    "anna@example.com\nb",
    "anna@example.com\u200b\tb",
    "anna@xn--a.com",
    "an\ud800na@example.com",
]


@pytest.mark.parametrize("written", BAD_ADDRESSES)
def test_what_is_no_address_is_told(written: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        address.email(written)


def _validated(text: str) -> str | None:
    try:
        return email_validator.validate_email(
            text, check_deliverability=False, test_environment=True
        ).normalized
    except email_validator.EmailNotValidError:
        return None


LOCALS = st.lists(st.text("az09!#$%&'*+/=?^_`{|}~-", min_size=1), min_size=1).map(".".join)
LABELS = st.lists(st.text("az09-", min_size=1), min_size=1).map(".".join)
ENDINGS = st.text("az", min_size=2) | st.sampled_from(email_validator.SPECIAL_USE_DOMAIN_NAMES)


def _is_ordinary(text: str) -> bool:
    return len(text) <= 64 and bool(address._ORDINARY_EMAIL.fullmatch(text))


@given(st.builds("{}@{}.{}".format, LOCALS, LABELS, ENDINGS).filter(_is_ordinary))
@settings(suppress_health_check=[HealthCheck.filter_too_much], deadline=None)
def test_the_fast_path_accepts_only_what_email_validator_leaves_unchanged(text: str) -> None:
    assert _validated(text) == text


ODD_LOCALS = st.text("aZ0.-_+'@\"( é\n", max_size=8)
ODD_LABELS = st.text("ab0-_.x n", max_size=6) | st.sampled_from(
    ["xn--", "xn--exmple-cua", "a" * 63]
)
ODD_ENDINGS = ENDINGS | st.sampled_from(["c", "1", "", "co-m", "com\n", "com.", "a.test"])


@given(
    st.builds("{}@{}.{}".format, ODD_LOCALS, ODD_LABELS, ODD_ENDINGS)
    | st.builds("{}@{}".format, st.just("a") | LOCALS, ODD_ENDINGS)
)
@settings(max_examples=500, deadline=None)
def test_near_the_edge_the_fast_path_agrees_with_email_validator(text: str) -> None:
    assert not _is_ordinary(text) or _validated(text) == text


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("İPEK@EXAMPLE.COM", "ipek@example.com"),
        ("I\u0307PEK@EXAMPLE.COM", "ipek@example.com"),
        ("i\u0307pek@example.com", "ipek@example.com"),  # as most software writes İ in lower case
        ("IŞIK@example.com", "işik@example.com"),
        ("\u0131şk@example.com", "\u0131şk@example.com"),
        ("zoe\u0308@example.com", "zoë@example.com"),
        ("ZOE\u0308@EXAMPLE.COM", "zoë@example.com"),
        ("zoe@xn--mnchen-3ya.example", "zoe@xn--mnchen-3ya.example"),
        ("ZOE@XN--MNCHEN-3YA.example", "zoe@xn--mnchen-3ya.example"),
        ("zoe@MU\u0308NCHEN.example", "zoe@münchen.example"),
        ("zoe@\uff4dail.example", "zoe@mail.example"),
        ("'zoe@example.com", "zoe@example.com"),
        (" ' Zoe@example.com", "zoe@example.com"),
        ("''zoe@example.com", "zoe@example.com"),
        ("'zoë@example.com", "zoë@example.com"),
        ("o'zoe'@example.com", "o'zoe'@example.com"),
        ("\u212aim@example.com", "\u212aim@example.com"),
        ("\u017fam@example.com", "\u017fam@example.com"),
        ("wei\u00dfe@example.com", "wei\u00dfe@example.com"),
        ("WEI\u1e9eE@example.com", "wei\u00dfe@example.com"),
        ("\uff54im@example.com", "\uff54im@example.com"),
        ("ΝΊΚΗ@example.com", "νίκη@example.com"),
        ("νίκος@example.com", "νίκος@example.com"),
        ("\u212bsa@example.com", "åsa@example.com"),
    ],
)
def test_an_address_is_sent_in_the_form_it_is_known_by(written: str, form: str) -> None:
    assert address.email(written) == form
    assert email_key(written) == form


@pytest.mark.parametrize("nothing", ["'", " ' ", "\u200b'"])
def test_a_mark_of_text_alone_is_not_an_address(nothing: str) -> None:
    assert address.email(nothing) == ""


def test_no_character_beyond_ascii_becomes_one_of_ascii_but_the_dotted_i() -> None:
    special = [
        c
        for c in map(chr, range(0x80, 0x11_0000))
        if not c.isspace()
        and unicodedata.category(c) not in {"Cc", "Cf"}
        and (c.casefold() != c or c.upper() != c or unicodedata.normalize("NFKC", c) != c)
    ]
    assert len(special) > 5_000
    assert [c for c in special if email_key(f"a{c}b@example.com").isascii()] == ["İ"]


LETTERS = st.characters(codec="utf-8") | st.sampled_from(
    "aI.'İ\u0131\u0307\u0301\u0328\u212a\u017fßΣς\u037e"
)
TEXTS = st.text(LETTERS, max_size=12)
ADDRESSES = (
    TEXTS
    | st.builds("{}@example.com".format, TEXTS)
    | st.builds("a{}@{}.com".format, TEXTS, st.text(LETTERS, min_size=1, max_size=6))
)


@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(ADDRESSES)
@example("İ\u0301@example.com")
@example("\u0130\u0307")
@example("\u212a@example.com")
@example("'\u200b'a@example.com")
@example("a@\u212a\u0307.com")
def test_what_is_sent_is_the_key_of_the_text_of_itself_and_of_its_echo(text: str) -> None:
    key = email_key(text)
    assert email_key(key) == key
    try:
        sent = address.email(text)
    except ValueError:
        reject()
    assert sent == key
    assert address.email(sent) == sent
    if unicodedata.normalize("NFC", sent) == sent:  # else it holds a sign that is like a letter
        assert email_key(unicodedata.normalize("NFD", sent)) == sent
    assert email_key(f" {sent}\u200b") == sent


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_of_ascii_only_case_margins_and_the_unseen_go(text: str) -> None:
    seen = "".join(c for c in text if c.isprintable())
    assert email_key(text) == seen.strip().lstrip(" '").lower()
