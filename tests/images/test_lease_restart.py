"""Who gives an unused GPU back finds the open notebooks again in the server that starts without."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.images.conftest import Home
from tests.images.test_lease_banner import GIVE_BACK, NOTEBOOK, Lab, offer
from tests.utils.chromium import chromium
from tests.utils.user_server import PREFIX, UserServer
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images


def saves_its_layout(request: Any) -> bool:
    return request.method == "PUT" and "/api/workspaces/" in request.url


def open_notebook(lab: Lab, name: str) -> None:
    lab.page.locator(".jp-DirListing-item", has_text=name).dblclick()
    lab.page.locator(f".lm-TabBar-tab.lm-mod-current:has-text('{name}')").first.wait_for()


def tabs(lab: Lab) -> list[str]:
    found: list[str] = lab.page.locator("#jp-main-dock-panel .lm-TabBar-tabLabel").all_inner_texts()
    return sorted(name for name in found if name.endswith(".ipynb"))


def test_open_notebooks_come_back_with_what_was_typed(pytorch: str, home: Home) -> None:
    with chromium() as browser:
        with UserServer(pytorch, home.mount) as server:
            server.wait(timeout=90)
            for name in ("first.ipynb", "second.ipynb"):
                server.api(f"contents/{name}", "PUT", NOTEBOOK)
            lab = Lab(browser, server, "en-US")
            offer(lab, "restart")
            open_notebook(lab, "first.ipynb")
            with lab.page.expect_request_finished(saves_its_layout):
                open_notebook(lab, "second.ipynb")
            lab.page.locator(".jp-Notebook:visible .cm-content").first.click()
            lab.page.keyboard.type("x = 42")
            lab.page.locator(".jp-mod-dirty").first.wait_for()
            lab.page.route(
                "**/hub/room/restart/**", lambda route: route.fulfill(body="The restart")
            )
            lab.bar.get_by_role("button", name=GIVE_BACK).click()
            lab.page.wait_for_url("**/hub/room/restart/alice?next=*")
            (back,) = parse_qs(urlsplit(lab.page.url).query)["next"]
            lab.context.close()
        with UserServer(pytorch, home.mount) as server:
            server.wait(timeout=90)
            after = Lab(browser, server, "en-US")
            after.page.goto(back)
            # The hub's login page sends on at once; nobody serves it here.
            asked = parse_qs(urlsplit(unquote(after.page.url)).query)
            after.page.goto(f"{PREFIX}/oauth_callback?code=a-code&state={asked['state'][0]}")
            wait_until(
                lambda: tabs(after) == ["first.ipynb", "second.ipynb"],
                timeout=60,
                explain=lambda: f"{after.page.url} {tabs(after)}\n{server.logs()}",
            )
            assert back.endswith("/second.ipynb")
            after.expect(after.page.locator(".jp-Notebook:visible .cm-content"), "x = 42")
            assert after.errors == []
            after.context.close()
