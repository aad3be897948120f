"""The console's rules, pages and JSON interface, with a hub that says what it is told to say."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console.app import make_app
from console.desk import Desk
from console.guard import SESSION
from console.hub import Server
from console.render import Pages
from console.session import MOST, Session, Shelf
from console.words import SAID, TITLES
from room.people import People
from room.plans.authority import Actor
from room.plans.book import Plans
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from room.settings import Settings
from room.store import Store
from room.store.migrate import upgrade
from tests.utils.signed_console import FakeHub

PREFIX = "/services/console/"
NOW = datetime(2026, 11, 26, 15, tzinfo=timezone.utc)


def store_with_people(directory: Path) -> Store:
    made = Store(f"sqlite:///{directory / 'room.sqlite'}")
    upgrade(made)
    people = People(made)
    people.add("root", admin=True)
    people.add("tina", ["a"], role="instructor")
    people.add("otto", ["b"], role="instructor")
    people.add("asta", ["a"], role="assistant")
    people.add("alice", ["a"], name="Alice <b>&amp;</b>")
    people.add("bob", ["b"])
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = store_with_people(tmp_path_factory.mktemp("console"))
    yield made
    made.close()


@dataclass
class Console:
    hub: FakeHub
    plans: Plans
    client: TestClient
    app: object

    def sign_in(self, login: str) -> Session:
        session = Session(f"t-{login}")
        key = self.app.state.parts.guard.sessions.put(session)  # type: ignore[attr-defined]
        self.client.cookies.set(SESSION, key, path=PREFIX)
        return session

    def get(self, path: str, status: int = 200, **how: object) -> str:
        answer = self.client.get(PREFIX + path, **how)  # type: ignore[arg-type]
        assert answer.status_code == status, answer.text
        assert "Traceback" not in answer.text
        return answer.text

    def post(self, session: Session, path: str, status: int = 303, **form: str) -> str:
        answer = self.client.post(PREFIX + path, data={"_csrf": session.csrf, **form})
        assert answer.status_code == status, answer.text
        return answer.text

    def ask(
        self, login: str, method: str, path: str, status: int = 200, body: object = None
    ) -> object:
        answer = self.client.request(
            method, f"{PREFIX}api/{path}", headers={"Authorization": f"token t-{login}"}, json=body
        )
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def console(store: Store) -> Iterator[Console]:
    with store.decide() as connection:
        for name in ("plan_limits", "plan_grants", "audit"):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    hub = FakeHub()
    plans = Plans(store, clock=lambda: NOW)
    app = make_app(
        Desk(store, plans, hub),  # type: ignore[arg-type]
        Pages(PREFIX, "Torchroom", "en", timezone.utc),
        settings=Settings(address="https://room.example"),
        profiles=frozenset({"cpu", "gpu"}),
    )
    with TestClient(app, follow_redirects=False) as client:
        yield Console(hub, plans, client, app)


def put(console: Console, who: str, **limits: str) -> None:
    wanted = [Setting(subject(who), KEYS[key], text) for key, text in limits.items()]
    console.plans.set(wanted, Actor("root"))


# -- signing in --------------------------------------------------------------------------------


def test_a_page_leads_to_the_hub_and_back(console: Console) -> None:
    first = console.client.get(f"{PREFIX}class/a")
    assert first.status_code == 303
    begun = console.client.get(first.headers["location"])
    state = begun.headers["location"].partition("state=")[2]
    done = console.client.get(f"{PREFIX}oauth_callback?code=t-tina&state={state}")
    assert done.headers["location"] == f"{PREFIX}class/a"
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert f"Path={PREFIX}" in cookie
    assert "alice" in console.get("class/a")


def test_a_sign_in_of_another_browser_is_none(console: Console) -> None:
    begun = console.client.get(f"{PREFIX}sign-in?then={PREFIX}")
    state = begun.headers["location"].partition("state=")[2]
    console.client.cookies.clear()
    assert "too old" in console.get(f"oauth_callback?code=t-tina&state={state}", 400)
    console.client.cookies.set("room-console-state", state, path=PREFIX)
    console.get(f"oauth_callback?code=t-tina&state={state}", 303)
    # And then it is used up.
    console.client.cookies.set("room-console-state", state, path=PREFIX)
    console.get(f"oauth_callback?code=t-tina&state={state}", 400)


@pytest.mark.parametrize(
    "then", ["https://evil.example/", "//evil.example", "/hub/home", "/services/console/\\evil"]
)
def test_a_sign_in_leads_nowhere_else(console: Console, then: str) -> None:
    begun = console.client.get(f"{PREFIX}sign-in", params={"then": then})
    state = begun.headers["location"].partition("state=")[2]
    done = console.client.get(f"{PREFIX}oauth_callback?code=t-tina&state={state}")
    assert done.headers["location"] == PREFIX


def test_who_is_put_out_is_out_at_once(console: Console) -> None:
    console.sign_in("alice")
    console.get("")
    console.hub.out.add("alice")
    console.get("", 303)


def test_a_form_sent_after_the_session_ended_is_kept_and_sent_again(console: Console) -> None:
    console.sign_in("root")
    console.hub.out.add("root")
    sent = console.client.post(
        f"{PREFIX}admin/limits/class/a", data={"limit": "gpus", "value": "3", "_csrf": "old"}
    )
    assert sent.status_code == 303
    assert console.plans.of_class("a", KEYS["gpus"]).text == "none"
    console.hub.out.clear()
    begun = console.client.get(sent.headers["location"])
    state = begun.headers["location"].partition("state=")[2]
    done = console.client.get(f"{PREFIX}oauth_callback?code=t-root&state={state}")
    page = console.client.get(done.headers["location"]).text
    assert "Your session had ended" in page
    form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
    assert form["value"] == "3"
    action = re.search(r'action="([^"]+)"', page)
    assert action is not None
    assert console.client.post(action[1], data=form).status_code == 303
    assert console.plans.of_class("a", KEYS["gpus"]).text == "3"


def test_a_form_without_the_session_s_own_secret_changes_nothing(console: Console) -> None:
    session = console.sign_in("root")
    for form in ({}, {"_csrf": "x" * 32}, {"_csrf": ""}):
        answer = console.client.post(
            f"{PREFIX}admin/limits/class/a", data={"limit": "gpus", "value": "3", **form}
        )
        assert answer.status_code == 403
        assert "This page is too old" in answer.text
    assert console.plans.history() == ()
    # A script sends it as a header.
    answer = console.client.post(
        f"{PREFIX}api/limits",
        json={"limits": [{"who": "class/a", "limit": "gpus", "value": "3"}]},
        headers={"X-CSRF-Token": session.csrf},
    )
    assert answer.status_code == 200


def test_the_shelf_forgets_what_is_old_and_never_overflows() -> None:
    now = [0.0]
    shelf: Shelf[int] = Shelf(10, lambda: now[0])
    keys = [shelf.put(n) for n in range(MOST + 1)]
    assert shelf.get(keys[0]) is None
    assert shelf.get(keys[1]) == 1
    now[0] = 9
    assert shelf.get(keys[1]) == 1
    now[0] = 18
    assert shelf.get(keys[1]) == 1
    assert shelf.get(keys[2]) is None
    assert shelf.take(keys[1]) == 1
    assert shelf.get(keys[1]) is None


# -- who sees what -----------------------------------------------------------------------------

CLASS_PAGES = ("class/a", "class/a/students.csv")
ADMIN_PAGES = ("admin", "admin/history", "admin/limits/class/a", "admin/limits/user/alice")


@pytest.mark.parametrize(
    ("login", "sees"),
    [
        ("root", {*CLASS_PAGES, *ADMIN_PAGES}),
        ("tina", set(CLASS_PAGES)),
        ("asta", set(CLASS_PAGES)),
        ("otto", set()),
        ("alice", set()),
        ("nobody", set()),
    ],
)
def test_who_sees_which_page(console: Console, login: str, sees: set[str]) -> None:
    console.sign_in(login)
    assert "My room" in console.get("")
    for path in (*CLASS_PAGES, *ADMIN_PAGES):
        text = console.get(path, 200 if path in sees else 404)
        if path not in sees:
            # Its own address is all that a page which is not there repeats.
            assert "alice" not in text.replace(login, "").replace("%2Fuser%2Falice", "")


@pytest.mark.parametrize(
    ("login", "path", "status"),
    [
        ("root", "limits/class/a", 200),
        ("tina", "limits/class/a", 200),
        ("tina", "limits/user/alice", 200),
        ("tina", "limits/user/bob", 404),
        ("tina", "limits/user/nobody", 404),
        ("otto", "limits/user/alice", 404),
        ("alice", "limits/user/alice", 200),
        ("alice", "limits/user/bob", 404),
        ("alice", "limits/class/a", 404),
        ("tina", "classes/a/students", 200),
        ("tina", "classes/b/students", 404),
        ("tina", "history", 404),
        ("root", "history", 200),
    ],
)
def test_a_program_sees_what_its_owner_sees(
    console: Console, login: str, path: str, status: int
) -> None:
    found = console.ask(login, "GET", path, status)
    if status != 200:
        assert isinstance(found, dict)
        assert set(found) == {"error"}
        assert set(found["error"]) == {"reason", "message"}


def test_a_token_that_is_nobody_s_is_refused_in_the_one_shape(console: Console) -> None:
    answer = console.client.get(f"{PREFIX}api/me", headers={"Authorization": "token x"})
    assert answer.status_code == 401
    assert answer.json()["error"]["reason"] == "not-signed-in"
    console.hub.silent = True
    answer = console.client.get(f"{PREFIX}api/me", headers={"Authorization": "token t-bob"})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "hub")


def test_a_name_that_is_html_is_shown_as_text(console: Console) -> None:
    console.sign_in("tina")
    page = console.get("class/a")
    assert "<b>" not in page
    assert html.escape("Alice <b>&amp;</b>") in page


def test_every_answer_forbids_frames_and_scripts_of_others(console: Console) -> None:
    console.sign_in("root")
    for path in ("", "admin", "static/console.css", "nowhere"):
        headers = console.client.get(PREFIX + path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


# -- what is changed ---------------------------------------------------------------------------


def test_an_admin_sets_a_limit_and_takes_it_back(console: Console) -> None:
    session = console.sign_in("root")
    path = "admin/limits/class/a"
    console.post(session, path, limit="gpu_hours", value="20/week", seen="")
    page = console.get(f"{path}?said=changed")
    assert "It holds from the next start on" in page
    assert "class a (set by root)" in page
    (entry,) = console.plans.history()
    assert (entry.actor, entry.origin) == ("root", "console page testclient")
    console.post(session, "admin/undo", number=str(entry.id))
    assert console.plans.of_class("a", KEYS["gpu_hours"]).text == "none"
    page = console.post(session, "admin/undo", 200, number=str(entry.id))
    assert "changed again since" in page


def test_a_wrong_value_is_said_beside_what_was_typed(console: Console) -> None:
    session = console.sign_in("root")
    for value, words in [
        ("-1", "does not fit"),
        ("1e309", "does not fit"),
        ("<b>", "does not fit"),
    ]:
        page = console.post(session, "admin/limits/class/a", 200, limit="gpus", value=value)
        assert words in page
        assert f'value="{html.escape(value)}"' in page
        assert 'aria-invalid="true"' in page
    page = console.post(session, "admin/limits/class/a", 200, limit="profiles", value="gone")
    assert "there is no profile gone: there are cpu, gpu" in page
    assert "did you mean gpus" in console.post(
        session, "admin/limits/class/a", 200, limit="gpuz", value="1"
    )
    assert console.plans.history() == ()


def test_two_admins_edit_the_same_row_and_the_second_is_told(console: Console) -> None:
    session = console.sign_in("root")
    path = "admin/limits/user/alice"
    console.post(session, path, limit="gpus", value="1", seen="")
    page = console.post(session, path, 200, limit="gpus", value="2", seen="")
    assert "gpus of user/alice is 1 now, and was not set when you looked" in html.unescape(page)
    console.post(session, path, limit="gpus", value="2", seen="1")
    console.post(session, path, limit="gpus", unset="1", value="2", seen="2")
    assert console.plans.settings() == {}


def test_bulk_sets_everyone_who_is_ticked_or_nobody(console: Console) -> None:
    session = console.sign_in("root")
    form = {"_csrf": session.csrf, "limit": "gpus", "value": "2", "until": "2026-12-18"}
    answer = console.client.post(
        f"{PREFIX}admin/bulk", data={**form, "who": ["class/a", "user/bob"]}
    )
    assert answer.status_code == 303
    assert {str(who) for who, _key in console.plans.settings()} == {"class/a", "user/bob"}
    answer = console.client.post(
        f"{PREFIX}admin/bulk", data={**form, "value": "x", "who": ["room"]}
    )
    assert "does not fit" in answer.text
    assert "nobody is ticked" in console.client.post(f"{PREFIX}admin/bulk", data=form).text
    assert len(console.plans.history()) == 2


def test_an_instructor_grants_an_hour_out_of_the_class_s_pot(console: Console) -> None:
    put(console, "class/a", gpu_pot="2/week", gpu_hours="10/week")
    session = console.sign_in("tina")
    console.post(session, "class/a/grant", user="alice", hours="+1")
    page = console.get("class/a?said=granted")
    assert "11/week" in page
    assert "1 GPU-hours left to give, of 2/week" in page
    assert "1 of its 2 GPU-hours left" in console.post(
        session, "class/a/grant", 200, user="alice", hours="+1.5"
    )
    for wrong in ("-1", "none", "", "x"):
        console.post(session, "class/a/grant", 200, user="alice", hours=wrong)
    assert "not yours to change" in console.post(
        session, "class/a/grant", 200, user="bob", hours="+1"
    )
    console.post(session, "class/b/grant", 404, user="bob", hours="+1")
    session = console.sign_in("asta")
    console.post(session, "class/a/grant", 404, user="alice", hours="+1")


def test_an_instructor_raises_nobody_above_the_class_over_json_either(console: Console) -> None:
    put(console, "class/a", gpus="2")
    raised = {"limits": [{"who": "alice", "limit": "gpus", "value": "9"}], "behalf": "a"}
    console.ask("tina", "POST", "limits", body=raised)
    assert console.plans.effective("alice", ["a"])["gpus"] == 2
    for body in (
        {"limits": [{"who": "alice", "limit": "gpus", "value": "9"}]},
        {"limits": [{"who": "alice", "limit": "gpus", "value": "9"}], "behalf": "b"},
    ):
        console.ask("tina", "POST", "limits", 404, body)
    for who in ("bob", "class/a", "room"):
        body = {"limits": [{"who": who, "limit": "gpus", "value": "9"}], "behalf": "a"}
        found = console.ask("tina", "POST", "limits", 409, body)
        assert "not yours to change" in str(found)
    console.ask("alice", "POST", "limits", 404, raised)
    console.ask("tina", "POST", "undo/1", 404)


def test_staff_stop_servers_of_their_own_class(console: Console) -> None:
    console.hub.running = [
        Server("alice", "", True, "", NOW - timedelta(hours=1), "gpu", "/user/alice/"),
        Server("bob", "", True, "", NOW, "cpu", "/user/bob/"),
    ]
    session = console.sign_in("asta")
    page = console.get("class/a")
    assert "Stop the server of alice" in page
    assert "bob" not in page
    console.post(session, "class/a/stop", user="alice", server="")
    console.post(session, "class/a/stop", 404, user="bob", server="")
    console.post(session, "class/b/stop", 404, user="bob", server="")
    session = console.sign_in("alice")
    console.post(session, "class/a/stop", 404, user="alice", server="")
    console.post(session, "stop", server="")
    assert console.hub.stopped == [("alice", ""), ("alice", "")]


@pytest.mark.parametrize(
    ("login", "opens"),
    [
        pytest.param("asta", {"alice"}, id="assistant"),
        pytest.param("tina", {"alice"}, id="instructor"),
        pytest.param("root", {"alice", "asta", "tina"}, id="admin"),
    ],
)
def test_staff_are_shown_the_way_into_servers_that_they_may_open(
    console: Console, login: str, opens: set[str]
) -> None:
    console.hub.running = [
        Server(who, "", True, "", NOW, "cpu", f"/user/{who}/") for who in ("alice", "asta", "tina")
    ]
    console.sign_in(login)
    page = console.get("class/a")
    assert set(re.findall(r'href="/user/(\w+)/"', page)) == opens
    assert len(re.findall("Stop the server of", page)) == 3


def test_a_csv_for_a_spreadsheet_has_no_formula_of_a_student(
    console: Console, store: Store
) -> None:
    People(store).add("mallory", ["a"], name="=HYPERLINK(1)")
    console.sign_in("tina")
    text = console.get("class/a/students.csv")
    assert "'=HYPERLINK(1)" in text
    People(store).remove("mallory")


def test_pages_speak_chinese_to_who_reads_it(console: Console) -> None:
    console.sign_in("root")
    for path in ("", "admin", "admin/history", "admin/limits/class/a", "class/a", "nowhere"):
        page = console.client.get(PREFIX + path, headers={"Accept-Language": "zh-CN"}).text
        assert '<html lang="zh-CN">' in page
        title = re.search(r"<h1>\s*(.*?)\s*</h1>", page, re.DOTALL)
        assert title is not None
        assert re.search(r"[\u4e00-\u9fff]", title[1]), title[1]


def test_every_limit_has_a_title_and_its_help_a_translation() -> None:
    assert set(TITLES) == set(KEYS)
    assert {key.help for key in KEYS.values()} <= set(SAID)


def test_the_admin_s_page_of_a_large_room_asks_the_database_little(tmp_path: Path) -> None:
    """A thousand people in fifty classes, each class with limits, and some people too."""
    from bench.console_pages import CLASSES, PEOPLE, furnish, statements

    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    upgrade(store)
    furnish(store)
    desk = Desk(store, Plans(store), FakeHub())  # type: ignore[arg-type]
    pages = Pages(PREFIX, "Torchroom", "en", timezone.utc)
    with TestClient(make_app(desk, pages), follow_redirects=False) as client:
        headers = {"Authorization": "token t-root"}
        cell = "admin/cell/user/student0500/gpus/shown"
        limits = "admin/limits/class/class07"
        for path in ("admin", "admin?q=student0500", "class/class07", limits, cell):
            with statements(store) as asked:
                answer = client.get(PREFIX + path, headers=headers)
            assert answer.status_code == 200
            assert len(asked) < 20, asked
    found, people, count = desk.table(["gpus"])
    assert (len(found), len(people), count) == (CLASSES, 100, PEOPLE + 1)
    store.close()
