# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""What was used, in the console: one's own, a class's, everybody's."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from room import usage, used
from room.accounting import Reading
from room.models import Owner
from room.store import Store
from room.store.usage_tables import sessions, use_days, use_readings
from room.usage import Ran
from tests.unit.test_console import NOW, Console, console, store  # noqa: F401  (fixtures)

GIB = 1024**3


@pytest.fixture(autouse=True)
def hours(console: Console, store: Store) -> Iterator[None]:
    """Alice has used something for class a today and last week, and bob for b."""
    began = NOW - timedelta(hours=4)
    ran = Ran("c1", Owner("alice"), "a", "cpu", 2.0, 4 * GIB, began, NOW)
    read = Reading("c1", "1", "e", NOW, 1.5 * 3600, 3 * GIB * 3600, 3.75 * 3600)
    week = timedelta(days=8)
    with store.decide() as connection:
        usage.note(connection, ran)
        usage.note(connection, replace(ran, container="c2", begin=began - week, end=NOW - week))
        usage.note(connection, replace(ran, container="c3", owner=Owner("bob"), group="b"))
        readings = [
            read,
            replace(read, container="c2", at=NOW - week, seen=4 * 3600),
            replace(read, container="c3", cpu=7200.0, seen=4 * 3600),
        ]
        used.record(connection, readings, console.plans.zone)
    yield
    with store.decide() as connection:
        for table in (sessions, use_days, use_readings):
            connection.execute(table.delete())


def rows(page: str) -> dict[str, list[str]]:
    """Return the figures of the page's lines, by what stands at the head of each."""
    found = {}
    for line in re.findall(r"<tr>.*?</tr>", page, re.DOTALL):
        figures = re.findall(r'<td class="figure">([^<]*)</td>', line)
        head = re.search(r'<th scope="row">(.*?)(?:<span|</th>)', line, re.DOTALL)
        if figures and head:
            found[html.unescape(head[1])] = figures
    return found


TODAY = ["0.00", "1.50", "8.00", "3.00", "16.00", "0.25"]
WITH_LAST_WEEK = ["0.00", "3.00", "16.00", "6.00", "32.00", "0.25"]
ALICE = "Alice <b>&amp;</b>"
ALL = ["0.00", "3.50", "16.00", "6.00", "32.00", "0.25"]
BOB = ["0.00", "2.00", "8.00", "3.00", "16.00", "0.00"]


def test_one_s_own_room_says_what_one_has_used(console: Console) -> None:
    console.sign_in("alice")
    assert rows(console.get("")) == {
        "Today": TODAY,
        "Last 7 days": TODAY,
        "Last 30 days": WITH_LAST_WEEK,
    }
    console.sign_in("tina")
    assert rows(console.get(""))["Last 30 days"] == ["0.00"] * 6


@pytest.mark.parametrize(
    ("login", "path", "expected"),
    [
        pytest.param("tina", "class/a/usage", {ALICE: TODAY, "In all": TODAY}, id="class"),
        pytest.param("asta", "class/a/usage?days=1", {ALICE: TODAY, "In all": TODAY}, id="today"),
        pytest.param(
            "root", "class/a/usage?days=30", {ALICE: WITH_LAST_WEEK, "In all": WITH_LAST_WEEK},
            id="month",
        ),
        pytest.param(
            "root", "admin/usage",
            {ALICE: TODAY, "bob": BOB, "In all": ALL},
            id="everybody",
        ),
        pytest.param(
            "root", "admin/usage?days=-1",
            {ALICE: TODAY, "bob": BOB, "In all": ALL},
            id="no-such-period-is-a-week",
        ),
        pytest.param("root", "class/nobody/usage", {}, id="nothing"),
    ],
)  # fmt: skip
def test_the_page_says_what_was_used(
    console: Console, login: str, path: str, expected: dict[str, list[str]]
) -> None:
    console.sign_in(login)
    page = console.get(path)
    assert rows(page) == expected
    assert ("Nothing was used." in page) == (not expected)


@pytest.mark.parametrize("path", ["class/a/usage", "class/a/usage.csv", "admin/usage.csv"])
@pytest.mark.parametrize("login", ["alice", "otto"])
def test_who_may_not_see_it_is_told_nothing(console: Console, login: str, path: str) -> None:
    console.sign_in(login)
    assert "alice" not in console.get(path, 404).replace('class="who">alice', "")


def test_as_csv_by_day(console: Console) -> None:
    console.sign_in("root")
    head, *lines = console.get("admin/usage.csv?days=30").lstrip("\ufeff").splitlines()
    assert head == (
        "Day,Class,User,GPU-hours,CPU-hours used,CPU-hours reserved,GiB-hours used,"
        "GiB-hours reserved,Hours unseen"
    )
    assert lines == [
        "2026-11-18,a,alice,0.0000,1.5000,8.0000,3.0000,16.0000,0.0000",
        "2026-11-26,a,alice,0.0000,1.5000,8.0000,3.0000,16.0000,0.2500",
        "2026-11-26,b,bob,0.0000,2.0000,8.0000,3.0000,16.0000,0.0000",
    ]
    assert console.get("class/b/usage.csv").splitlines()[1:] == [lines[-1]]


@pytest.mark.parametrize(
    ("login", "path", "logins"),
    [
        pytest.param("alice", "me/usage", ["alice"], id="own"),
        pytest.param("alice", "me/usage?days=30", ["alice", "alice"], id="own-month"),
        pytest.param("tina", "classes/a/usage", ["alice"], id="class"),
        pytest.param("root", "usage", ["alice", "bob"], id="everybody"),
        pytest.param("tina", "classes/b/usage", None, id="another-class"),
        pytest.param("tina", "usage", None, id="everybody-for-staff"),
        pytest.param("alice", "classes/a/usage", None, id="class-for-students"),
    ],
)
def test_as_json(console: Console, login: str, path: str, logins: list[str] | None) -> None:
    found = console.ask(login, "GET", path, 200 if logins is not None else 404)
    if logins is not None:
        assert isinstance(found, list)
        assert [each["login"] for each in found] == logins
        assert found[-1]["cpu_hours_used"] in (1.5, 2.0)
        assert found[-1]["gib_hours_used"] == pytest.approx(3)
        assert found[-1]["day"] == "2026-11-26"
