"""docs/from-an-export.md and docs/from-customer-insights.md, done to their ends by a reader."""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.checkout import copy_checkout
from support.docs import USUAL_PORT, Reader, blocks_of
from support.project import MELTANO, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

ME = "tests/external/taps/test_from_an_export.py"
PAGES = ("docs/from-an-export.md", "docs/from-customer-insights.md")

pytestmark = [
    pytest.mark.timeout(900),  # installs from the package index
    pytest.mark.skipif(MELTANO is None, reason="no meltano: run the nox session taps"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader has made in the clone: `my-segments`."""
    folder = tmp_path_factory.mktemp("reader")
    copy_checkout(folder / "target-omnisend")
    blocks = [block for block in blocks_of(PAGES[0]) if block.is_for(ME)]
    (copy,) = (block.text for block in blocks if "cp -r" in block.text)
    subprocess.run(["/bin/bash", "-euc", copy], cwd=folder / "target-omnisend", check=True)
    stand_ins = folder / "my-segments" / "stand-ins"
    stand_ins.mkdir()
    (stand_ins / "meltano").symlink_to(str(MELTANO))
    return folder / "my-segments"


@pytest.fixture(scope="module")
def seen(project: Path) -> dict[str, dict[str, Any]]:
    """The contacts in Omnisend once a reader has done what the page of exports says."""
    blocks = [block for block in blocks_of(PAGES[0]) if "cp -r" not in block.text]
    seen: dict[str, dict[str, Any]] = {}

    def look(site: str) -> None:
        seen.update(Sandbox(site).contacts())

    Reader(project, runner=ME).read(blocks, look)
    return seen


def test_four_exports_become_six_segments(seen: dict[str, dict[str, Any]]) -> None:
    tags = Counter(tag for contact in seen.values() for tag in contact["tags"])
    whole = ("Shopify customers", "HubSpot contacts", "Salesforce contacts", "Salesforce leads")
    assert tags == {**dict.fromkeys(whole, 47), "High value": 46, "Churn prone": 13}
    shopper = seen["george.oneill@example.net"]
    assert (shopper["postalCode"], shopper["countryCode"]) == ("EC1A 1BB", "GB")
    assert shopper["phone"] == ["+442079460110"], "without the apostrophe"
    assert shopper["customProperties"] == {
        "totalSpent": 1353.29,
        "totalOrders": 1,
        "shopifyTags": ["newsletter"],
        "acceptsEmailMarketing": True,
    }
    contact = seen["hugo.moreau@example.org"]
    assert contact["birthdate"] == "1990-05-27", "from 27/05/1990"
    assert contact["customProperties"]["contactSince"] == "2025-11-24T06:39:00Z"
    assert contact["customProperties"]["favouriteCategories"] == ["Books", "Sale"]
    consents = {one["status"] for one in seen.values() if "High value" in one["tags"]}
    assert consents == {"subscribed", "unsubscribed", "nonSubscribed"}
    others = {one["status"] for one in seen.values() if "High value" not in one["tags"]}
    assert others == {"nonSubscribed"}


@pytest.mark.usefixtures("seen")  # its page goes on where the other ends
def test_the_files_of_customer_insights_are_sent_as_its_page_says(project: Path) -> None:
    variables = {
        "TARGET_OMNISEND_API_URL": f"http://127.0.0.1:{USUAL_PORT}/api",
        "TARGET_OMNISEND_API_KEY": "sandbox-key",
        "TARGET_OMNISEND_DATA_PRIVACY_CONSENT": "true",
    }
    Reader(project, runner=ME, variables=variables).read(blocks_of(PAGES[1]))
