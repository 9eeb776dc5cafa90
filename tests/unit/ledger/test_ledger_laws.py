"""The ledger against two dictionaries: what is flushed, and what is there now."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from target_omnisend.ledger import Ledger
from target_omnisend.ledger.journal import Sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Members = dict[str, dict[str, tuple[bytes, bool]]]

SEGMENT = st.sampled_from(["VIP", "Lapsed"])
EMAILS = st.lists(st.sampled_from([f"{name}@example.com" for name in "abcdefgh"]), unique=True)
SMALL = Sizes(keys=3, page=3, unwritten=9, unmerged=5)
FINGERPRINT = st.sampled_from([b"1" * 16, b"2" * 16])


class Model(RuleBasedStateMachine):
    """Rules are what the engine does; a crash is one of them."""

    new_url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.url = self.new_url()
        self.now: Members = defaultdict(dict)
        self.flushed: list[Members] = [{}]  # what a crash may leave behind, and nothing else
        self.seen: dict[str, set[str]] = {}
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(
            self.url,
            brand="brand",
            utc_now=lambda: dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
            sizes=SMALL,
        )

    def changed(self) -> None:
        self.flushed.append({segment: dict(members) for segment, members in self.now.items()})

    @rule(segment=SEGMENT, emails=EMAILS, fingerprint=FINGERPRINT, given=st.booleans())
    def confirm(self, segment: str, emails: list[str], fingerprint: bytes, given: bool) -> None:  # noqa: FBT001
        self.ledger.confirm(segment, [(email, fingerprint) for email in emails], given=given)
        members = self.now[segment]
        for email in emails:
            members[email] = (fingerprint, given or members.get(email, (b"", False))[1])
        self.seen.get(segment, set()).update(emails)
        self.changed()

    @rule(segment=SEGMENT, emails=EMAILS)
    def forget(self, segment: str, emails: list[str]) -> None:
        self.ledger.forget(segment, emails)
        for email in emails:
            self.now[segment].pop(email, None)
        self.changed()

    @rule()
    def flush(self) -> None:
        self.ledger.flush()
        self.flushed = self.flushed[-1:]

    @rule()
    def reopen(self) -> None:
        self.flush()
        self.ledger.close()
        self.seen.clear()
        self.open()

    @rule()
    def crash(self) -> None:
        self.ledger._database.close()
        self.seen.clear()
        self.open()
        there = {name: self.look(name) for name in ("VIP", "Lapsed")}
        possible = [
            {name: dict(members.get(name, {})) for name in there} for members in self.flushed
        ]
        assert there in possible
        self.now = defaultdict(dict, there)
        self.flushed = []
        self.changed()

    @rule(segment=SEGMENT)
    def begin_seen(self, segment: str) -> None:
        self.ledger.begin_seen(segment)
        self.seen[segment] = set()

    @rule(segment=SEGMENT, looked_up=EMAILS, emails=EMAILS)
    def see(self, segment: str, looked_up: list[str], emails: list[str]) -> None:
        if segment in self.seen:
            self.ledger.known(segment, looked_up)
            self.ledger.see(segment, emails)
            # Whom the ledger does not know is seen once confirmed.
            self.seen[segment].update(set(emails) & self.now[segment].keys())

    @rule(segment=SEGMENT, emails=EMAILS)
    def known(self, segment: str, emails: list[str]) -> None:
        members = self.now[segment]
        assert self.ledger.known(segment, emails) == {
            email: members[email][0] for email in emails if email in members
        }

    @rule(segment=SEGMENT)
    def leavers(self, segment: str) -> None:
        if segment in self.seen:
            left = self.given(segment) - self.seen[segment]
            assert self.ledger.count_leavers(segment) == len(left)
            pages = list(self.ledger.leavers(segment, 2))
            assert sorted(left) == [email for page in pages for email in page]

    @rule()
    def segments(self) -> None:
        counts = {name: len(self.given(name)) for name in sorted(self.now)}
        assert dict(self.ledger.segments()) == {name: n for name, n in counts.items() if n}

    @rule(segment=SEGMENT)
    def members(self, segment: str) -> None:
        pages = list(self.ledger.members(segment, 3))
        assert sorted(self.given(segment)) == [email for page in pages for email in page]

    def given(self, segment: str) -> set[str]:
        return {email for email, (_, given) in self.now[segment].items() if given}

    def look(self, segment: str) -> dict[str, tuple[bytes, bool]]:
        everybody = [f"{name}@example.com" for name in "abcdefgh"]
        given = {email for page in self.ledger.members(segment) for email in page}
        known = self.ledger.known(segment, everybody)
        return {email: (mark, email in given) for email, mark in known.items()}

    def teardown(self) -> None:
        self.ledger.close()


def test_the_ledger_is_a_dictionary_that_survives(
    new_url: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    machine = type("Machine", (Model,), {"new_url": staticmethod(new_url)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25 if "sqlite" in request.node.name else 6,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
