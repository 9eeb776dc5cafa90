"""The kinds of `rejects_path`."""

from __future__ import annotations

from pathlib import Path

import pytest

from target_omnisend.config.rejects_path import folder_of, is_url, rejects_path_problems

FOLDERS = {
    "target-omnisend-rejects/": "target-omnisend-rejects",
    "/var/rejects": "/var/rejects",
    "./ledger": "ledger",
    "file:///var/our%20rejects": "/var/our rejects",
    "local:///var/rejects": "/var/rejects",
    "C:/rejects": "C:/rejects",
}
URLS = [
    "s3://bucket",
    "s3://bucket/a/b c/",
    "gs://bucket/rejects",
    "abfs://container@account.dfs.core.windows.net/rejects",
    "sftp://me@host:22/rejects",
    "memory://rejects",
]
BAD = [
    "s3://",
    "s3:///rejects",
    "sftp://me:s3cret@host/rejects",
    "sftp://me:1234@host/rejects",
    "https://host/rejects?sig=s3cret",
    "simplecache::s3://bucket/rejects",
    "s3://bucket/rejects#s3cret",
]


@pytest.mark.parametrize(("path", "folder"), FOLDERS.items())
def test_a_folder(path: str, folder: str) -> None:
    assert (is_url(path), folder_of(path)) == (False, Path(folder))
    assert rejects_path_problems({"rejects_path": path}) == []


@pytest.mark.parametrize("path", URLS)
def test_the_url_of_a_folder(path: str) -> None:
    assert is_url(path)
    assert rejects_path_problems({"rejects_path": path}) == []


@pytest.mark.parametrize("path", BAD)
def test_a_url_that_can_hold_a_secret_or_names_no_folder(path: str) -> None:
    (problem,) = rejects_path_problems({"rejects_path": path})
    assert "should be a folder, 'ledger', or the URL of a folder" in problem
    assert "s3cret" not in problem


def test_the_ledger_needs_its_url() -> None:
    assert rejects_path_problems({"rejects_path": "ledger", "ledger_url": "sqlite:///x"}) == []
    assert rejects_path_problems({"rejects_path": "ledger"}) == [
        "Setting 'rejects_path: ledger' needs 'ledger_url'."
    ]
