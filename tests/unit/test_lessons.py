"""What a lesson may be, who may make and follow one, and what the room's book keeps of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.audit import read
from room.datasets.model import EVERYONE, Dataset, Version
from room.datasets.rights import Who
from room.lessons import rules, starting
from room.lessons.book import Lessons
from room.lessons.model import Content, Lesson, NoSuchLessonError, Source
from room.models import Reject
from room.store import Store
from room.store.migrate import upgrade

NOW = datetime(2026, 11, 27, 9, tzinfo=timezone.utc)
GIT = Source("git", "https://git.example.org/course/week-1.git")
CONTENT = Content("Week 1", GIT, "cpu", ("cifar10@2",), "lesson.ipynb")
ADMIN = Who("root", admin=True)
TINA = Who("tina", classes=frozenset("a"), teaches=frozenset("a"))
OTTO = Who("otto", classes=frozenset("b"), teaches=frozenset("b"))
ALICE = Who("alice", classes=frozenset("a"))


def dataset(name: str, *classes: str) -> Dataset:
    version = Version(2, "d" * 64, 1, 1, NOW, "root")
    return Dataset(name, "", "", "", "root", NOW, classes, (version,))


def lesson(content: Content = CONTENT, folder: str = "week-1", class_name: str = "a") -> Lesson:
    return Lesson("x" * 12, class_name, content, folder, "tina", NOW)


# -- who ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "makes", "follows"),
    [
        pytest.param(ADMIN, True, True, id="admin"),
        pytest.param(TINA, True, True, id="instructor"),
        pytest.param(OTTO, False, False, id="another-class"),
        pytest.param(ALICE, False, True, id="student"),
        pytest.param(Who("nobody"), False, False, id="in-no-class"),
    ],
)
def test_who_makes_and_who_follows_a_lesson_of_class_a(who: Who, makes: bool, follows: bool):
    assert rules.makes(who, "a") == makes
    assert rules.follows(who, "a") == follows


def test_a_provider_s_group_that_is_no_class_has_no_lessons():
    assert not rules.makes(ADMIN, "Group/1")


# -- what --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.org/course/week-1",
        "https://git.example.org:8443/~tina/course.git",
        "http://10.0.0.7/course?x=1",
    ],
)
def test_addresses_that_a_class_can_read(url: str):
    assert rules.content(replace(CONTENT, source=Source("git", url))).source.repository == url


@pytest.mark.parametrize(
    ("url", "word"),
    [
        pytest.param("", "no address", id="empty"),
        pytest.param("git@example.org:course/week-1", "no address", id="ssh-short"),
        pytest.param("ssh://example.org/course", "no address", id="ssh"),
        pytest.param("file:///etc", "no address", id="file"),
        pytest.param("/home/jovyan/x", "no address", id="path"),
        pytest.param("ext::sh -c id", "no address", id="helper"),
        pytest.param("--upload-pack=id", "no address", id="option"),
        pytest.param("https://-x/course", "no address", id="host-like-an-option"),
        pytest.param("https://example.org", "no address", id="no-path"),
        pytest.param("https://example.org/a b", "no address", id="blank"),
        pytest.param("https://example.org/a\nb", "no address", id="line-break"),
        pytest.param("https://example.org/a#b", "no address", id="fragment"),
        pytest.param("https://[::1/a", "no address", id="broken"),
        pytest.param("https://example.org/" + "a" * 500, "no address", id="long"),
        pytest.param("https://token@example.org/a", "password", id="user"),
        pytest.param("https://u:p@example.org/a", "password", id="password"),
    ],
)
def test_addresses_that_are_refused(url: str, word: str):
    with pytest.raises(ValueError, match=word):
        rules.content(replace(CONTENT, source=Source("git", url)))


@pytest.mark.parametrize("name", ["", "main", "week/1", "v1.0", "über", "feature_x+y"])
def test_branches_that_are_taken(name: str):
    made = rules.content(replace(CONTENT, source=replace(GIT, branch=name)))
    assert made.source.branch == name


@pytest.mark.parametrize(
    "name",
    ["-x", "--upload-pack=id", "a..b", "a b", "a~1", "a^", "a:b", "/a", "a/", "a//b", "a.lock",
     ".a", "a/.b", "@", "a@{1}", "a\\b", "a\nb", "a" * 201],
)  # fmt: skip
def test_branches_that_are_refused(name: str):
    with pytest.raises(ValueError, match="no name of a branch"):
        rules.content(replace(CONTENT, source=replace(GIT, branch=name)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), (" week 1/./梅.ipynb ", "week 1/梅.ipynb"), ("a//b/", "a/b")],
)
def test_paths_that_are_taken(text: str, expected: str):
    assert rules.path(text) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("/etc/passwd", "begins with /", id="absolute"),
        pytest.param("a/../../b", "leads out", id="up"),
        pytest.param("-x", "begin with -", id="option"),
        pytest.param("a/.git/config", "be .git", id="git"),
        pytest.param("a\nb", "line break", id="line-break"),
        pytest.param("a\\b", "backslash", id="backslash"),
        pytest.param("a" * 501, "500 characters", id="long"),
    ],
)
def test_paths_that_are_refused(text: str, word: str):
    with pytest.raises(ValueError, match=word):
        rules.path(text)


@given(st.text(max_size=60))
def test_a_path_that_is_taken_stays_inside_and_is_no_option(text: str):
    try:
        found = rules.path(text)
    except ValueError:
        return
    parts = found.split("/")
    assert ".." not in parts
    assert not found.startswith(("/", "-"))
    assert rules.path(found) == found


@pytest.mark.parametrize(
    ("content", "word"),
    [
        pytest.param(replace(CONTENT, title=" "), "title", id="no-title"),
        pytest.param(replace(CONTENT, title="a" * 101), "100 characters", id="long-title"),
        pytest.param(
            replace(CONTENT, source=Source("folder", path="hand-in/bob")), "hand in", id="hand-in"
        ),
    ],
)
def test_what_is_no_lesson(content: Content, word: str):
    with pytest.raises(ValueError, match=word):
        rules.content(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(CONTENT, "", id="all-there"),
        pytest.param(replace(CONTENT, profile="gpu"), "profile-unknown", id="profile"),
        pytest.param(replace(CONTENT, profile="", datasets=()), "", id="nothing"),
        pytest.param(replace(CONTENT, datasets=("theirs",)), "dataset-unknown", id="other-class"),
        pytest.param(
            replace(CONTENT, datasets=("cifar10@9",)), "dataset-version-unknown", id="version"
        ),
    ],
)
def test_what_a_lesson_needs_is_there_for_its_class(content: Content, reason: str):
    visible = [dataset("cifar10", "a"), dataset("all", EVERYONE)]
    found = rules.needs(content, frozenset({"cpu"}), visible)
    assert (found.reason if isinstance(found, Reject) else "") == reason


# -- where its files come to -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(GIT, "week-1", id="repository"),
        pytest.param(Source("git", "http://h/~t/a b$c"), "a-b-c", id="odd"),
        pytest.param(Source("git", "http://h/..."), "a", id="no-name"),
        pytest.param(Source("folder", path="week 2/梅"), "梅", id="folder"),
        pytest.param(Source("folder"), "a", id="whole-class-folder"),
    ],
)
def test_its_folder_is_named_for_where_it_comes_from(source: Source, expected: str):
    assert rules.folder(replace(CONTENT, source=source), "a", []) == expected


def test_two_lessons_of_one_repository_share_a_folder_and_no_others_do():
    first = lesson()
    assert rules.folder(replace(CONTENT, title="Again", page="2.ipynb"), "a", [first]) == "week-1"
    for source in (replace(GIT, branch="dev"), Source("git", "https://other.example/week-1")):
        assert rules.folder(replace(CONTENT, source=source), "a", [first]) == "week-1-2"


# -- what a start is asked for -----------------------------------------------------------------


def test_the_options_of_a_start():
    assert starting.options(lesson()) == {"profile": "cpu", "datasets": ["cifar10@2"]}
    bare = replace(CONTENT, profile="", datasets=())
    assert starting.options(lesson(bare)) == {}
    assert starting.options(lesson(bare), "gpu") == {"profile": "gpu"}
    assert starting.options(lesson(), "gpu")["profile"] == "cpu", "its own counts more"


@pytest.mark.parametrize(
    ("running", "mounted", "environment", "expected"),
    [
        pytest.param({"profile": "cpu"}, {"cifar10"}, "a", starting.Lack(), id="all"),
        pytest.param({"profile": "gpu"}, {"cifar10"}, "a", starting.Lack("cpu"), id="profile"),
        pytest.param({}, set(), "a", starting.Lack("cpu", ("cifar10",)), id="both"),
        pytest.param({"profile": "cpu"}, None, None, starting.Lack(), id="nobody-knows"),
        pytest.param(
            {"profile": "cpu"}, {"cifar10"}, "", starting.Lack(environment="a"), id="packages"
        ),
    ],
)
def test_what_a_running_server_lacks(running, mounted, environment, expected):
    wanted = starting.options(lesson()) | {"environment": "a"}
    found = starting.lack(lesson(), wanted, running, mounted, environment)
    assert found == expected
    assert bool(found) == (expected != starting.Lack())


def test_packages_that_a_lesson_does_not_ask_for_are_not_missed():
    wanted = starting.options(lesson())
    running = {"profile": "cpu"}
    assert not starting.lack(lesson(), wanted, running, {"cifar10"}, "")
    assert not starting.lack(lesson(), wanted, running, {"cifar10"}, "b")


# -- the book ----------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Lessons]:
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    upgrade(store)
    yield Lessons(store, actor="tina", origin="test", clock=lambda: NOW)
    store.close()


def test_a_lesson_is_made_changed_retired_and_restored(book: Lessons):
    made = book.add("a", CONTENT)
    assert book.get(made.id) == made
    assert made.place == "lessons/a/week-1"
    assert len(made.id) == 12
    other = book.add("b", CONTENT)
    assert other.id != made.id
    assert [each.id for each in book.of(["a"])] == [made.id]
    changed = book.change(made.id, replace(CONTENT, title="Week one"))
    assert (changed.id, changed.folder, changed.content.title) == (made.id, "week-1", "Week one")
    moved = book.change(made.id, replace(CONTENT, source=replace(GIT, branch="dev")))
    assert moved.folder == "week-1-2"
    assert book.retire(made.id).retired_at == NOW
    assert book.restore(made.id).retired_at is None
    assert book.restore(made.id).retired_at is None
    with book.store.read() as connection:
        entries, _ = read(connection)
    actions = [entry.action for entry in entries]
    assert actions == [
        "lesson restore", "lesson retire", "lesson change", "lesson change",
        "lesson add", "lesson add",
    ]  # fmt: skip
    assert {entry.actor for entry in entries} == {"tina"}


@pytest.mark.parametrize("act", ["get", "retire", "restore"])
def test_what_no_link_names_is_no_lesson(book: Lessons, act: str):
    with pytest.raises(NoSuchLessonError):
        getattr(book, act)("nowhere")
    with pytest.raises(NoSuchLessonError):
        book.change("nowhere", CONTENT)


def test_a_class_starts_with_a_profile_until_it_has_none(book: Lessons):
    book.set_default("a", "gpu")
    book.set_default("b", "cpu")
    book.set_default("a", "cpu")
    assert book.defaults() == {"a": "cpu", "b": "cpu"}
    book.set_default("a", "")
    assert book.defaults() == {"b": "cpu"}
