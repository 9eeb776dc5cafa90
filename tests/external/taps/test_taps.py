"""Taps from PyPI feed the target through Meltano: files and a view in PostgreSQL."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from support.checkout import ROOT
from support.project import MELTANO, copy_of_checkout, sandbox_process
from support.shop import TABLE, VIEW, Shop, members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

NEWER = ("tap-postgres--newer", "target-omnisend--vip")
WHOLE = ("tap-postgres", "target-omnisend--vip")
VERSIONS = ("tap-postgres--versions", "target-omnisend--vip")
STATE = "dev:tap-postgres--newer-to-target-omnisend--vip"
SEGMENTS = ROOT / "docs" / "segments.md"
SHEET = """
import openpyxl
book = openpyxl.Workbook()
book.active.title = "Visitors"
for row in (
    ["Mail", "First name", "Born", "Visits"],
    ["  Ada@Example.com", "Ada", "1990-01-02", 3],
    ["bea@example.com", None, None, 1],
    ["no address", "Cy", None, 1],
):
    book.active.append(row)
book.save("lists/fair.xlsx")
"""

pytestmark = [
    pytest.mark.timeout(900),  # installs from the package index
    pytest.mark.skipif(MELTANO is None, reason="no meltano: run the nox session taps"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    copy = copy_of_checkout(tmp_path_factory.mktemp("taps") / "a shop's project")
    file = copy.folder / "meltano.yml"
    text = file.read_text()
    file.write_text(f"include_paths: [tests/external/taps/taps.meltano.yml]\n{text}")
    copy.meltano("install")
    memory = copy.folder / ".meltano"
    shutil.copy(memory / "meltano.db", memory / "installed.db")
    return copy


@pytest.fixture
def shop(installed: Project, postgres: str) -> Iterator[Shop]:
    """Nothing has run yet, and nobody is in the warehouse."""
    shutil.rmtree(installed.folder / "output", ignore_errors=True)
    memory = installed.folder / ".meltano"
    shutil.copy(memory / "installed.db", memory / "meltano.db")
    server = conninfo_to_dict(postgres)
    lines = []
    for tap, database in (("TAP_POSTGRES", "DATABASE"), ("TAP_POSTGRES__VERSIONS", "DBNAME")):
        access = {name: server[name.lower()] for name in ("HOST", "PORT", "USER")}
        access |= {"PASSWORD": "any", database: server["dbname"]}
        lines += [f"{tap}_{name}={value}\n" for name, value in access.items()]
    (installed.folder / ".env").write_text("".join(lines))
    with sandbox_process() as sandbox:
        made = Shop(installed, sandbox, postgres)
        made.sql(TABLE)
        made.sql(VIEW)
        yield made


# -- a view in PostgreSQL --------------------------------------------------------------


def test_only_what_is_newer_than_the_state_is_read_again(shop: Shop) -> None:
    shop.customers(range(12))
    shop.run(*NEWER)
    assert shop.report()["accepted"] == 12
    ada = shop.sandbox.contacts()["member3@example.com"]
    assert (ada["tags"], ada["firstName"], ada["birthdate"]) == (["VIP"], "Ada", "1990-01-02")
    assert ada["customProperties"] == {
        "lifetimeValue": 10.75,
        "favourites": ["tea", "cakes"],
        "profile": '{"size":"M"}',
    }
    assert "2026-11-01T00:11:00" in shop.project.meltano("state", "get", STATE)

    shop.customers(range(20, 22))
    shop.sql("""
        UPDATE crm.customers SET first_name = 'Bea', spent = 99, updated_at = '2026-11-02'
        WHERE id = 3
    """)
    shop.run(*NEWER)

    # The bookmark itself is read once more, as every such tap does.
    assert shop.counts("received", "accepted", "unchanged") == (4, 3, 1)
    assert shop.tagged("VIP") == members(range(12)) | members(range(20, 22))
    bea = shop.sandbox.contacts()["member3@example.com"]
    assert (bea["firstName"], bea["customProperties"]["lifetimeValue"]) == ("Bea", 99)
    assert "2026-11-02T00:00:00" in shop.project.meltano("state", "get", STATE)


def test_a_row_that_is_gone_loses_the_tag_when_its_tap_says_that_all_have_come(shop: Shop) -> None:
    mirror: dict[str, Any] = {"sync_mode": "mirror"}
    shop.customers(range(10))
    shop.run(*VERSIONS, **mirror)
    assert shop.tagged("VIP") == members(range(10))

    shop.sql("DELETE FROM crm.customers WHERE id = 4")
    shop.sql("UPDATE crm.customers SET vip = false WHERE id = 7")
    shop.sql("UPDATE crm.customers SET first_name = 'Bea' WHERE id = 1")
    shop.run(*VERSIONS, **mirror)
    assert shop.counts("received", "accepted", "unchanged", "removed") == (8, 1, 7, 2)
    assert shop.tagged("VIP") == members(range(10)) - {"member4", "member7"}
    contacts = shop.sandbox.contacts()
    assert len(contacts) == 10
    assert contacts["member1@example.com"]["firstName"] == "Bea"


def test_a_tap_that_only_announces_its_version_needs_the_end_of_the_input(shop: Shop) -> None:
    announce: dict[str, Any] = {"sync_mode": "mirror"}
    shop.customers(range(10))
    shop.run(*WHOLE, **announce)
    shop.sql("UPDATE crm.customers SET vip = false WHERE id IN (4, 7)")

    output = shop.run(*WHOLE, **announce)
    assert "its ACTIVATE_VERSION came before its records" in output
    assert shop.tagged("VIP") == members(range(10))

    mirror: dict[str, Any] = {"sync_mode": "mirror", "mirror_on": "end_of_stream"}
    (careful,) = re.findall(r"^meltano invoke .+ && .+$", SEGMENTS.read_text(), re.MULTILINE)
    careful = careful.replace("tap-yours", WHOLE[0]).replace("target-omnisend", WHOLE[1])
    shop.command("sh", "-ec", careful.replace("meltano", shlex.quote(str(MELTANO))), **mirror)
    assert shop.counts("removed") == (2,)
    assert shop.tagged("VIP") == members(range(10)) - {"member4", "member7"}

    shop.sql("UPDATE crm.customers SET vip = false WHERE id < 4")
    output = shop.run(*WHOLE, code=1, **mirror)
    assert "more than max_removed_percent (20 %)" in output
    assert "exit code 6" in output
    assert len(shop.tagged("VIP")) == 8


# -- files -----------------------------------------------------------------------------


def test_each_list_of_a_file_tap_is_a_segment(shop: Shop) -> None:
    lists = shop.project.folder / "lists"
    lists.mkdir(exist_ok=True)
    (lists / "newsletter.csv").write_text(
        "E-Mail,Vorname,PLZ\nada@example.com,Ada,01067\nDora@example.com,Dörte,9990\n"
    )
    python = ".meltano/extractors/tap-spreadsheets/venv/bin/python"
    subprocess.run([shop.project.folder / python, "-c", SHEET], cwd=shop.project.folder, check=True)

    output = shop.run("tap-spreadsheets", "target-omnisend--lists")

    assert shop.tagged("Newsletter 2026") == {"ada", "dora"}
    assert shop.tagged("Trade fair") == {"ada", "bea"}
    contacts = shop.sandbox.contacts()
    assert contacts["ada@example.com"]["postalCode"] == "01067"
    assert contacts["ada@example.com"]["customProperties"] == {"visits": 3}
    assert contacts["dora@example.com"]["firstName"] == "Dörte"
    assert "1 rejected" in output


# -- a mapper between ------------------------------------------------------------------


def test_a_mapper_in_between_filters_renames_and_changes(shop: Shop) -> None:
    mapping = '{"email": "email", "first_name": "first_name"}'
    shop.run("tap-jsonl", "gold-members", "target-omnisend", mapping=mapping)

    contacts = shop.sandbox.contacts()
    assert shop.tagged("gold") == {email.split("@")[0] for email in contacts}
    assert 0 < len(contacts) < 380
    names = [contact.get("firstName", "") for contact in contacts.values()]
    assert any(names)
    assert names == [name.upper() for name in names]
