# ruff: noqa: F811, RUF001  (imported fixtures are asked for by their names; Chinese stops)
"""Limits edited in place: a cell of the admin's table, its form, and what comes back."""

from __future__ import annotations

import html
import json
import re

import pytest

from room.plans.authority import Actor
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from tests.unit.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    console,
    put,
    store,
)

HX = {"HX-Request": "true"}
CELL = "admin/cell/class/a/gpus"


def save(console: Console, csrf: str, path: str = CELL, **form: str) -> tuple[str, str]:
    """Save a cell as htmx does; return it, and what the page is told."""
    answer = console.client.post(
        PREFIX + path, data={"value": "", "until": "", "seen": "", **form},
        headers={**HX, "X-CSRF-Token": csrf},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text), answer.headers.get("HX-Trigger", "")


def fields(page: str) -> dict[str, str]:
    """Return what a form's fields hold."""
    found = re.findall(r'name="(\w+)"[^>]*?value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def test_a_cell_becomes_a_form_with_what_is_set_and_what_would_hold_without_it(
    console: Console,
) -> None:
    put(console, "room", gpus="1")
    put(console, "class/a", gpus="3")
    console.plans.set(
        [Setting(subject("user/alice"), KEYS["gpus"], "5", console.plans.clock().replace(day=28))],
        Actor("root"),
    )
    console.sign_in("root")
    page = console.get(CELL, headers=HX)
    assert fields(page)["value"] == fields(page)["seen"] == "3"
    assert fields(page)["until"] == ""
    assert "Where nothing is set: 1, because of: the room (set by root)." in page
    page = console.get("admin/cell/user/alice/gpus", headers=HX)
    assert fields(page)["value"] == "5"
    assert fields(page)["until"] == "2026-11-28 15:00"
    assert fields(page)["seen"] == "5 until 2026-11-28 15:00"
    assert "Where nothing is set: 3, because of: class a (set by root)." in page
    page = console.get("admin/cell/user/bob/gpus", headers=HX)
    assert fields(page)["value"] == ""
    # What a script did not ask for is the row's own page.
    assert console.client.get(PREFIX + CELL).headers["location"].endswith("/class/a#rule-gpus")


def test_a_saved_cell_is_a_cell_again_and_says_so(console: Console) -> None:
    session = console.sign_in("root")
    cell, told = save(console, session.csrf, value="2")
    assert "<form" not in cell
    assert 'class="own"' in cell
    assert "2: change GPUs at once of a" in cell
    assert json.loads(told)["plan-changed"]["others"] is True
    assert console.plans.settings()[subject("class/a"), "gpus"].text == "2"
    _cell, told = save(console, session.csrf, "admin/cell/user/alice/gpus", value="4")
    assert json.loads(told)["plan-changed"]["others"] is False
    cell, _told = save(console, session.csrf, seen="2", value="", until="tomorrow")
    assert 'class="own"' not in cell
    assert list(console.plans.settings()) == [(subject("alice"), "gpus")]
    # It is left as it was.
    assert "<form" not in console.get(f"{CELL}/shown", headers=HX)


@pytest.mark.parametrize("value", ["-1", "1e309", "NaN", "<b>", "two"])
def test_a_wrong_value_is_said_in_the_cell_beside_what_was_typed(
    console: Console, value: str
) -> None:
    session = console.sign_in("root")
    cell, told = save(console, session.csrf, value=value, until="friday")
    assert "does not fit: write a whole number from 0 to 1000" in cell
    assert 'aria-invalid="true"' in cell
    assert f'value="{value}"' in cell
    assert 'value="friday"' in cell
    assert told == ""
    assert console.plans.history() == ()


def test_the_second_of_two_admins_is_told_what_the_first_wrote(console: Console) -> None:
    session = console.sign_in("root")
    save(console, session.csrf, value="1")
    cell, told = save(console, session.csrf, value="2")
    assert "gpus of class/a is 1 now, and was not set when you looked" in cell
    assert told == ""
    assert fields(cell)["value"] == "2"
    assert console.plans.settings()[subject("class/a"), "gpus"].text == "1"
    # What they have seen by now, they may overwrite.
    save(console, session.csrf, value="2", seen=fields(cell)["seen"])
    assert console.plans.settings()[subject("class/a"), "gpus"].text == "2"
    assert len(console.plans.history()) == 2


def test_an_end_that_somebody_else_has_set_meanwhile_is_not_lost(console: Console) -> None:
    session = console.sign_in("root")
    save(console, session.csrf, value="1")
    save(console, session.csrf, value="1", until="2026-12-18", seen="1")
    cell, _told = save(console, session.csrf, value="2", seen="1")
    assert "gpus of class/a is 1 until 2026-12-18 now, and was 1 when you looked" in cell
    page = console.get(CELL, headers=HX)
    assert (fields(page)["until"], fields(page)["seen"]) == ("2026-12-18", "1 until 2026-12-18")
    # Its own form keeps the end, and so does the row's own page.
    save(console, session.csrf, value="2", until="2026-12-18", seen="1 until 2026-12-18")
    row = console.get("admin/limits/class/a")
    assert 'name="until" size="10" value="2026-12-18"' in row
    assert 'name="seen" value="2 until 2026-12-18"' in row


@pytest.mark.parametrize("login", ["tina", "alice"])
@pytest.mark.parametrize("path", [CELL, f"{CELL}/shown", "admin/cell/user/alice/gpus"])
def test_cells_are_for_admins(console: Console, login: str, path: str) -> None:
    console.sign_in(login)
    console.get(path, 404, headers=HX)


@pytest.mark.parametrize(
    "path", ["class/a/gpuz", "room/x/gpus", "user/alice/priority", "user/alice/gpu_pot"]
)
def test_what_nobody_can_have_is_no_cell(console: Console, path: str) -> None:
    console.sign_in("root")
    console.get(f"admin/cell/{path}", 404, headers=HX)


def test_a_cell_sent_after_the_session_ended_is_kept_and_sent_again(console: Console) -> None:
    session = console.sign_in("root")
    console.hub.out.add("root")
    sent = console.client.post(
        PREFIX + CELL,
        data={"value": "3", "until": "", "seen": ""},
        headers={**HX, "X-CSRF-Token": session.csrf},
    )
    assert sent.status_code == 401
    console.hub.out.clear()
    again = re.search(r"again/[^&]+", sent.headers["hx-redirect"].replace("%2F", "/"))
    assert again is not None
    session = console.sign_in("root")
    form = fields(console.get(again[0]))
    del form["_csrf"]
    console.post(session, CELL, **form)
    assert console.plans.settings()[subject("class/a"), "gpus"].text == "3"
    assert "is 3 now" in html.unescape(console.post(session, CELL, 409, **form))


def test_a_cell_is_refused_in_the_reader_s_language(console: Console) -> None:
    session = console.sign_in("root")
    put(console, "class/a", gpus="1")
    headers = {**HX, "X-CSRF-Token": session.csrf, "Accept-Language": "zh-CN"}
    for value, words in (
        ("two", "gpus：&#39;two&#39; 不符合要求：请填写0 到 1000 的整数"),
        ("2", "class/a 的 gpus 现在是 1，您查看时是 未设置"),
    ):
        answer = console.client.post(
            PREFIX + CELL, data={"value": value, "until": "", "seen": ""}, headers=headers
        )
        assert words in answer.text
    page = console.client.get(f"{PREFIX}admin/limits/class/a", headers=headers).text
    assert "班级 a（由 root 设置）" in page
    assert "未设置 → 1" in page
    assert "(set by" not in page
