# ruff: noqa: F811, RUF001  (imported fixtures are asked for by their names; Chinese stops)
"""Limits edited in place, in a browser, with the keyboard: the admin's table as people use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from room.plans.authority import Actor
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    Console,
    chrome,
    console,
    page_of,
    violations,
)
from tests.utils.wait import wait_until

CLASS, ALICE = "cell-class%2Fml101-gpus", "cell-user%2Falice-gpus"


@pytest.fixture(autouse=True)
def as_written(console: Console) -> Iterator[None]:
    """Nothing is set but what room.yaml says."""
    yield
    gone = [Setting(who, KEYS[key]) for who, key in console.plans.settings()]
    console.plans.set(gone, Actor("root"))


def cell(page: Any, id: str) -> Any:
    return page.locator(f"[id='{id}']")


def edit(page: Any, id: str) -> Any:
    """Open a cell with the keyboard; return its field, which has the focus."""
    cell(page, id).get_by_role("link").focus()
    page.keyboard.press("Enter")
    field = cell(page, id).locator("input[name=value]")
    field.wait_for()
    wait_until(lambda: field.evaluate("e => e === document.activeElement"), timeout=10)
    return field


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_admin_lowers_a_limit_in_its_cell_and_everyone_s_page_shows_it(
    console: Console, page_of: Any, locale: str
) -> None:
    page = page_of("root", locale, "admin")
    assert violations(page) == []
    edit(page, CLASS)
    assert violations(page) == []
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    cell(page, CLASS).get_by_role("alert").wait_for()
    field = cell(page, CLASS).locator("input[name=value]")
    assert field.input_value() == "two"
    assert violations(page) == []
    wait_until(lambda: field.evaluate("e => e === document.activeElement"), timeout=10)
    field.fill("2")
    page.keyboard.press("Enter")
    link = cell(page, CLASS).get_by_role("link")
    link.wait_for()
    assert link.inner_text() == "2"
    # Who works with the keyboard is where they were; who hears the page is told.
    wait_until(lambda: link.evaluate("e => e === document.activeElement"), timeout=10)
    assert page.locator("#notes .said").inner_text() != ""
    # What follows from it is there without a reload.
    wait_until(lambda: cell(page, ALICE).inner_text() == "2", timeout=10)
    assert violations(page) == []
    student = page_of("alice", locale)
    origin = "class ml101 (set by root)" if locale == "en-US" else "班级 ml101（由 root 设置）"
    row = student.locator("tr", has_text=origin)
    assert row.locator("td").first.inner_text() == "2"


def test_escape_leaves_a_cell_as_it_was_and_ticks_stay(console: Console, page_of: Any) -> None:
    page = page_of("root", path="admin")
    tick = page.locator("input[name=who][value='user/alice']")
    tick.check()
    before = cell(page, ALICE).inner_text()
    edit(page, ALICE).fill("7")
    page.keyboard.press("Escape")
    link = cell(page, ALICE).get_by_role("link")
    link.wait_for()
    assert link.inner_text() == before
    wait_until(lambda: link.evaluate("e => e === document.activeElement"), timeout=10)
    assert tick.is_checked()
    assert console.plans.settings() == {}
    # A cell by cell, then many at once.
    page.locator("#bulk select").select_option("gpus")
    page.locator("#bulk input[name=value]").fill("4")
    page.locator("#bulk button").click()
    page.wait_for_url("**/admin?said=changed")
    assert cell(page, ALICE).inner_text() == "4"


def test_two_admins_edit_the_same_cell_and_neither_loses_anything(
    console: Console, page_of: Any
) -> None:
    first, second = (page_of("root", path="admin") for _ in range(2))
    fields = [edit(page, ALICE) for page in (first, second)]
    fields[0].fill("1")
    first.keyboard.press("Enter")
    saved = cell(first, ALICE).get_by_role("link")
    saved.wait_for()
    # The keyboard is back where it was before it goes on.
    wait_until(lambda: saved.evaluate("e => e === document.activeElement"), timeout=10)
    # Meanwhile the class is changed, too: what is being edited stays.
    edit(first, CLASS).fill("5")
    first.keyboard.press("Enter")
    cell(first, CLASS).get_by_role("link").wait_for()
    fields[1].fill("2")
    second.keyboard.press("Enter")
    alert = cell(second, ALICE).get_by_role("alert")
    alert.wait_for()
    assert "gpus of user/alice is 1 now, and was not set when you looked" in alert.inner_text()
    field = cell(second, ALICE).locator("input[name=value]")
    assert field.input_value() == "2"
    assert console.plans.settings()[subject("alice"), "gpus"].text == "1"
    field.press("Enter")
    cell(second, ALICE).get_by_role("link").wait_for()
    assert console.plans.settings()[subject("alice"), "gpus"].text == "2"


def test_a_cell_that_is_edited_stays_while_another_is_saved(console: Console, page_of: Any) -> None:
    console.hub.people.add("bob", ["ml101"])
    page = page_of("root", path="admin")
    edit(page, ALICE).fill("3")
    edit(page, CLASS).fill("2")
    page.keyboard.press("Enter")
    bob = cell(page, "cell-user%2Fbob-gpus")
    wait_until(lambda: bob.inner_text() == "2", timeout=10)
    assert cell(page, ALICE).locator("input[name=value]").input_value() == "3"
    # Who is in another class has what they had.
    assert cell(page, "cell-user%2Fcarol-gpus").inner_text() == "no limit"


def test_what_fails_as_a_whole_is_said_and_what_was_typed_stays(
    console: Console, page_of: Any
) -> None:
    page = page_of("root", path="admin")
    field = edit(page, ALICE)
    field.fill("6")
    page.evaluate("document.body.setAttribute('hx-headers', '{\"X-CSRF-Token\": \"old\"}')")
    field.press("Enter")
    alert = page.locator("#notes [role=alert]")
    alert.wait_for()
    assert "This page is too old" in alert.inner_text()
    assert field.input_value() == "6"
    assert console.plans.settings() == {}
