# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""Login slips in a browser: made by an instructor, printed, and good for a login."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hub.conftest import Browser
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    Console,
    chrome,
    console,
    page_of,
    violations,
)

WORDS = {
    "en-US": ("Login slips", "Works as long as you are in the room."),
    "zh-CN": ("登录条", "只要您还在本房间，链接就一直有效。"),  # noqa: RUF001
}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("who", ["tina", "root"])
def test_slips_are_chosen_printed_and_let_their_people_in(
    console: Console, page_of: Any, locale: str, who: str
) -> None:
    title, works = WORDS[locale]
    page = page_of(who, locale, "class/ml101")
    page.get_by_role("link", name=title, exact=True).click()
    page.wait_for_url("**/class/ml101/slips")
    assert violations(page) == []
    for box in page.locator("input[name=who]").all():
        box.uncheck()
    page.locator("button.primary").click()
    page.get_by_role("alert").wait_for()
    assert violations(page) == []
    page.locator("input[name=who][value=alice]").check()
    page.locator("button.primary").click()
    card = page.locator(".slips li")
    card.wait_for()
    assert "Alice" in card.inner_text()
    assert works in card.inner_text()
    assert violations(page) == []
    link = card.locator("code").inner_text()
    # On paper there are the cards alone, and a code is as large as it is to be scanned.
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("header.top").is_visible()
    assert not page.locator(".unprinted").is_visible()
    box = card.locator("svg").bounding_box()
    assert abs(box["width"] - 3 * 96 / 2.54) < 1
    page.emulate_media(media="screen")
    page.evaluate("window.print = () => { document.title = 'printed' }")
    page.locator("[data-print] button").click()
    page.wait_for_function("document.title === 'printed'")
    with Browser(console.hub) as browser:
        browser.log_in(link.partition("#token=")[2])
        assert browser.who() == "alice"


def test_nobody_s_link_is_made_by_who_may_not(console: Console, page_of: Any) -> None:
    before = console.hub.people.get("carol").links
    for who, path in (("tina", "class/dl202/slips"), ("alice", "class/ml101/slips")):
        page = page_of(who)
        assert page.goto(page.url + path).status == 404
        assert page.locator("a[href$='/slips']").count() == 0
    assert console.hub.people.get("carol").links == before
