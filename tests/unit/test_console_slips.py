# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""Login slips on the console: by whom, for whom, once, and in the audit."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from room import audit
from room.people import People
from room.person import Accepted
from room.store import Store
from tests.unit.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    console,
    store_with_people,
)

LINK = re.compile(r"<code>(https://room\.example/hub/login#token=\w+)</code>")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Links are made here: each test has its own people."""
    made = store_with_people(tmp_path)
    People(made).add("root", ["a"])
    People(made).add("otto", ["a"])
    yield made
    made.close()


@pytest.fixture
def people(store: Store) -> People:
    return People(store)


def make(console: Console, path: str, csrf: str, who: list[str], **form: str) -> tuple[int, str]:
    answer = console.client.post(PREFIX + path, data={"_csrf": csrf, "who": who, **form})
    return answer.status_code, html.unescape(answer.text)


def offered(page: str) -> list[str]:
    return re.findall(r'name="who" value="([^"]+)"', page)


def links(people: People) -> dict[str, int]:
    return {each.login: each.links for each in people.all() if each.links}


@pytest.mark.parametrize(
    ("login", "class_name", "status", "for_whom"),
    [
        pytest.param("tina", "a", 200, ["alice"], id="instructor"),
        pytest.param("otto", "b", 200, ["bob"], id="other-instructor"),
        pytest.param("root", "a", 200, ["alice", "asta", "otto", "tina"], id="admin"),
        pytest.param("asta", "a", 404, [], id="assistant"),
        pytest.param("otto", "a", 404, [], id="student-of-it"),
        pytest.param("tina", "b", 404, [], id="other-class"),
        pytest.param("alice", "a", 404, [], id="student"),
    ],
)
def test_who_is_offered_for_a_slip(
    console: Console, people: People, login: str, class_name: str, status: int, for_whom: list[str]
) -> None:
    session = console.sign_in(login)
    there = f"class/{class_name}/slips"
    assert offered(console.get(there, status)) == for_whom
    for each in {each.login for each in people.all()} - set(for_whom):
        got, page = make(console, there, session.csrf, [each, *for_whom])
        assert got == status
        assert not LINK.search(page)
        assert f"no slip to make for {each} here" in page or status == 404
    assert links(people) == {}, "one wrong tick, and nobody gets a link"


def test_each_slip_lets_its_person_in_and_is_shown_once(
    console: Console, people: People, store: Store
) -> None:
    people.link("alice")
    people.add("anna", ["a"], name="Anna", until=datetime(2027, 2, 15, tzinfo=timezone.utc))
    session = console.sign_in("tina")
    page = console.get("class/a/slips")
    # Who has no link yet is ticked beforehand.
    assert re.findall(r'value="(\w+)"[^>]*checked', page) == ["anna"]
    status, page = make(console, "class/a/slips", session.csrf, ["alice", "anna"])
    assert status == 200
    found = LINK.findall(page)
    accepted = [people.verify(each) for each in found]
    assert [each.login for each in accepted if isinstance(each, Accepted)] == ["alice", "anna"]
    assert page.count("<svg viewBox") == 2
    assert "<strong>Anna</strong>" in page
    assert page.index("Works as long as you are in the room.") < page.index(
        "Works until 2027-02-15 00:00."
    )
    assert links(people) == {"alice": 2, "anna": 1}, "links made before go on"
    for path in ("class/a/slips", "class/a"):
        assert not LINK.search(console.get(path))
    with store.read() as connection:
        rows, _count = audit.read(connection, "user-link")
    told = [(row.actor, row.subject, row.origin) for row in rows if row.actor == "tina"]
    assert told == [
        ("tina", "anna", "console page testclient"),
        ("tina", "alice", "console page testclient"),
    ]
    assert not any(token.partition("#token=")[2] in str(rows) for token in found)


def test_a_link_ends_when_the_page_says(console: Console, people: People) -> None:
    session = console.sign_in("tina")
    for wrong in ("1e309", "2020-01-01", "<b>"):
        status, page = make(console, "class/a/slips", session.csrf, ["alice"], until=wrong)
        assert status == 200
        assert 'role="alert"' in page
        assert re.search(rf'name="until"[^>]*value="{wrong}"', page)
        assert re.findall(r'value="(\w+)"[^>]*checked', page) == ["alice"]
    assert links(people) == {}
    _status, page = make(console, "class/a/slips", session.csrf, ["alice"], until="2999-12-31")
    assert "Works until 3000-01-01 00:00." in page
    (link,) = LINK.findall(page)
    ended = People(people.store, clock=lambda: datetime(3000, 1, 2, tzinfo=timezone.utc))
    assert isinstance(people.verify(link), Accepted)
    assert not isinstance(ended.verify(link), Accepted)


def test_a_name_that_is_html_is_text_on_the_card(console: Console) -> None:
    session = console.sign_in("tina")
    form = {"_csrf": session.csrf, "who": "alice"}
    page = console.client.post(f"{PREFIX}class/a/slips", data=form).text
    assert "<b>" not in page
    assert html.escape("Alice <b>&amp;</b>") in page


@pytest.mark.parametrize(
    ("login", "who", "status"),
    [
        pytest.param("root", "bob", 200, id="anybody"),
        pytest.param("root", "root", 404, id="no-admin"),
        pytest.param("root", "nobody", 404, id="nobody"),
        pytest.param("tina", "alice", 404, id="by-an-admin-only"),
    ],
)
def test_an_admin_makes_one_person_s_slip(
    console: Console, people: People, login: str, who: str, status: int
) -> None:
    session = console.sign_in(login)
    got, page = make(console, f"admin/people/{who}/slip", session.csrf, [])
    assert got == status
    assert len(LINK.findall(page)) == (status == 200)
    assert links(people) == ({who: 1} if status == 200 else {})


def test_without_the_session_s_own_secret_no_link_is_made(console: Console, people: People) -> None:
    console.sign_in("root")
    for path in ("class/a/slips", "admin/people/bob/slip"):
        assert make(console, path, "wrong", ["alice"])[0] == 403
    assert links(people) == {}


def test_nobody_without_rights_is_shown_the_way(console: Console) -> None:
    for login, shown in (("tina", True), ("asta", False), ("root", True)):
        console.sign_in(login)
        assert ('class/a/slips"' in console.get("class/a")) is shown
