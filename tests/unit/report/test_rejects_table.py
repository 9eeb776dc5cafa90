"""The rejects file as a table that a spreadsheet opens."""

from __future__ import annotations

import csv
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_omnisend.report.rejects_table import MAX_ROWS, make_table, table_path

if TYPE_CHECKING:
    from pathlib import Path

WHY = {"code": "email_invalid", "field": "email", "message": "The address has no @."}


def _rejects(folder: Path, *records: dict[str, Any] | bytes) -> Path:
    file = folder / "20261122T030405Z-1.jsonl"
    lines = [b'{"type": "SCHEMA", "stream": "members", "schema": {}, "key_properties": []}']
    for one in records:
        message = {"type": "RECORD", "stream": "members", "record": one, "rejection": WHY}
        lines.append(one if isinstance(one, bytes) else json.dumps(message).encode())
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_it_has_a_row_for_each_record_and_a_column_for_each_of_theirs(tmp_path: Path) -> None:
    file = _rejects(tmp_path, {"email": "x", "name": 'Zoë, "Z"'}, {"email": None, "age": 7})
    path = make_table(file)
    assert path == table_path(file) == tmp_path / "20261122T030405Z-1.csv"
    first, second = _read(path)
    assert first["rejected because"].startswith("The e-mail column holds")
    assert (first["rejection code"], first["stream"]) == ("email_invalid", "members")
    assert (first["email"], first["name"], first["age"]) == ("x", 'Zoë, "Z"', "")
    assert (second["email"], second["name"], second["age"]) == ("", "", "7")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, file.name]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_begins_a_formula(tmp_path: Path, start: str) -> None:
    formula = f"{start}HYPERLINK(1)"
    file = _rejects(tmp_path, {"email": formula, formula: f"a;{formula}"})
    (row,) = _read(make_table(file))
    assert row["email"] == f"'{formula}"
    assert row[f"'{formula}"] == f"a;'{formula}"  # where a semicolon parts cells


@settings(max_examples=30)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["email", "=n", "\t"]), st.text(max_size=9) | st.integers(), max_size=2
        ),
        max_size=3,
    )
)
def test_whatever_the_values_no_cell_begins_a_formula(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]]
) -> None:
    path = make_table(_rejects(tmp_path_factory.mktemp("t"), *records))
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(records) + 1
    assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r"))]


def test_odd_lines_are_read_as_far_as_they_can_be(tmp_path: Path) -> None:
    half = b'{"type": "RECORD", "stream": "s", "record": {"email": "\\ud800", "n": 1e999}}'
    file = _rejects(tmp_path, half, b"[1]", b"no JSON", b'{"type": "RECORD", "record": []}')
    rows = _read(make_table(file))
    assert [row["email"] for row in rows] == ["?", ""]


def test_a_table_holds_as_many_rows_as_a_spreadsheet_takes(tmp_path: Path) -> None:
    assert len(_read(make_table(_rejects(tmp_path, {}, {}, {}), most=2))) == 2
    assert MAX_ROWS < 2**20  # Excel's specifications and limits


def test_it_is_made_anew_over_an_older_one_and_follows_no_link(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("theirs")
    (tmp_path / "20261122T030405Z-1.csv").symlink_to(other)
    (tmp_path / "20261122T030405Z-1.csv.tmp").symlink_to(other)
    path = make_table(_rejects(tmp_path, {"email": "x"}))
    assert (len(_read(path)), path.is_symlink(), other.read_text()) == (1, False, "theirs")
