"""The SQL of docs/segments.md, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from fakes.command import people, record, schema
from fakes.rehearsal import Rehearsal

DOC = Path(__file__).parents[2] / "docs" / "segments.md"


def test_the_examples(tmp_path: Path, url: str) -> None:
    night = Rehearsal(tmp_path)
    night(schema(), *people(2), record("ada@example.com"), ledger_url=url)
    block = re.search(r"```sql\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert block is not None
    members, sqlite, postgres = block[1].split(";")[:3]
    here = url.replace("postgresql:", "postgresql+psycopg:")
    engine = sa.create_engine(here, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.execute(sa.text(members)).one()[1:] == ("VIP", 3)
        own = sqlite if url.startswith("sqlite") else postgres
        found = connection.execute(sa.text(own)).one()
    assert (found.name, found.given, found.confirmed is not None) == ("VIP", 1, True)
