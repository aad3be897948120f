"""The page of a restart without a GPU, in a real Chromium: it waits, goes on, and leads back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.hub.conftest import Hub
from tests.hub.test_console import violations
from tests.utils.chromium import chromium
from tests.utils.wait import wait_until

pytestmark = pytest.mark.browser

WORDS = {
    "en-US": ("Your server restarts without a GPU", "Your files are safe"),
    "zh-CN": ("您的服务器正在重新启动，之后不再使用 GPU", "您的文件是安全的"),  # noqa: RUF001
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("giveback"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page_of(hub: Hub, engine: Any) -> Iterator[Callable[..., Any]]:
    """Give what opens a browser with these options, in which somebody works on a GPU."""
    contexts: list[Any] = []
    hub.script({})

    def opened(login: str, **options: Any) -> Any:
        context = engine.new_context(base_url=hub.public_url, **{"locale": "en-US", **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.goto("/hub/login")
        page.fill("#token", hub.person(login))
        page.click("#submit")
        page.wait_for_url("**/hub/spawn*")
        hub.api("POST", f"/users/{login}/server", json={"profile": "gpu"})
        wait_until(lambda: server(hub, login).get("ready"), timeout=30, explain=hub.tail)
        return page

    yield opened
    for context in contexts:
        context.close()
    hub.script({})


def server(hub: Hub, login: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.api("GET", f"/users/{login}").json()["servers"].get("", {})
    return found


def notebook(login: str) -> str:
    return f"/user/{login}/lab/tree/week%201/%E6%A2%85.ipynb"


def give_back(hub: Hub, login: str) -> httpx.Response:
    """Do as JupyterLab does when its button is pressed."""
    token = (hub.directory / f"token-{login}-").read_text()
    headers = {"Authorization": f"token {token}"}
    return httpx.post(f"{hub.url}/hub/room/lease/cpu", headers=headers, timeout=30)


def watch(page: Any, hub: Hub, login: str, onward: str = "") -> None:
    """Give the GPU back and look at the page of the restart, while the server is being stopped."""
    hub.script({"hold_stop": True})
    there = give_back(hub, login).json()["page"]
    assert there == f"/hub/room/restart/{login}"
    query = httpx.QueryParams({"next": onward or notebook(login)})
    page.goto(f"{there}?{query}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_it_says_what_happens_and_goes_on_to_the_notebook(
    hub: Hub, page_of: Any, locale: str, scheme: str
) -> None:
    login = f"{locale[:2]}-{scheme}"
    page = page_of(login, locale=locale, color_scheme=scheme)
    watch(page, hub, login)
    title, safe = WORDS[locale]
    assert page.get_by_role("heading", level=1).inner_text() == title
    assert safe in page.get_by_role("status").inner_text()
    assert page.locator("html").get_attribute("lang") == locale.replace("en-US", "en")
    assert violations(page) == []
    # It is no page to come back to: a reload asks anew, and still waits.
    page.reload()
    assert page.get_by_role("heading", level=1).inner_text() == title
    hub.script({})
    page.wait_for_url(f"**{notebook(login)}")
    assert page.title() == "Lab"
    assert server(hub, login)["user_options"] == {"profile": "cpu"}


def test_it_goes_on_without_a_script(hub: Hub, page_of: Any) -> None:
    page = page_of("scriptless", java_script_enabled=False)
    watch(page, hub, "scriptless")
    assert "Your server restarts without a GPU" in page.inner_text("main")
    hub.script({})
    page.wait_for_selector("text=The lab", timeout=30_000)


def test_its_address_opened_later_leads_to_the_server(hub: Hub, page_of: Any) -> None:
    page = page_of("later")
    page.goto(f"/hub/room/restart/later?next={notebook('later')}")
    page.wait_for_url(f"**{notebook('later')}")


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example/x"])
def test_it_leads_nowhere_else(hub: Hub, page_of: Any, onward: str) -> None:
    login = f"nowhere-{len(onward)}"
    page = page_of(login)
    watch(page, hub, login, onward)
    hub.script({})
    page.wait_for_url(lambda url: f"/user/{login}/" in url)
    assert page.title() == "Lab"


def test_a_start_that_fails_is_said_with_a_way_to_start_again(hub: Hub, page_of: Any) -> None:
    page = page_of("failing")
    watch(page, hub, "failing")
    hub.script({"fail": "The disk of this room is full. Tell the admin."})
    page.wait_for_selector("text=The disk of this room is full. Tell the admin.")
    assert violations(page) == []
    hub.script({})
    page.click("a#start")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url(f"**{notebook('failing')}")


def test_a_hub_restarted_meanwhile_is_waited_for(hub: Hub, page_of: Any) -> None:
    page = page_of("patient")
    watch(page, hub, "patient")
    hub.stop(signal.SIGKILL)
    hub.script({})
    hub.start()
    page.wait_for_selector("text=Start it to go on where you were.")
    assert violations(page) == []
    page.click("main a:has-text('Start')")
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url(f"**{notebook('patient')}")


def test_it_is_its_owner_s_alone(hub: Hub, page_of: Any) -> None:
    page = page_of("curious")
    page_of("private")
    for path in ("private", "private/lab", "nobody"):
        answer = page.goto(f"/hub/room/restart/{path}")
        assert answer.status == 404
        assert violations(page) == []


def test_who_cannot_give_it_back_any_more_is_told_and_nothing_stops(hub: Hub, page_of: Any) -> None:
    page_of("keeper")
    hub.script({"no_return": "The GPU of this server is in use again."})
    answer = give_back(hub, "keeper")
    assert (answer.status_code, answer.json()["message"]) == (
        409,
        "The GPU of this server is in use again.",
    )
    assert server(hub, "keeper")["ready"]
