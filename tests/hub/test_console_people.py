# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""People, rosters and the audit in a browser, as an admin uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.guard import SESSION
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    Console,
    chrome,
    console,
    page_of,
    violations,
)

#: As a spreadsheet of an older system saves it: no UTF-8, semicolons.
ROSTER = "Login;Name;Class\nzoe;Zoë Müller;ml101\nalice;;ml101\n".encode("windows-1252")
#: Beyond ASCII, as a browser makes it longest.
ROWS = 2_000
LONG_ROSTER = "login,class,name\n" + "".join(
    f"student{number:05},ml101,欧阳小梅\n" for number in range(ROWS)
)
DO = {"en-US": "Do exactly this", "zh-CN": "就这样执行"}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_admin_imports_a_file_and_finds_who_is_new(
    console: Console, page_of: Any, locale: str, tmp_path: Path
) -> None:
    if console.hub.people.find("zoe"):
        console.hub.people.remove("zoe")
    (tmp_path / "class.csv").write_bytes(ROSTER)
    page = page_of("root", locale, "admin/roster")
    assert violations(page) == []
    page.locator("input[type=file]").set_input_files(tmp_path / "class.csv")
    page.wait_for_function("document.getElementById('roster').value.includes('Zo')")
    expected = "Zoë Müller" if locale == "en-US" else "Zo"
    assert expected in page.locator("#roster").input_value()
    page.locator("form button.primary").last.click()
    row = page.locator("tr", has_text="zoe")
    row.wait_for()
    assert violations(page) == []
    assert console.hub.people.find("zoe") is None, "only looked at"
    page.get_by_role("button", name=DO[locale]).click()
    page.get_by_role("status").wait_for()
    assert "ml101" in console.hub.people.get("zoe").enrolled
    page.goto(page.url.replace("admin/roster", "admin/people?q=zoe"))
    assert violations(page) == []
    page.locator("tbody a").first.click()
    page.wait_for_url("**/admin/people/zoe")
    assert violations(page) == []
    page.locator("button[value=keep-out]").click()
    page.locator("button[value=let-in]").wait_for()
    assert violations(page) == []
    page.goto(page.url.partition("admin/")[0] + "admin/audit?q=zoe")
    assert "user-revoke" in page.locator("tbody").inner_text()
    assert violations(page) == []


@pytest.mark.parametrize("who", ["alice", "tina"])
def test_others_have_neither_the_links_nor_the_pages(
    console: Console, page_of: Any, who: str
) -> None:
    page = page_of(who)
    assert page.locator("a[href*='admin/']").count() == 0
    for path in ("people", "roster", "audit", "people/alice"):
        answer = page.goto(page.url.partition("console/")[0] + f"console/admin/{path}")
        assert answer.status == 404


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_long_roster_survives_the_end_of_the_session(
    console: Console, page_of: Any, locale: str
) -> None:
    page = page_of("root", locale, "admin/roster")
    page.locator("#roster").fill(LONG_ROSTER)
    page.context.clear_cookies(name=SESSION)
    page.locator("form button.primary").last.click()
    # The hub knows who it is, and asks for nothing.
    page.wait_for_url("**/console/again/*")
    assert LONG_ROSTER[:300] in page.locator("main").inner_text()
    assert violations(page) == []
    page.locator("main button.primary").click()
    page.wait_for_url("**/admin/roster")
    page.get_by_role("button", name=DO[locale]).wait_for()
    assert page.locator("section tbody tr").count() == ROWS
    assert console.hub.people.find("student00000") is None, "only looked at"


def test_a_roster_that_is_too_long_to_send_is_refused_in_words(
    console: Console, page_of: Any
) -> None:
    page = page_of("root", "zh-CN", "admin/roster")
    page.locator("#roster").fill("login\n" + "x" * 5 * 1024**2)
    page.locator("form button.primary").last.click()
    page.get_by_text("4 MiB").wait_for()
    assert violations(page) == []
