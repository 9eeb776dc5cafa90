"""Thirty random days: after each, Omnisend has whom the source has, as the source has them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from support.command import record, schema
from support.rehearsal import KILL, Rehearsal

from omnisend_sandbox.faults import Fault

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 30
COLUMNS = schema(name={"type": "string"})


class Story:
    """A source that changes by chance, and what Omnisend should have of it."""

    def __init__(self, folder: Path, seed: int, membership: str, mirror_on: str) -> None:
        self.night = Rehearsal(folder)
        self.night.store.seed(
            [
                {
                    "email": "theirs@example.com",
                    "tags": ["VIP"],
                    "customProperties": {"segment_vip": True},
                }
            ]
        )
        self.random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.membership = membership
        self.settings = {
            "ledger_url": f"sqlite:///{folder}/{seed}.db",
            "membership": membership,
            "sync_mode": "mirror",
            "mirror_on": mirror_on,
            "max_removed_percent": 90,  # by chance the source may become small
            "max_rejected_percent": 100,
            "mapping": {"email": "email", "first_name": "name"},
        }
        self.source = {f"p{n}": "Ada" for n in range(60)}
        self.version = 0
        self.days = self.died = self.removed = 0

    def change(self) -> None:
        chance = self.random
        for person in chance.sample(sorted(self.source), chance.randrange(12)):
            del self.source[person]
        for n in chance.sample(range(120), chance.randrange(15)):
            self.source[f"p{n}"] = chance.choice(["Ada", "Eve"])

    def export(self, refused: set[str]) -> Any:
        """Run until it is through; it may die on the way."""
        while True:
            chance = self.random
            self.version += 1
            dies = chance.random() < 0.25
            cut = chance.randrange(len(self.source)) if dies and chance.random() < 0.5 else None
            messages: list[Any] = [COLUMNS]
            for at, (person, name) in enumerate(self.source.items()):
                value: Any = 5 if person in refused and at % 2 else name
                one = record(f"{person}@example.com", name=value)
                messages.append({**one, "version": self.version})
                messages += [KILL] if at == cut else []
            messages.append(
                {"type": "ACTIVATE_VERSION", "stream": "members", "version": self.version}
            )
            late = chance.uniform(0.2, 4.0) if dies and cut is None else float("inf")
            ran = self.night(*messages, kill_after=late, **self.settings)
            if ran.code == 0:
                return ran
            assert ran.code == -9, ran.log
            self.died += 1

    def day(self) -> None:
        self.days += 1
        self.change()
        known = self.members()
        refused = set(self.random.sample(sorted(self.source), self.random.randrange(4)))
        pattern = "|".join(f"^{person}@" for person in refused) or "^nobody"
        self.night.store.faults.clear()
        self.night.store.faults.add(Fault("item_refused", email=pattern, code=422))
        ran = self.export(refused)
        self.removed += ran.counts["removed"]
        doubtful = "removed no member" in ran.log
        here, there = set(self.source), self.members()
        stayed = (known - here) if doubtful else set()
        assert there - refused - stayed == here - refused
        assert (there & refused) == (known & refused), "a refused record changes no membership"
        for person in here - refused:
            contact = self.night.store.contacts[f"{person}@example.com"]
            assert contact.first_name == self.source[person]

    def members(self) -> set[str]:
        night = self.night
        found = night.tagged() if self.membership == "tag" else night.marked()
        assert "theirs" in found
        return found - {"theirs"}


@pytest.mark.parametrize(
    ("membership", "mirror_on"),
    [
        ("tag", "activate_version"),
        ("property", "end_of_stream"),
        pytest.param("tag", "end_of_stream", marks=pytest.mark.slow),
        pytest.param("property", "activate_version", marks=pytest.mark.slow),
    ],
)
def test_thirty_days(tmp_path: Path, membership: str, mirror_on: str) -> None:
    story = Story(tmp_path, 7, membership, mirror_on)
    for _ in range(DAYS):
        story.day()
    assert story.died > 3
    assert story.removed > 30
