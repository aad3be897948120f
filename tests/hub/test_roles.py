"""Who may do what in whose class, on a real hub: pages, REST, sessions and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

from room.classes import Classes
from tests.hub.conftest import Browser, Hub, text_of
from tests.utils.wait import wait_until

CLASS, OTHER = "ml101", "dl202"
#: For how long the hub holds what it knows about somebody is 1 s; the rest is a busy machine.
AT_ONCE = 4


class Client:
    """Somebody who asks the hub with an API token that has all their rights."""

    def __init__(self, hub: Hub, login: str) -> None:
        self.hub, self.login = hub, login
        token = hub.api("POST", f"/users/{login}/tokens").json()["token"]
        self.browser = Browser(hub, Authorization=f"token {token}")

    def ask(self, method: str, path: str, **kwargs):
        return self.browser.request(method, f"/hub/api{path}", **kwargs)

    def status(self, method: str, path: str, **kwargs) -> int:
        return self.ask(method, path, **kwargs).status_code

    def names(self, path: str = "/users") -> set[str]:
        """Return whom or what a listing shows, beside the reader."""
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return {each["name"] for each in answer.json()} - {self.login}


def opens(hub: Hub, who: str, login: str) -> bool:
    """Say whether the hub lets one person into the server of another, as its page asks."""
    with logged_in(hub, who) as browser:
        answer = browser.get(
            "/hub/api/oauth2/authorize",
            params={
                "client_id": f"jupyterhub-user-{login}",
                "redirect_uri": f"/user/{login}/oauth_callback",
                "response_type": "code",
            },
            follow_redirects=False,
        )
    # The page that asks whether to go on.
    assert answer.status_code in (200, 403), (answer.status_code, answer.headers)
    return answer.status_code == 200


def enter(hub: Hub, login: str, *classes: str, **more) -> Client:
    """Let somebody in, and in at the door once; return them with a token."""
    hub.people.add(login, classes, **more)
    with logged_in(hub, login):
        return Client(hub, login)


@contextmanager
def logged_in(hub: Hub, login: str) -> Iterator[Browser]:
    with Browser(hub) as browser:
        browser.log_in(str(hub.people.link(login)))
        assert browser.who() == login
        yield browser


@pytest.fixture(scope="module")
def room(hub) -> dict[str, Client]:
    """Two classes that are made while the hub runs, and everyone's servers started once."""
    made = {
        "alice": enter(hub, "alice", CLASS),
        "carol": enter(hub, "carol", OTHER),
        "bob": enter(hub, "bob", CLASS, role="instructor"),
        "tara": enter(hub, "tara", CLASS, role="assistant"),
        "dan": enter(hub, "dan", OTHER, role="instructor"),
        "root": enter(hub, "root", CLASS, admin=True),
        # Nothing follows from what somebody is called.
        "class-dl202-instructor": enter(hub, "class-dl202-instructor", CLASS),
    }
    started = ("alice", "carol", "tara", "dan", "root")
    assert {start(made["root"], login) for login in started} <= {201, 202}
    for login in started:
        wait_until(lambda who=login: is_ready(hub, who), timeout=30, explain=hub.tail)
    return made


def is_ready(hub: Hub, login: str) -> bool:
    server = hub.api("GET", f"/users/{login}").json()["servers"].get("")
    return bool(server and server["ready"])


def start(who: Client, login: str) -> int:
    return who.status("POST", f"/users/{login}/server", json={"user_options": {"profile": "cpu"}})


def stop(hub: Hub, who: Client, login: str) -> int:
    status = who.status("DELETE", f"/users/{login}/server")
    if status in (202, 204):
        wait_until(lambda: not is_ready(hub, login), timeout=30, explain=hub.tail)
    return status


@pytest.mark.parametrize("who", ["bob", "tara"])
def test_staff_see_their_own_class_and_nothing_else(room, who) -> None:
    client = room[who]
    mine = {"alice", "bob", "tara", "root", "class-dl202-instructor"}
    assert client.names() == mine - {who}
    assert client.names("/groups") == {CLASS}
    assert client.status("GET", "/users/alice") == 200
    assert client.names("/users?state=ready") <= mine
    # Which other classes somebody of theirs is in is not theirs to know.
    assert "groups" not in client.ask("GET", "/users/alice").json()


@pytest.mark.parametrize("who", ["bob", "tara"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "/users/carol", None, id="somebody elsewhere"),
        pytest.param("GET", "/groups/dl202", None, id="another class"),
        pytest.param("GET", "/users/carol/servers/", None, id="their server"),
        pytest.param("GET", "/users/carol/server/progress", None, id="their start"),
        pytest.param("POST", "/users/carol/server", {}, id="start elsewhere"),
        pytest.param("DELETE", "/users/carol/server", None, id="stop elsewhere"),
        pytest.param("DELETE", "/users/ml101%2F..%2Fcarol/server", None, id="by a crooked way"),
        pytest.param("POST", "/users/mallory", {}, id="let somebody in"),
        pytest.param("DELETE", "/users/alice", None, id="remove somebody"),
        pytest.param("PATCH", "/users/alice", {"admin": True}, id="raise somebody"),
        pytest.param("PATCH", "/users/SELF", {"admin": True}, id="raise themselves"),
        pytest.param("POST", "/users/alice/tokens", {}, id="a token of somebody's"),
        pytest.param("GET", "/users/alice/tokens", None, id="see somebody's tokens"),
        pytest.param("POST", "/groups/new", {}, id="make a class"),
        pytest.param("DELETE", "/groups/ml101", None, id="remove their class"),
        pytest.param("POST", "/groups/dl202/users", {"users": ["SELF"]}, id="join a class"),
        pytest.param("PUT", "/groups/ml101/properties", {"a": 1}, id="change a class"),
        pytest.param("POST", "/shutdown", {}, id="end the hub"),
        pytest.param("GET", "/proxy", None, id="the proxy"),
        pytest.param("GET", "/services", None, id="the services"),
        pytest.param("GET", "/info", None, id="the hub's insides"),
    ],
)
def test_what_staff_may_not_do(room, who, method, path, body) -> None:
    said = {"json": body} if body is not None else {}
    if body == {"users": ["SELF"]}:
        said = {"json": {"users": [who]}}
    answer = room[who].ask(method, path.replace("SELF", who), **said)
    assert answer.status_code in (403, 404), answer.text
    assert "carol" not in answer.text


@pytest.mark.parametrize("who", ["bob", "tara"])
@pytest.mark.parametrize("path", ["gpus", "drain", "release"])
def test_the_rooms_own_administration_is_not_theirs(room, who, path) -> None:
    method = "GET" if path == "gpus" else "POST"
    answer = room[who].browser.request(method, f"/hub/room/admin/{path}", json={})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("who", "login", "may"),
    [
        pytest.param("bob", "alice", True, id="an instructor helps a student"),
        pytest.param("tara", "alice", True, id="an assistant does"),
        pytest.param("bob", "tara", False, id="an assistant has rights of their own"),
        pytest.param("bob", "root", False, id="so has an admin"),
        pytest.param("bob", "carol", False, id="another class's student"),
        pytest.param("tara", "dan", False, id="another class's instructor"),
        pytest.param("alice", "carol", False, id="a student"),
        pytest.param("class-dl202-instructor", "carol", False, id="whatever they are called"),
        pytest.param("root", "carol", True, id="an admin"),
    ],
)
def test_whose_server_may_be_opened(hub, room, who, login, may) -> None:
    assert opens(hub, who, login) == may


def test_an_assistant_stops_servers_of_the_class_and_an_instructor_starts_them_too(
    hub, room
) -> None:
    assert start(room["tara"], "class-dl202-instructor") in (403, 404)
    assert start(room["bob"], "class-dl202-instructor") in (201, 202)
    wait_until(lambda: is_ready(hub, "class-dl202-instructor"), timeout=30, explain=hub.tail)
    assert stop(hub, room["tara"], "class-dl202-instructor") in (202, 204)


def test_the_page_of_people_is_the_staffs_alone_and_has_no_button_to_end_the_hub(hub, room) -> None:
    with logged_in(hub, "bob") as browser:
        assert 'href="/hub/admin"' in browser.get("/hub/home").text
        assert 'class="admin no-hub no-people"' in browser.get("/hub/admin").text
        assert browser.get("/hub/spawn/carol").status_code in (403, 404)
    with logged_in(hub, "alice") as browser:
        assert 'href="/hub/admin"' not in browser.get("/hub/home").text
        assert browser.get("/hub/admin").status_code == 403


def test_an_instructors_very_first_page_leads_to_their_class(hub) -> None:
    hub.people.add("ines", ["new101"], role="instructor")
    with Browser(hub) as browser:
        answer = browser.log_in(str(hub.people.link("ines")), next_url="/hub/home")
        assert 'href="/hub/admin"' in answer.text


def test_who_leaves_a_class_is_not_seen_in_it_any_more_though_they_do_nothing(hub) -> None:
    ivy = enter(hub, "ivy", "leave101", role="instructor")
    enter(hub, "stu", "leave101")
    wait_until(lambda: ivy.names() == {"stu"}, timeout=AT_ONCE)
    hub.people.leave("stu", ["leave101"])
    wait_until(lambda: ivy.names() == set(), timeout=AT_ONCE)
    hub.people.add("stu", ["leave101"])
    wait_until(lambda: ivy.names() == {"stu"}, timeout=AT_ONCE)
    hub.people.remove("stu")
    wait_until(lambda: ivy.names() == set(), timeout=AT_ONCE)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda p: p.leave("staff", ["end101"]), id="out of the class"),
        pytest.param(lambda p: p.set_role("staff", "end101", "student"), id="a student again"),
    ],
)
def test_a_role_ends_at_once_in_sessions_and_for_tokens(hub, end) -> None:
    staff = enter(hub, "staff", "end101", role="instructor")
    enter(hub, "pupil", "end101")
    wait_until(lambda: staff.names() == {"pupil"}, timeout=AT_ONCE)
    with logged_in(hub, "staff") as browser:
        assert browser.get("/hub/admin").status_code == 200
        end(hub.people)
        wait_until(lambda: browser.get("/hub/admin").status_code == 403, timeout=AT_ONCE)
        assert browser.who() == "staff", "they are still in"
    assert staff.status("GET", "/users") == 403
    assert staff.status("DELETE", "/users/pupil/server") in (403, 404)


def test_what_an_instructor_is_in_one_class_is_nothing_in_another(hub) -> None:
    both = enter(hub, "both", "one101", "two101", role="instructor")
    hub.people.add("both", ["three101"])
    for number in ("one", "two", "three"):
        enter(hub, f"of-{number}", f"{number}101")
    three = enter(hub, "teaches-three", "three101", role="instructor")
    wait_until(lambda: both.names() == {"of-one", "of-two"}, timeout=AT_ONCE)
    assert three.names() == {"both", "of-three"}
    assert both.status("GET", "/users/of-three") == 404
    scopes = set(three.ask("GET", "/user").json()["scopes"])
    assert "access:servers!user=of-three" in scopes
    assert "access:servers!user=both" not in scopes, "their rights could be had through it"


def test_an_archived_class_closes_sessions_tokens_and_links_until_it_is_restored(hub) -> None:
    old = enter(hub, "old", "term101", role="instructor")
    classes = Classes(hub.people)
    token = str(hub.people.link("old"))
    with Browser(hub) as browser:
        browser.log_in(token)
        classes.archive("term101")
        wait_until(lambda: browser.who() is None, timeout=AT_ONCE)
        answer = browser.log_in(token)
        assert "or your class, is over. Your files are kept." in text_of(answer)
        assert old.status("GET", "/user") == 403
        classes.restore("term101")
        browser.log_in(token)
        assert browser.who() == "old"
        assert browser.get("/hub/admin").status_code == 200


def test_time_alone_ends_a_role(hub) -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=3)
    brief = enter(hub, "brief", "brief101", role="assistant", until=soon)
    hub.people.add("brief", ["other101"])
    wait_until(lambda: brief.status("GET", "/users") == 200, timeout=AT_ONCE)
    wait_until(lambda: brief.status("GET", "/users") == 403, timeout=3 + AT_ONCE)
    assert brief.ask("GET", "/user").json()["groups"] == ["other101"]


def test_a_restart_of_the_hub_changes_nobodys_rights(hub, room) -> None:
    before = {who: set(room[who].ask("GET", "/user").json()["scopes"]) for who in room}
    hub.stop()
    hub.start()
    after = {who: set(room[who].ask("GET", "/user").json()["scopes"]) for who in room}
    assert after == before
