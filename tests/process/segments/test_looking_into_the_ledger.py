"""The SQL of docs/segments.md, as it stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from support.command import people, record, schema
from support.docs import blocks_of
from support.rehearsal import Rehearsal

if TYPE_CHECKING:
    from pathlib import Path


def test_the_examples(tmp_path: Path, url: str) -> None:
    night = Rehearsal(tmp_path)
    night(schema(), *people(2), record("ada@example.com"), ledger_url=url)
    (looking,) = (b for b in blocks_of("docs/segments.md") if b.language == "sql")
    members, sqlite, postgres = looking.text.split(";")[:3]
    here = url.replace("postgresql:", "postgresql+psycopg:")
    engine = sa.create_engine(here, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.execute(sa.text(members)).one()[1:] == ("VIP", 3)
        own = sqlite if url.startswith("sqlite") else postgres
        found = connection.execute(sa.text(own)).one()
    assert (found.name, found.given, found.confirmed is not None) == ("VIP", 1, True)
