"""What a reader sees: in chromium, narrow and wide, light and dark, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from support.browser import running_browser
from support.reports import REPORTS, refusals

from target_omnisend.report.page import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (390, 1280)
TOO_FAR = """() => [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5
        && !e.closest("thead") && !e.closest("svg"))
    .map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.mark.parametrize("make", REPORTS)
def test_it_renders_in_silence_and_nothing_overflows_and_everybody_can_read_it(
    browser: Browser, tmp_path: Path, make: Callable[[], dict[str, Any]]
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(make()), encoding="utf-8")
    said: list[str] = []
    asked: list[str] = []
    for scheme in SCHEMES:
        for width in WIDTHS:
            with browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme
            ) as context:
                page = context.new_page()
                page.on("console", lambda message: said.append(message.text))
                page.on("pageerror", lambda error: said.append(str(error)))
                page.on("request", lambda request: asked.append(request.url))
                page.goto(file.as_uri())
                assert page.locator("h1").count() == 1
                assert page.locator("details[open]").count() == 0
                page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                assert page.evaluate("document.documentElement.scrollWidth") == width
                assert page.evaluate(TOO_FAR) == []
                assert (said, set(asked)) == ([], {file.as_uri()})  # axe may say what it likes
                found = Axe().run(page)
                assert found.violations_count == 0, found.generate_report()


def test_it_prints_on_white_paper_in_a_dark_room(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(refusals()), encoding="utf-8")
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(file.as_uri())
        assert page.pdf(format="A4").startswith(b"%PDF")
        page.emulate_media(media="print", color_scheme="dark")
        style = page.evaluate(
            "(({backgroundColor: paper, color: ink}) => [paper, ink])"
            "(getComputedStyle(document.body))"
        )
        assert style == ["rgb(255, 255, 255)", "rgb(26, 33, 48)"]


def test_it_says_the_same_without_scripts(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(refusals()), encoding="utf-8")
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        assert page.locator("h1").inner_text() == "Done, but 22 records were rejected"
        folded = page.get_by_role("table").count()
        for summary in page.locator("summary").all():
            summary.click()
        assert (folded, page.get_by_role("table").count()) == (4, 6)
        assert page.get_by_role("img", name="1,800 contacts were confirmed").count() == 1
