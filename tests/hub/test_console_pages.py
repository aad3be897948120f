# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""Every page of the console, as each role sees it: both languages, light and dark, wide and narrow.

What each page does is shown beside, in a file of its own; here is that it is there for whom it is,
reads well for everyone, and is nowhere for the others.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.hub.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    chrome,
    console,
    page_of,
    violations,
)

CLASS = ("class/ml101", "class/ml101/usage")
TEACHING = (
    "class/ml101/slips",
    "class/ml101/rehearsals",
    "class/ml101/lessons",
    "class/ml101/environment",
)
ADMIN = (
    "admin",
    "admin/limits/class/ml101",
    "admin/limits/user/alice",
    "admin/people",
    "admin/people/alice",
    "admin/roster",
    "admin/history",
    "admin/audit",
    "admin/usage",
    "admin/gpus",
    "admin/queue",
    "admin/doctor",
)
#: Who → which pages are theirs, beside *My room*.
SEES = {
    "alice": (),
    "asta": CLASS,
    "tina": (*CLASS, *TEACHING),
    "root": (*CLASS, *TEACHING, *ADMIN),
}
EVERY = (
    *CLASS,
    *TEACHING,
    *ADMIN,
    "class/dl202",
    "class/dl202/slips",
    "class/dl202/rehearsals",
    "class/dl202/lessons",
    "class/dl202/environment",
    "class/dl202/usage",
    "class/nowhere",
    "nowhere",
)
#: By day at a desk, and by night on a phone.
DESK = {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}
PHONE = {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}
NOT_HERE = {
    "en-US": "There is no such page, or it is not yours.",
    "zh-CN": "没有这个页面，或者它不属于您。",  # noqa: RUF001
}


@pytest.fixture(scope="module", autouse=True)
def assistant(console: Console) -> None:
    console.hub.people.add("asta", ["ml101"], role="assistant")


@pytest.mark.parametrize("look", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("login", list(SEES))
def test_a_role_s_pages_read_well_for_everyone(
    page_of: Any, login: str, locale: str, look: dict[str, Any]
) -> None:
    page = page_of(login, locale, **look)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    for path in ("", *SEES[login]):
        answer = page.goto(PREFIX + path)
        assert answer.status == 200, path
        assert page.locator("html").get_attribute("lang") == locale.replace("en-US", "en")
        assert page.get_by_role("heading", level=1).count() == 1, path
        assert violations(page) == [], path
        # What is wider than a phone scrolls by itself, and not the page with it.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert errors == []


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("login", ["alice", "asta", "tina"])
def test_what_is_not_a_role_s_is_at_no_address_and_in_no_link(
    page_of: Any, login: str, locale: str
) -> None:
    page = page_of(login, locale)
    for path in ("", *SEES[login]):
        page.goto(PREFIX + path)
        links = page.locator("a").evaluate_all("all => all.map((each) => each.href)")
        inside = {each.partition(PREFIX)[2] for each in links if PREFIX in each}
        assert not {each for each in inside if each in set(EVERY) - set(SEES[login])}
        assert "Carol" not in page.locator("body").inner_text()
    for path in EVERY:
        if path in SEES[login]:
            continue
        answer = page.goto(PREFIX + path)
        assert answer.status == 404, path
        assert NOT_HERE[locale] in page.locator("main").inner_text()
    assert violations(page) == []
