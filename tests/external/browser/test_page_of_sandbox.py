"""The local Omnisend's page in chromium, with all that it can show: narrow, wide, light, dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from support.browser import running_browser
from support.calls import Caller, person
from support.sandbox import running_sandbox

from omnisend_sandbox.faults import KINDS, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (390, 1280)
TOO_FAR = """() => [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest("thead"))
    .map(e => e.outerHTML.slice(0, 80))"""
LONG = "a-name-without-a-gap-" * 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


def _full_store() -> Caller:
    call = Caller()
    more: dict[str, Any] = {
        "firstName": "Ada",
        "lastName": LONG,
        "phone": "+442079460110",
        "countryCode": "GB",
        "birthdate": "1990-05-27",
        "tags": ["VIP customers", LONG],
        "customProperties": {"tier": "gold", LONG[:100]: LONG},
    }
    call.store.seed([{"email": f"{LONG}{n}@example.com", **more} for n in range(30)])
    call.submit(person("bea@example.com"))
    call.store.faults.add(
        *(Fault(kind, field="phone" if kind == "refuses_field" else "") for kind in KINDS)
    )
    return call


def test_nothing_overflows_and_all_can_read_it(browser: Browser) -> None:
    with running_sandbox(_full_store().store) as sandbox:
        for scheme in SCHEMES:
            for width in WIDTHS:
                with browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme
                ) as context:
                    page = context.new_page()
                    page.goto(f"{sandbox.url}/?q=ada")
                    assert page.get_by_text("30 contacts match.").count() == 1
                    assert page.evaluate("document.documentElement.scrollWidth") == width
                    assert page.evaluate(TOO_FAR) == []
                    found = Axe().run(page)
                    assert found.violations_count == 0, found.generate_report()
