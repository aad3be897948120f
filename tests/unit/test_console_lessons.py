# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""A class's lessons in the console: the builder, who is told of which, and the JSON beside it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from room.audit import read
from room.datasets.catalog import Catalog
from room.datasets.manifest import Summary
from room.datasets.model import About
from room.lessons.book import Lessons
from room.lessons.model import Content, Source
from room.store import Store
from tests.unit.test_console import PREFIX, Console, console, store_with_people  # noqa: F401

URL = "https://git.example.org/course/week-1"
FORM = {"title": "Week 1 <b>", "kind": "git", "repository": URL, "page": "a.ipynb"}
LINK = re.compile(r"https://room\.example/hub/room/lesson/([a-z0-9]{12})")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = store_with_people(tmp_path)
    for name, given in (("ours", "a"), ("theirs", "b")):
        files = Summary(f"{ord(given):064x}", 1, 1)
        Catalog(made, actor="root").publish(name, files, About(), [given], job=name)
    yield made
    made.close()


def book(store: Store) -> Lessons:
    return Lessons(store, actor="test")


def made(store: Store, class_name: str = "a", title: str = "Week 1") -> Any:
    return book(store).add(class_name, Content(title, Source("git", URL)))


def test_a_lesson_is_made_by_the_form_and_its_link_shown(console: Console, store: Store) -> None:
    session = console.sign_in("tina")
    page = console.get("class/a/lessons")
    assert 'value="ours"' in page
    assert "theirs" not in page
    assert 'href="/services/console/class/a/lessons"' in console.get("class/a")
    console.post(session, "class/a/lessons", **FORM, profile="gpu", dataset="ours")
    lesson = book(store).of(["a"])[0]
    assert lesson.content == Content("Week 1 <b>", Source("git", URL), "gpu", ("ours",), "a.ipynb")
    assert lesson.made_by == "tina"
    page = console.get("class/a/lessons?said=lesson")
    assert LINK.findall(page) == [lesson.id]
    assert "Week 1 &lt;b&gt;" in page
    assert "give its link to the class" in page


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"title": ""}, "a title of at most 100", id="title"),
        pytest.param({"repository": "git@h:x"}, "no address of a repository", id="address"),
        pytest.param({"branch": "-x"}, "no name of a branch", id="branch"),
        pytest.param({"page": "../x"}, "leads out by ..", id="page"),
        pytest.param({"profile": "nosuch"}, "no profile 'nosuch'", id="profile"),
        pytest.param({"dataset": "theirs"}, "cannot start with these datasets", id="dataset"),
    ],
)
def test_what_is_no_lesson_is_said_and_what_was_typed_stays(
    console: Console, store: Store, more: dict[str, str], words: str
) -> None:
    session = console.sign_in("tina")
    page = html.unescape(console.post(session, "class/a/lessons", 200, **{**FORM, **more}))
    assert words in page
    assert 'value="a.ipynb"' in page or "../x" in page
    assert book(store).of() == []
    in_json = {"title": "x", "kind": "git", "repository": URL, **more}
    if "dataset" in more:
        in_json["datasets"] = [in_json.pop("dataset")]
    told = console.ask("tina", "POST", "classes/a/lessons", 409, in_json)
    assert words in told["error"]["message"]  # type: ignore[index]


def test_a_lesson_is_changed_retired_and_restored_and_its_link_stays(
    console: Console, store: Store
) -> None:
    lesson = made(store)
    session = console.sign_in("tina")
    there = f"class/a/lessons/{lesson.id}"
    assert f'value="{URL}"' in console.get(there)
    form = {"title": "Again", "kind": "folder", "path": "week-2", "act": "save"}
    sent = console.client.post(PREFIX + there, data={"_csrf": session.csrf, **form})
    assert sent.status_code == 303
    changed = book(store).get(lesson.id)
    assert changed.content == Content("Again", Source("folder", path="week-2"))
    console.post(session, there, act="retire")
    assert book(store).get(lesson.id).retired_at is not None
    assert not LINK.search(console.get("class/a/lessons"))
    console.post(session, there, act="restore")
    assert LINK.search(console.get("class/a/lessons"))
    assert "no address" in console.post(session, there, 200, act="save", title="x", kind="git")
    console.post(session, there, 404, act="nonsense")
    with store.read() as connection:
        assert {entry.actor for entry in read(connection, "lesson retire")[0]} == {"tina"}


@pytest.mark.parametrize(
    ("login", "makes", "follows"),
    [
        pytest.param("root", True, False, id="admin"),
        pytest.param("tina", True, True, id="instructor"),
        pytest.param("asta", False, True, id="assistant"),
        pytest.param("alice", False, True, id="student"),
        pytest.param("otto", False, False, id="another-class-s"),
        pytest.param("nobody", False, False, id="in-no-class"),
    ],
)
def test_each_is_told_of_their_own(
    console: Console, store: Store, login: str, makes: bool, follows: bool
) -> None:
    lesson = made(store)
    book(store).retire(made(store, title="Last year").id)
    session = console.sign_in(login)
    status = 200 if makes else 404
    for path in ("class/a/lessons", f"class/a/lessons/{lesson.id}"):
        console.get(path, status)
    console.ask(login, "GET", "classes/a/lessons", status)
    body = {"title": "x", "repository": URL}
    console.ask(login, "POST", "classes/a/lessons", 201 if makes else 404, body)
    console.ask(login, "PUT", f"classes/a/lessons/{lesson.id}", status, {**body, "title": "Week 1"})
    for act in ("retire", "restore"):
        console.ask(login, "POST", f"classes/a/lessons/{lesson.id}/{act}", status)
    console.ask(login, "PUT", "classes/a/profile", status, {"profile": "gpu"})
    console.post(session, "class/a/profile", 303 if makes else 404, profile="cpu")
    assert (lesson.id in console.get("")) == follows
    titles = [each["title"] for each in console.ask(login, "GET", "me/lessons")]  # type: ignore[attr-defined]
    assert ("Week 1" in titles) == follows
    assert "Last year" not in titles


def test_a_lesson_is_not_to_be_had_by_another_class_s_address(
    console: Console, store: Store
) -> None:
    theirs = made(store, "b")
    console.sign_in("tina")
    console.get(f"class/a/lessons/{theirs.id}", 404)
    console.ask("tina", "PUT", f"classes/a/lessons/{theirs.id}", 404, {"title": "x"})
    console.ask("tina", "POST", f"classes/a/lessons/{theirs.id}/retire", 404)
    assert book(store).get(theirs.id).retired_at is None


def test_a_class_starts_with_a_profile_that_there_is(console: Console, store: Store) -> None:
    session = console.sign_in("tina")
    console.post(session, "class/a/profile", profile="gpu")
    assert book(store).defaults() == {"a": "gpu"}
    assert re.search(r'<option value="gpu" selected>', console.get("class/a/lessons"))
    assert "no profile" in console.post(session, "class/a/profile", 200, profile="nosuch")
    assert console.ask("tina", "PUT", "classes/a/profile", 200, {"profile": ""}) == {"profile": ""}
    assert book(store).defaults() == {}


def test_the_pages_are_in_chinese(console: Console, store: Store) -> None:
    lesson = made(store)
    console.sign_in("tina")
    for path in ("class/a/lessons", f"class/a/lessons/{lesson.id}"):
        page = console.get(path, headers={"Accept-Language": "zh"})
        assert "课程" in page
        assert "Repository" not in page
