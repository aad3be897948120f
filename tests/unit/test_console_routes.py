# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""What holds for every address of the console, found by asking the application for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from console import api, pages
from room.datasets.catalog import Catalog
from room.datasets.manifest import Summary
from room.datasets.model import About
from room.lessons.book import Lessons
from room.people import People
from room.store import Store
from tests.unit.test_console import PREFIX, Console, console, store_with_people  # noqa: F401

#: What stands for each place in an address: all of it is there.
PLACES = {
    "name": "a", "login": "alice", "user": "alice", "kind": "user", "limit": "gpus",
    "action": "drain", "number": "1", "key": "k", "language": "en", "ticket": "t1",
    "identity": "0" * 36, "act": "again",
}  # fmt: skip
#: What is for everybody: the way in, and the language.
OPEN = {"/sign-in", "/oauth_callback", "/language/{language}"}
#: An admin's alone, although it is not below ``admin/``.
ADMIN_API = ("gpus", "queue", "history", "people", "roster", "audit", "doctor", "usage", "undo")
#: What JSON has to hold to be looked at, whichever it is.
BODY = {
    "who": "alice",
    "amount": "1",
    "limits": [{"who": "alice", "limit": "gpus", "value": "1"}],
    "roster": "login\nzoe\n",
    "unit": "u",
    "lease": "l",
    "ticket": "t",
    "name": "cats",
    "folder": "data/cats",
    "classes": ["a"],
    "version": 1,
    "title": "Week 1",
    "repository": "https://git.example.org/course",
    "files": [{"path": "a.jpg", "size": 1}],
    "requirements": "einops",
    "environment": 1,
    "build": "0" * 36,
}


def routes(method: str) -> list[str]:
    """Return the paths that answer to a method, with their places."""
    found = [
        route.path.removeprefix(PREFIX.rstrip("/"))
        for router in (pages.router(PREFIX), api.router(PREFIX))
        for route in router.routes
        if isinstance(route, APIRoute) and method in route.methods
    ]
    return sorted(set(found) - OPEN)


def _admin_api(path: str) -> bool:
    return path.startswith("/api/") and path.split("/")[2] in ADMIN_API


def filled(path: str) -> str:
    return PREFIX + re.sub(r"\{(\w+)\}", lambda place: PLACES[place[1]], path).lstrip("/")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = store_with_people(tmp_path)
    # A dataset of class a, which is called as it is.
    files = Summary("0" * 64, 1, 1)
    Catalog(made, actor="tina").publish("a", files, About("Alice's cats"), ["a"], job="1")
    yield made
    made.close()


def everything(console: Console, store: Store) -> tuple[object, ...]:
    """Return all that a page could have changed."""
    hub = console.hub
    changed = (hub.stopped, hub.asked, hub.own_tokens)
    data = Catalog(store, actor="test").all()
    book = Lessons(store, actor="test")
    taught = (book.of(), book.defaults())
    return (
        People(store).all(),
        data,
        taught,
        console.plans.settings(),
        console.plans.history(),
        *changed,
    )


@pytest.mark.parametrize("secret", [None, "", "x" * 32])
def test_nothing_is_changed_without_the_session_s_own_secret(
    console: Console, store: Store, secret: str | None
) -> None:
    console.sign_in("root")
    before = everything(console, store)
    form = {
        "act": "archive",
        "user": "alice",
        "roster": "login\nzoe\n",
        "hours": "1",
        "who": "alice",
    }
    sent = form if secret is None else {**form, "_csrf": secret}
    headers = {} if secret is None else {"X-CSRF-Token": secret}
    for path in routes("POST"):
        if path.startswith("/api/"):
            answer = console.client.post(filled(path), json=BODY, headers=headers)
            assert answer.status_code == 403, path
            assert answer.json()["error"]["reason"] == "old-page", path
        else:
            answer = console.client.post(filled(path), data=sent, headers=headers)
            assert answer.status_code == 403, path
            assert "This page is too old" in answer.text, path
        assert everything(console, store) == before, path


def test_a_form_of_another_session_changes_nothing(console: Console, store: Store) -> None:
    other = console.sign_in("alice")
    console.sign_in("root")
    before = everything(console, store)
    for path in routes("POST"):
        answer = console.client.post(filled(path), data={"_csrf": other.csrf, "act": "archive"})
        # Who sends a form where JSON is wanted is told that first.
        expected = (403, 422) if path.startswith("/api/") else (403,)
        assert answer.status_code in expected, path
        assert everything(console, store) == before, path


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_is_not_signed_in_sees_nothing(console: Console, method: str) -> None:
    for path in routes(method):
        answer = console.client.request(method, filled(path))
        if path.startswith("/api/"):
            assert answer.status_code in (401, 422), path
            assert set(answer.json()) == {"error"}
        else:
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith(f"{PREFIX}sign-in")


@pytest.mark.parametrize("login", ["alice", "asta", "tina", "otto"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_an_admin_s_is_nobody_else_s(console: Console, login: str, method: str) -> None:
    session = console.sign_in(login)
    paths = [path for path in routes(method) if path.startswith("/admin") or _admin_api(path)]
    assert paths
    for path in paths:
        form = {"data": {"_csrf": session.csrf}} if method == "POST" else {}
        if _admin_api(path) and method == "POST":
            form = {"json": BODY, "headers": {"X-CSRF-Token": session.csrf}}
        answer = console.client.request(method, filled(path), **form)  # type: ignore[arg-type]
        assert answer.status_code == 404, path


@pytest.mark.parametrize("login", ["alice", "otto", "nobody"])
def test_the_other_class_is_at_no_address(console: Console, login: str) -> None:
    """``otto`` is the instructor of class b; all of this is of class a, and of alice in it."""
    session = console.sign_in(login)
    own = {"/api/limits/{kind}/{name}", "/datasets/{name}", "/api/datasets/{name}"}
    for method in ("GET", "POST"):
        for path in routes(method):
            if "{name}" not in path or path.startswith("/admin"):
                continue
            if method == "GET" and login == "alice" and path in own:
                continue
            form = {"data": {"_csrf": session.csrf, "user": "alice"}} if method == "POST" else {}
            if form and path.startswith("/api/"):
                form = {"json": BODY, "headers": {"X-CSRF-Token": session.csrf}}
            answer = console.client.request(method, filled(path), **form)  # type: ignore[arg-type]
            assert answer.status_code == 404, path
            assert "Alice" not in answer.text
