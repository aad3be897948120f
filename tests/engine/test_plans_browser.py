"""An admin lowers a quota on the console's page, and the student's next start shows it.

Hub, engine and browser are real; who somebody is at the console is said by a stand-in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from console.app import make_app
from console.desk import Desk
from console.guard import SESSION
from console.render import Pages
from console.session import Session
from room.people import People
from room.plans.book import Plans
from spawner.pages import TEMPLATES
from tests.engine.conftest import Room
from tests.hub.test_console import violations
from tests.utils.chromium import chromium
from tests.utils.hub import Hub
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.browser]

MIB = 1024**2
PREFIX = "/services/console/"
CLASS = "lowered"
PROFILES = [{"display_name": "Large", "slug": "large", "spawner_override": {"mem_limit": "512M"}}]
PAGES = {
    "template_vars": {"room_title": "Torchroom"},
    "template_paths": [str(TEMPLATES)],
    "jinja_environment_options": {
        "extensions": ["spawner.i18n.Translations", "spawner.pages.Tools"]
    },
}


@pytest.fixture(scope="module")
def hub(lasting_room: Room) -> Hub:
    traits = {"profile_list": PROFILES, "mem_limit": 256 * MIB, "shm_size": 32 * MIB}
    return lasting_room.open(traits=traits, more={"JupyterHub": PAGES})


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def console(lasting_room: Room) -> Iterator[tuple[TestClient, Session]]:
    """A console of the same database, at which an admin is signed in."""
    desk = Desk(lasting_room.store, Plans(lasting_room.store), FakeHub())  # type: ignore[arg-type]
    People(lasting_room.store).add("root", admin=True)
    app = make_app(desk, Pages(PREFIX, "Torchroom", "en", timezone.utc))
    with TestClient(app, follow_redirects=False) as client:
        session = Session("t-root")
        key = app.state.parts.guard.sessions.put(session)
        client.cookies.set(SESSION, key, path=PREFIX)
        yield client, session


def admin_page(chrome: Any, client: TestClient, locale: str) -> Any:
    """Open a browser whose console is the one of this process."""
    passed_on = ("accept-language", "content-type", "hx-request", "x-csrf-token")

    def fulfil(route: Any) -> None:
        asked = route.request
        url = urlsplit(asked.url)
        headers = {name: value for name, value in asked.headers.items() if name in passed_on}
        found = client.request(
            asked.method,
            f"{url.path}?{url.query}",
            headers={**headers, "accept-language": locale},
            content=asked.post_data_buffer,
        )
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    page = chrome.new_context(locale=locale, base_url="http://console.test").new_page()
    page.route("**/*", fulfil)
    return page


def student_page(chrome: Any, hub: Hub, locale: str, login: str) -> Any:
    context = chrome.new_context(locale=locale, base_url=f"http://127.0.0.1:{hub.port}")
    context.set_default_timeout(40_000)
    page = context.new_page()
    page.goto("/hub/login")
    secret = next(each["value"] for each in context.cookies() if each["name"] == "_xsrf")
    form = {"username": login, "password": "", "_xsrf": secret}
    assert context.request.post("/hub/login", form=form).ok
    return page


def card(page: Any) -> str:
    """Return what the start page's card says of memory."""
    page.goto("/hub/spawn")
    found = re.search(r"(\d+) ?M(?:i?B)?", page.locator("#spawn_form").inner_text())
    assert found is not None, page.inner_text("main")
    return found[1]


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_admin_lowers_a_quota_and_the_next_start_shows_it(
    lasting_room: Room,
    hub: Hub,
    chrome: Any,
    console: tuple[TestClient, Session],
    locale: str,
) -> None:
    login = f"lena-{locale[:2]}"
    hub.add(login)
    hub.http.post(f"/groups/{CLASS}")
    hub.http.post(f"/groups/{CLASS}/users", json={"users": [login]})
    People(lasting_room.store).add(login, [CLASS])
    admin = admin_page(chrome, console[0], locale)
    student = student_page(chrome, hub, locale, login)

    def lower(memory: str) -> None:
        admin.goto(f"{PREFIX}admin")
        cell = admin.locator(f"[id='cell-class%2F{CLASS}-memory']")
        cell.get_by_role("link").click()
        field = cell.locator("input[name=value]")
        field.fill(memory)
        assert violations(admin) == []
        field.press("Enter")
        admin.locator("#notes .said").wait_for()

    def start() -> int:
        student.click("#spawn_form button[type=submit]")
        hub.wait_ready(login)
        return int(lasting_room.container(login).attrs["HostConfig"]["Memory"])

    lower("384M")
    assert card(student) == "384"
    assert start() == 384 * MIB
    lower("160M")
    # What runs is left as it is.
    assert lasting_room.container(login).attrs["HostConfig"]["Memory"] == 384 * MIB
    hub.stop_server(login)
    assert card(student) == "160"
    assert violations(student) == []
    assert start() == 160 * MIB
    hub.stop_server(login)
    wait_until(lambda: not lasting_room.containers(), timeout=30)
