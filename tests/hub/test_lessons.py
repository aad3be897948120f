"""A lesson's link, in a real hub: who may follow it, what one click starts, and what it asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from room.lessons.book import Lessons
from room.lessons.model import Content, Lesson, Source
from tests.hub.conftest import Browser, Hub, text_of
from tests.hub.test_console import violations
from tests.utils.chromium import chromium
from tests.utils.wait import wait_until

GIT = Source("git", "https://git.example.org/course/week-1", "main")
CONTENT = Content("Week 1 <b>", GIT, "gpu", ("cifar10@2",), "梅 1.ipynb")
NOT_HERE = "This page does not exist, or it is not for you."
LOOKS = [
    pytest.param({"color_scheme": "light", "locale": "en-US"}, 1200, id="light"),
    pytest.param({"color_scheme": "dark", "locale": "zh-CN"}, 360, id="dark-chinese-phone"),
]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("lessons"), trusted=("127.0.0.1",))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def book(hub: Hub) -> Lessons:
    return Lessons(hub.store, actor="tina")


@pytest.fixture(scope="module")
def lesson(book: Lessons) -> Lesson:
    return book.add("ml101", CONTENT)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page_of(hub: Hub, engine: Any) -> Iterator[Callable[..., Any]]:
    contexts: list[Any] = []
    hub.script({})

    def opened(login: str, path: str, *classes: str, **options: Any) -> Any:
        """Follow a link in a fresh browser, and log in on the way."""
        token = hub.person(login, *classes)
        context = engine.new_context(base_url=hub.public_url, **{"locale": "en-US", **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.goto(path)
        page.fill("#token", token)
        page.click("#submit")
        page.wait_for_url(f"**{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    hub.script({})


def link(lesson: Lesson) -> str:
    return f"/hub/room/lesson/{lesson.id}"


def options_of(hub: Hub, login: str) -> Any:
    return hub.api("GET", f"/users/{login}").json()["servers"][""]["user_options"]


def start(hub: Hub, login: str, **options: Any) -> None:
    hub.api("POST", f"/users/{login}/server", json=options)
    found = lambda: hub.api("GET", f"/users/{login}").json()["servers"].get("", {})  # noqa: E731
    wait_until(lambda: found().get("ready"), timeout=30, explain=hub.tail)


def secret(browser: Browser) -> str:
    """Return what a page of this session's own would send."""
    found = re.search(r'data-xsrf="([^"]+)"', browser.get("/hub/home").text)
    assert found is not None
    return found[1]


# -- by link -----------------------------------------------------------------------------------


@pytest.mark.browser
def test_one_click_after_the_login_starts_what_the_lesson_needs_and_opens_it(
    hub: Hub, lesson: Lesson, page_of: Any
) -> None:
    page = page_of("alice", link(lesson), "ml101")
    words = page.inner_text("main")
    assert page.get_by_role("heading", level=1).inner_text() == "Week 1 <b>"
    for part in ("class ml101", "One GPU", "cifar10@2", "lessons/ml101/week-1"):
        assert part in words
    assert hub.api("GET", "/users/alice").json()["servers"] == {}, "nothing starts by itself"
    page.click("#lesson button[type=submit]")
    page.wait_for_url(f"**/user/alice/room/lesson/{lesson.id}")
    assert options_of(hub, "alice") == {"profile": "gpu", "datasets": ["cifar10@2"]}
    # Followed again, with all that it needs running, it asks nothing.
    page.goto(link(lesson))
    page.wait_for_url(f"**/user/alice/room/lesson/{lesson.id}")


@pytest.mark.browser
def test_a_server_that_lacks_something_is_kept_or_started_anew_as_its_owner_says(
    hub: Hub, lesson: Lesson, page_of: Any
) -> None:
    page = page_of("bob", link(lesson), "ml101")
    start(hub, "bob", profile="cpu")
    page.goto(link(lesson))
    words = page.inner_text("main")
    assert "another profile than One GPU" in words
    assert "does not have the dataset cifar10" in words
    page.click("#anyway")
    page.wait_for_url(f"**/user/bob/room/lesson/{lesson.id}")
    assert options_of(hub, "bob") == {"profile": "cpu"}
    page.goto(link(lesson))
    hub.script({"hold_stop": True})
    page.click("#restart")
    page.wait_for_url("**/hub/room/restart/bob?*")
    assert (
        page.get_by_role("heading", level=1).inner_text() == "Your server restarts for the lesson"
    )
    hub.script({})
    page.wait_for_url(f"**/user/bob/room/lesson/{lesson.id}")
    assert options_of(hub, "bob") == {"profile": "gpu", "datasets": ["cifar10@2"]}


@pytest.mark.browser
@pytest.mark.parametrize(("look", "width"), LOOKS)
def test_it_reads_well_for_everyone(
    hub: Hub, lesson: Lesson, page_of: Any, look: dict[str, Any], width: int
) -> None:
    login = f"reader{width}"
    size = {"width": width, "height": 800}
    page = page_of(login, link(lesson), "ml101", viewport=size, **look)

    def check() -> None:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("html").get_attribute("lang") == look["locale"].replace("en-US", "en")

    check()
    start(hub, login, profile="cpu")
    page.reload()
    check()


# -- by request --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "classes", "there"),
    [
        pytest.param("of-the-class", ["ml101"], True, id="class"),
        pytest.param("of-another", ["dl202"], False, id="another-class"),
        pytest.param("of-none", [], False, id="no-class"),
    ],
)
def test_who_is_not_in_the_class_is_told_what_they_are_told_of_no_lesson_at_all(
    hub: Hub, browser: Browser, lesson: Lesson, login: str, classes: list[str], there: bool
) -> None:
    browser.log_in(hub.person(login, *classes))
    for path in (link(lesson), f"{link(lesson)}/open"):
        found = browser.get(path)
        assert (found.status_code == 200) == there
        if not there:
            nowhere = browser.get(path.replace(lesson.id, "nowhere"))
            assert NOT_HERE in text_of(found)
            assert text_of(found).replace(lesson.id, "") == text_of(nowhere).replace("nowhere", "")


def test_a_lesson_that_is_over_starts_nothing(hub: Hub, browser: Browser, book: Lessons) -> None:
    over = book.retire(book.add("ml101", replace(CONTENT, title="Last year")).id)
    browser.log_in(hub.person("late", "ml101"))
    assert "This lesson is over." in text_of(browser.get(f"{link(over)}/open"))
    start(hub, "late", profile="cpu")
    sent = browser.post(link(over), data={"_xsrf": secret(browser)})
    assert "This lesson is over." in text_of(sent)
    assert options_of(hub, "late") == {"profile": "cpu"}


def test_what_a_plan_does_not_have_is_said_before_anything_is_stopped(
    hub: Hub, browser: Browser, lesson: Lesson
) -> None:
    browser.log_in(hub.person("poor", "ml101"))
    hub.script({"no_lesson": "Your plan allows no server at the moment."})
    found = browser.get(link(lesson))
    assert "Your plan allows no server at the moment." in text_of(found)
    assert "Start the lesson" not in text_of(found)
    start(hub, "poor", profile="cpu")
    sent = browser.post(link(lesson), data={"_xsrf": secret(browser)})
    assert "Your plan allows no server at the moment." in text_of(sent)
    assert options_of(hub, "poor") == {"profile": "cpu"}
    hub.script({})


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another-site"),
        pytest.param({}, id="without-its-secret"),
    ],
)
def test_another_site_starts_and_stops_nothing(
    hub: Hub, browser: Browser, lesson: Lesson, headers: dict[str, str]
) -> None:
    login = f"target{len(headers)}"
    browser.log_in(hub.person(login, "ml101"))
    assert browser.get(link(lesson), headers=headers).status_code == 200
    assert hub.api("GET", f"/users/{login}").json()["servers"] == {}
    start(hub, login, profile="cpu")
    assert browser.post(link(lesson), headers=headers).status_code == 403
    assert options_of(hub, login) == {"profile": "cpu"}


def test_a_server_is_told_the_lessons_of_its_owner_and_no_others(
    hub: Hub, browser: Browser, book: Lessons, lesson: Lesson
) -> None:
    browser.log_in(hub.person("asker", "ml101"))
    start(hub, "asker", profile="cpu")
    token = (hub.directory / "token-asker-").read_text()
    other = book.add("dl202", CONTENT)

    def ask(identity: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{hub.url}/hub/room/lesson/{identity}/files", headers=headers)

    assert ask(lesson.id, Authorization=f"token {token}").json() == {
        "title": "Week 1 <b>",
        "class": "ml101",
        "kind": "git",
        "repository": GIT.repository,
        "branch": "main",
        "path": "",
        "place": "lessons/ml101/week-1",
        "page": "梅 1.ipynb",
    }
    assert ask(other.id, Authorization=f"token {token}").status_code == 404
    assert ask("nowhere", Authorization=f"token {token}").status_code == 404
    assert ask(lesson.id).status_code == 403
