# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""The admin's pages of people, rosters, classes and of all that was done."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from room.people import People
from room.store import Store
from tests.unit.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    console,
    store_with_people,
)

SHEET = "login;name;class\ncarla;Carla <b>Gómez</b>;a\nalice;Alice New;a\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """What is changed here is people: each test has its own."""
    made = store_with_people(tmp_path)
    yield made
    made.close()


@pytest.fixture
def people(store: Store) -> People:
    return People(store)


def send(console: Console, path: str, csrf: str, **form: str) -> tuple[int, str]:
    """Send a form as a browser without a script does; return the status and the page."""
    answer = console.client.post(PREFIX + path, data={**form, "_csrf": csrf})
    return answer.status_code, html.unescape(answer.text)


def code_in(page: str) -> str:
    found = re.search(r'name="code" value="(\w+)"', page)
    return found.group(1) if found else ""


@pytest.mark.parametrize(
    "path",
    ["admin/people", "admin/people/alice", "admin/roster", "admin/audit", "admin/audit.csv"],
)
@pytest.mark.parametrize("who", ["alice", "tara"])
def test_the_pages_are_the_admins_alone(console: Console, path: str, who: str) -> None:
    console.sign_in(who)
    assert console.client.get(PREFIX + path).status_code == 404


@pytest.mark.parametrize("path", ["admin/people/bob", "admin/roster", "admin/classes/a"])
def test_who_is_no_admin_changes_nothing(console: Console, people: People, path: str) -> None:
    session = console.sign_in("alice")
    before = people.all()
    status, _page = send(
        console, path, session.csrf, act="archive", roster=SHEET, code="0", until="never"
    )
    assert status == 404
    assert people.all() == before


def test_everybody_is_there_also_who_is_out_and_can_be_found(
    console: Console, people: People
) -> None:
    people.revoke("bob")
    console.sign_in("root")
    page = console.get("admin/people")
    assert {"alice", "bob", "root"} <= set(re.findall(r"admin/people/(\w+)\"", page))
    assert "kept out since" in page
    assert set(re.findall(r"admin/people/(\w+)\"", console.get("admin/people?q=ALI"))) == {"alice"}


def test_a_roster_is_shown_then_done_and_is_in_the_audit(console: Console, people: People) -> None:
    session = console.sign_in("root")
    before = people.all()
    status, page = send(console, "admin/roster", session.csrf, roster=SHEET)
    assert status == 200
    assert people.all() == before
    assert "1 would be added, 1 changed, 0 stay as they are" in page
    # A name is a text, also one that would be a tag.
    _status, raw = (
        0,
        console.client.post(
            PREFIX + "admin/roster", data={"roster": SHEET, "_csrf": session.csrf}
        ).text,
    )
    assert "<b>" not in raw
    status, page = send(console, "admin/roster", session.csrf, roster=SHEET, code=code_in(page))
    assert "1 added, 1 changed, 0 as they were." in page
    assert people.get("carla").name == "Carla <b>Gómez</b>"
    assert people.get("alice").name == "Alice New"
    page = console.get("admin/audit?q=carla")
    assert "user-add" in page
    assert ">root<" in page
    assert "page " in page


def test_a_roster_that_would_do_something_else_by_now_does_nothing(
    console: Console, people: People
) -> None:
    session = console.sign_in("root")
    _status, page = send(console, "admin/roster", session.csrf, roster=SHEET)
    code = code_in(page)
    people.add("carla", name="Somebody")
    _status, page = send(console, "admin/roster", session.csrf, roster=SHEET, code=code)
    assert "would do something else by now" in page
    assert people.get("carla").name == "Somebody"
    assert people.get("alice").name != "Alice New"
    # What would be done now is shown at once, under another code.
    assert code_in(page) not in ("", code)


@pytest.mark.parametrize(
    ("roster", "words"),
    [
        pytest.param("login\nno such!login\n", "Line 2:", id="a login that can be none"),
        pytest.param("login,class\nalice,A B!\n", "Line 2:", id="a class that can be none"),
        pytest.param("login\nalice\nalice\n", "Line 3:", id="twice"),
        pytest.param("", "The roster is empty", id="empty"),
        pytest.param("login,role\nalice,king\n", "Line 2:", id="a role that there is not"),
    ],
)
def test_lines_that_are_wrong_are_named_and_nobody_is_let_in(
    console: Console, people: People, roster: str, words: str
) -> None:
    session = console.sign_in("root")
    before = people.all()
    _status, page = send(console, "admin/roster", session.csrf, roster=roster)
    assert words in page
    assert code_in(page) == ""
    _status, page = send(console, "admin/roster", session.csrf, roster=roster, code="0123456789ab")
    assert "look at what would change first" in page
    assert people.all() == before


def test_a_roster_with_a_byte_order_mark_and_an_end_is_read(
    console: Console, people: People
) -> None:
    session = console.sign_in("root")
    form = {"roster": "\ufefflogin\tname\nzoë\tZoë\n".replace("zoë", "zoe"), "class": "a"}
    _status, page = send(console, "admin/roster", session.csrf, **form, until="2027-02-15")
    _status, _page = send(
        console, "admin/roster", session.csrf, **form, until="2027-02-15", code=code_in(page)
    )
    zoe = people.get("zoe")
    assert (zoe.name, zoe.memberships[0].class_name) == ("Zoë", "a")
    assert zoe.memberships[0].until is not None


def test_an_end_that_is_none_is_said(console: Console) -> None:
    session = console.sign_in("root")
    for path, more in [("admin/roster", {"roster": SHEET}), ("admin/people/alice", {"act": "end"})]:
        _status, page = send(console, path, session.csrf, until="1e309", **more)
        assert "1e309" in page
        assert 'role="alert"' in page


def test_access_is_ended_closed_and_given_back(console: Console, people: People) -> None:
    session = console.sign_in("root")
    there = "admin/people/alice"
    assert send(console, there, session.csrf, act="end", until="2027-02-15")[0] in (200, 303)
    assert people.get("alice").until is not None
    send(console, there, session.csrf, act="end", until="")
    assert people.get("alice").until is None
    send(console, there, session.csrf, act="keep-out")
    assert people.get("alice").revoked_at is not None
    assert "Let in again" in console.get(there)
    send(console, there, session.csrf, act="let-in")
    assert people.get("alice").revoked_at is None
    send(console, there, session.csrf, act="enrol", **{"class": "nlp", "role": "instructor"})
    assert people.get("alice").enrolled["nlp"].role == "instructor"
    send(console, there, session.csrf, act="leave", **{"class": "nlp"})
    assert "nlp" not in people.get("alice").enrolled


@pytest.mark.parametrize("act", ["end", "keep-out"])
def test_nobody_locks_themselves_out(console: Console, people: People, act: str) -> None:
    session = console.sign_in("root")
    form = {"act": act, "until": "2027-01-01"}
    _status, page = send(console, "admin/people/root", session.csrf, **form)
    assert "lock yourself out" in page
    root = people.get("root")
    assert (root.until, root.revoked_at) == (None, None)


def test_a_class_is_archived_and_back_and_one_that_is_not_there_is_said(
    console: Console, people: People
) -> None:
    session = console.sign_in("root")
    send(console, "admin/classes/a", session.csrf, act="archive")
    assert people.get("alice").enrolled["a"].archived_at is not None
    send(console, "admin/classes/a", session.csrf, act="restore")
    assert people.get("alice").enrolled["a"].archived_at is None
    status, page = send(console, "admin/classes/nothing", session.csrf, act="archive")
    assert status == 200
    assert "nothing" in page
    assert send(console, "admin/classes/a", session.csrf, act="delete")[0] == 404


def test_forms_without_the_sessions_secret_change_nothing(console: Console, people: People) -> None:
    console.sign_in("root")
    for path in ("admin/roster", "admin/people/alice", "admin/classes/a"):
        status, _page = send(console, path, "wrong", act="archive", roster=SHEET, until="never")
        assert status == 403
    assert people.get("alice").revoked_at is None


def test_the_audit_as_csv_is_whole_and_holds_no_formula(console: Console, store: Store) -> None:
    clerk = People(store, actor="=cmd()")
    for number in range(120):
        clerk.add(f"u{number}")
    console.sign_in("root")
    text = console.get("admin/audit.csv").lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len([row for row in rows if row["actor"] == "'=cmd()"]) == 120
    assert len(re.findall(r"<tr>", console.get("admin/audit"))) == 1 + 100
    assert "Page 1 of 2" in console.get("admin/audit")


def test_programs_have_the_same_with_the_same_rules(console: Console, people: People) -> None:
    found = console.ask("root", "GET", "people?q=alice")
    assert found["count"] == 1
    assert found["people"][0]["classes"] == {"a": "student"}
    looked = console.ask("root", "POST", "roster", body={"roster": SHEET})
    assert [each["kind"] for each in looked["changes"]] == ["added", "changed"]
    assert people.find("carla") is None
    done = console.ask("root", "POST", "roster", body={"roster": SHEET, "code": looked["code"]})
    assert done["done"] is True
    assert people.get("carla").enrolled["a"].role == "student"
    refused = console.ask(
        "root", "POST", "roster", 409, body={"roster": SHEET, "code": looked["code"]}
    )
    assert "Look again" in refused["error"]["message"]
    wrong = console.ask("root", "POST", "roster", body={"roster": "login\nno such!login\n"})
    assert wrong["code"] == ""
    assert wrong["problems"][0]["line"] == 2
    newest = console.ask("root", "GET", "audit?q=carla")["entries"][0]
    assert (newest["actor"], newest["action"]) == ("root", "user-add")
    assert newest["origin"].startswith("console api ")


@pytest.mark.parametrize("who", ["tina", "alice"])
def test_programs_of_others_have_none_of_it(console: Console, who: str) -> None:
    for method, path in [("GET", "people"), ("GET", "audit"), ("POST", "roster")]:
        console.ask(who, method, path, 404, body={"roster": SHEET} if method == "POST" else None)


@pytest.mark.parametrize(
    ("roster", "words"),
    [
        pytest.param("login\nno such!login\n", "不是登录名", id="login"),
        pytest.param("login,class\nalice,A B!\n", "不是班级名", id="class"),
        pytest.param("login\nalice\nalice\n", "已在第 2 行", id="twice"),
        pytest.param("login\nalice\nALICE\n", "登录名不区分大小写", id="capitals"),
        pytest.param("", "名单是空的", id="empty"),
        pytest.param("login\n", "下面没有人", id="header"),
        pytest.param("login,class,role\nalice,a,king\n", "'king' 不是角色", id="role"),
        pytest.param("login,role\nalice,student\n", "没有所属班级", id="no-class"),
        pytest.param("login,class\nalice,a:student a:assistant\n", "两个角色", id="two-roles"),
        pytest.param(f"login,name\nalice,{'x' * 256}\n", "不是姓名", id="name"),
        pytest.param("login,name\n,Alice\n", "没有登录名", id="no-login"),
        pytest.param('login,name\nalice,"Al\n', "未闭合的引号", id="quote"),
    ],
)
def test_what_is_wrong_in_a_roster_is_said_in_chinese(
    console: Console, roster: str, words: str
) -> None:
    session = console.sign_in("root")
    form = {"roster": roster, "_csrf": session.csrf}
    page = console.client.post(
        f"{PREFIX}admin/roster", data=form, headers={"Accept-Language": "zh-CN"}
    )
    assert words in html.unescape(page.text)


def test_what_a_roster_would_change_is_said_in_chinese_and_names_stay(console: Console) -> None:
    session = console.sign_in("root")
    form = {"roster": "login,class,name\nzoe,a,student\n", "until": "2999-12-31"}
    page = html.unescape(
        console.client.post(
            f"{PREFIX}admin/roster",
            data={**form, "_csrf": session.csrf},
            headers={"Accept-Language": "zh-CN"},
        ).text
    )
    assert "姓名：– → student" in page, "somebody is called that"  # noqa: RUF001
    assert "在 a 的角色：– → 学生" in page  # noqa: RUF001
    assert "在 a 的截止时间：– → 3000-01-01 00:00 UTC" in page  # noqa: RUF001


def test_what_cannot_be_done_to_somebody_is_said_in_chinese(
    console: Console, people: People
) -> None:
    session = console.sign_in("root")
    people.add("carl", ["old"])
    send(console, "admin/classes/old", session.csrf, act="archive")
    for path, form, words in (
        ("admin/people/alice", {"act": "enrol", "class": "old"}, "UTC 归档"),
        ("admin/people/alice", {"act": "enrol", "class": "a", "role": "king"}, "不是角色"),
        ("admin/classes/nothing", {"act": "archive"}, "没有班级 'nothing'"),
    ):
        answer = console.client.post(
            PREFIX + path,
            data={"_csrf": session.csrf, **form},
            headers={"Accept-Language": "zh-CN"},
        )
        assert words in html.unescape(answer.text)
