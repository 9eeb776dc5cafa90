"""Make docs/images/report.png: the page of a real run against the local Omnisend.

It takes two minutes, needs chromium, and runs with the environment of the tests:
`PYTHONPATH=tests:. python scripts/show_report.py`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from support.browser import running_browser

from bench import tools

IMAGE = Path(__file__).resolve().parent.parent / "docs" / "images" / "report.png"
MEMBERS = 60_000


def main() -> None:
    """Export a segment of which a few are rejected, and look at what the run says of itself."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = folder / "members.jsonl"
        text = tools.write_members(folder / "all", MEMBERS).read_text(encoding="utf-8")
        for number in range(0, MEMBERS, 80):
            text = text.replace(f'"member{number}@example.com"', '"member at example"', 1)
        for number in range(40, MEMBERS, 400):
            text = text.replace(f'"member{number}@example.com"', "null", 1)
        lines.write_text(text, encoding="utf-8")
        report = folder / "report.json"
        with tools.sandbox("--latency", "0.08", "--batch-latency", "20") as url:
            config = tools.write_config(
                folder / "config.json",
                url,
                membership="property",
                segment="VIP customers",
                rejects_path=str(folder / "rejects"),
                report_path=str(report),
            )
            tools.run(["-m", "target_omnisend", "--config", str(config)], lines)
        page_path = report.with_suffix(".html")
        shown = page_path.read_text(encoding="utf-8").replace(str(folder), "output")
        page_path.write_text(shown, encoding="utf-8")
        with running_browser() as browser:
            page = browser.new_page(viewport={"width": 1000, "height": 900})
            page.goto(page_path.as_uri())
            IMAGE.parent.mkdir(exist_ok=True)
            page.screenshot(path=IMAGE, full_page=True)
    print(f"{IMAGE} is made")


if __name__ == "__main__":
    main()
