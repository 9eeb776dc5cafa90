"""A Meltano project with taps from PyPI, a table of customers, and a local Omnisend."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from support.project import MELTANO

if TYPE_CHECKING:
    from support.project import Project, Sandbox

TABLE = """
    DROP SCHEMA IF EXISTS crm CASCADE;
    CREATE SCHEMA crm;
    CREATE TABLE crm.customers (
        id integer PRIMARY KEY,
        email text,
        first_name varchar(40),
        born date,
        spent numeric(10, 2),
        favourites text[],
        profile jsonb,
        vip boolean NOT NULL DEFAULT true,
        updated_at timestamptz NOT NULL
    );
"""
VIEW = """
    CREATE OR REPLACE VIEW crm.vip AS
    SELECT id, email, first_name, born, spent, favourites, profile, updated_at
    FROM crm.customers WHERE vip
"""


@dataclass(frozen=True)
class Shop:
    """The project, its warehouse and its Omnisend; nothing has run yet."""

    project: Project
    sandbox: Sandbox
    database: str

    def run(self, *plugins: str, code: int = 0, **settings: object) -> str:
        """Run Meltano with taps, mappers and targets; its output."""
        return self.command(str(MELTANO), "run", *plugins, code=code, **settings)

    def command(self, *command: str, code: int = 0, **settings: object) -> str:
        """Run any command with the settings of a target; its output."""
        done = self.project.try_(
            *command,
            api_url=f"{self.sandbox.site}/api",
            api_key="sandbox-key",
            data_privacy_consent="true",
            **settings,
        )
        assert (done.returncode, "Traceback" in done.stdout) == (code, False), done.stdout
        assert "@example.com" not in done.stdout
        return done.stdout

    def sql(self, statement: str, *values: object) -> None:
        """Change the warehouse."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statement.encode(), values)

    def customers(self, numbers: range, *, spent: int = 10) -> None:
        """Add customers, each changed a minute after the one before; VIPs all."""
        add = """
            INSERT INTO crm.customers
            SELECT n, 'member' || n || '@example.com', 'Ada', '1990-01-02', %s + n / 4.0,
                   ARRAY['tea', 'cakes'], '{"size": "M"}', true,
                   timestamptz '2026-11-01T00:00:00Z' + n * interval '1 minute'
            FROM generate_series(%s::integer, %s) AS n
        """
        self.sql(add, spent, numbers.start, numbers.stop - 1)

    def tagged(self, tag: str) -> set[str]:
        """Who has a tag, by the part before the @."""
        contacts = self.sandbox.contacts()
        return {name.split("@")[0] for name, contact in contacts.items() if tag in contact["tags"]}

    def report(self) -> dict[str, Any]:
        """The totals of the last run to the segment of VIPs."""
        text = (self.project.folder / "output" / "vip.json").read_text()
        return dict(json.loads(text)["totals"])

    def counts(self, *names: str) -> tuple[int, ...]:
        """Some of them."""
        return tuple(self.report()[name] for name in names)


def members(numbers: range) -> set[str]:
    return {f"member{n}" for n in numbers}
