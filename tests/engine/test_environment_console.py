"""From an instructor's requirements to what holds in the class: console, agent and engine."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timezone
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from fastapi.testclient import TestClient

from agent.app import make_app as make_agent
from console.app import make_app
from console.builder import Builder
from console.desk import Desk
from console.environment_lookout import EnvironmentLookout
from console.render import Pages
from engine.buildsite import BuildSite
from room.environments.book import Environments
from room.people import People
from room.plans.book import Plans
from room.store import Store
from room.store.migrate import upgrade
from tests.unit.test_console import PREFIX, Console
from tests.utils.building import Host
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until
from tests.utils.wheel_index import Index

pytestmark = pytest.mark.engine

HUBS, TOKEN = "h" * 40, "p" * 40
PAGE = "class/ml101/environment"


@dataclass
class Course:
    """A room's store, builds and index; a console is opened on them."""

    root: Path
    host: Host
    index: Index
    store: Store
    down: bool = False

    @property
    def book(self) -> Environments:
        return Environments(self.store, actor="test")

    def builder(self) -> Builder:
        app = make_agent(self.root, HUBS, builds=self.host.builds, publisher=TOKEN)
        return Builder("http://agent", TOKEN, _Switched(self, httpx.ASGITransport(app)))

    def desk(self) -> Desk:
        return Desk(self.store, Plans(self.store), FakeHub())  # type: ignore[arg-type]

    def look(self) -> bool:
        """Look as the console does, once."""

        async def look() -> bool:
            builder = self.builder()
            try:
                return await EnvironmentLookout(builder, self.desk()).look()
            finally:
                await builder.close()

        return asyncio.run(look())

    @contextmanager
    def console(self) -> Iterator[Console]:
        desk = self.desk()
        pages = Pages(PREFIX, "Torchroom", "en", timezone.utc)
        app = make_app(desk, pages, builder=self.builder())
        with TestClient(app, follow_redirects=False) as client:
            yield Console(desk.hub, desk.plans, client, app)  # type: ignore[arg-type]

    def holds(self, class_name: str = "ml101") -> str:
        found = self.book.of(class_name)[0]
        return found.tag if found else ""


class _Switched(httpx.AsyncBaseTransport):
    def __init__(self, course: Course, inside: httpx.AsyncBaseTransport) -> None:
        self._course, self._inside = course, inside

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._course.down:
            raise httpx.ConnectError("nobody listens", request=request)
        return await self._inside.handle_async_request(request)


@pytest.fixture
def course(client: docker.DockerClient, tmp_path: Path, small_base: str) -> Iterator[Course]:
    index = Index()
    index.add("roomgreet", "1.0", {"roomgreet.py": "WORDS = 'one'\n"})
    index.add("roomgreet", "2.0", {"roomgreet.py": "WORDS = 'two'\n"})
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    upgrade(store)
    people = People(store)
    people.add("root", admin=True)
    people.add("tina", ["ml101"], role="instructor")
    people.add("otto", ["dl202"], role="instructor")
    people.add("alice", ["ml101"])
    host = Host(client, tmp_path / "environments", small_base, BuildSite(index.url(), ""))
    yield Course(tmp_path, host, index, store)
    host.close()
    index.close()
    store.close()


def sent(console: Console, csrf: str, act: str, **form: Any) -> str:
    """Send a form of the page; return the page that follows."""
    answer = console.client.post(
        PREFIX + PAGE, data={"_csrf": csrf, "act": act, **form}, follow_redirects=True
    )
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def test_an_instructor_builds_goes_back_and_switches_off(course: Course) -> None:
    with course.console() as console:
        csrf = console.sign_in("tina").csrf
        assert "has no environment" in console.get(PAGE)
        page = sent(console, csrf, "build", requirements="-r more.txt")
        assert "Line 1 is an option of pip (-r)" in page
        assert "-r more.txt</textarea>" in page
        page = sent(console, csrf, "build", requirements="nosuchthing\n")
        assert "It is being built" in page
        wait_until(lambda: "no package nosuchthing" in console.get(PAGE + "/rows"), timeout=60)
        assert "No matching distribution" in console.get(PAGE + "/rows"), "its log"
        sent(console, csrf, "build", requirements="roomgreet==1.0\n")
        wait_until(course.holds, timeout=60)
        first = course.holds()
        wait_until(lambda: "hx-trigger" not in console.get(PAGE), timeout=20)
        page = console.get(PAGE)
        assert first in page
        assert "1 package" in page
        assert "nosuchthing" not in page, "the build that failed made way for the next"
        sent(console, csrf, "build", requirements="roomgreet\n")
        wait_until(lambda: course.holds() not in ("", first), timeout=60)
        (former,) = course.book.of("ml101")[1]
        page = sent(console, csrf, "back", environment=str(former.id))
        assert course.holds() == first
        assert "roomgreet==1.0</textarea>" in page.replace("\n", "")
        sent(console, csrf, "off")
        assert course.holds() == ""
        # The JSON interface says the same, and another class's instructor is told nothing.
        told: Any = console.ask("tina", "GET", "classes/ml101/environment")
        assert (told["in_force"], len(told["former"]), told["builds"]) == (None, 2, [])
        console.sign_in("otto")
        assert "roomgreet" not in console.get(PAGE, 404)


def test_a_class_s_environment_is_built_anew_on_the_room_s_new_image(course: Course) -> None:
    build = course.host.made("roomgreet\n")
    course.look()
    assert course.holds() == build.tag
    assert not course.look()
    # The room has another image since; and the index a newer version, which nobody asked for.
    course.index.add("roomgreet", "3.0", {"roomgreet.py": "WORDS = 'three'\n"})
    course.host.builds.close()
    container = course.host.client.containers.create(course.host.base)
    repository = f"torchroom/{course.host.room}"
    container.commit(repository, "new", message="another day")
    container.remove()
    course.host.base = f"{repository}:new"
    course.host.builds = course.host.agent()
    try:
        assert course.look(), "it is being built"
        assert course.holds() == build.tag, "until then the former one is used"
        wait_until(lambda: not course.look() and course.holds() != build.tag, timeout=60)
        assert course.host.run(course.holds(), "import roomgreet; print(roomgreet.WORDS)") == "two"
        assert not course.look()
    finally:
        for tag in course.host.builds.images():
            course.host.client.images.remove(tag, force=True)
        course.host.client.images.remove(course.host.base, force=True)


def test_what_was_asked_for_by_who_may_not_any_more_holds_nowhere(course: Course) -> None:
    build = course.host.made("roomgreet\n")
    course.host.builds.remove(build.id)
    build = course.host.over(course.host.builds.begin("dl202", "tina", "roomgreet\n"))
    course.look()
    assert course.holds("dl202") == ""
    # And what nobody has is removed.
    assert course.host.builds.all() == []
    assert course.host.builds.images() == set()


def test_the_page_is_there_without_the_agent(course: Course) -> None:
    course.book.announce(
        replace(course.host.made("roomgreet\n"), id="1", class_name="ml101", actor="tina")
    )
    course.down = True
    with course.console() as console:
        csrf = console.sign_in("tina").csrf
        page = console.get(PAGE)
        assert "cannot look at what is being built" in page
        assert course.holds() in page
        page = sent(console, csrf, "build", requirements="roomgreet==2.0\n")
        assert "cannot look at what is being built" in page
        assert "roomgreet==2.0</textarea>" in page.replace("\n", "")
