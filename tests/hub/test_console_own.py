# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""*My room* behind a real hub: servers, home and tokens are asked for in their owner's own name."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.hub.conftest import FULL_HOME, text_of
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    chrome,
    console,
    page_of,
    signed_in,
    violations,
)
from tests.utils.wait import wait_until

LEASE = {
    "ends": "2026-12-24T18:00:00+00:00",
    "units": [{"uuid": "GPU-1", "model": "NVIDIA A100", "seat": False}],
}


@pytest.fixture
def running(console: Console) -> Any:
    """Let a server of alice's run, on a GPU, with a home that is nearly full."""
    console.hub.script({"lease": LEASE, "home": FULL_HOME})
    console.hub.api("POST", "/users/alice")
    console.hub.api("POST", "/users/alice/server", json={"profile": "gpu"})
    wait_until(lambda: _server(console).get("ready"), timeout=30)
    yield
    console.hub.api("DELETE", "/users/alice/server")
    wait_until(lambda: not _server(console), timeout=30)
    console.hub.script({})


def _server(console: Console) -> dict[str, Any]:
    found: dict[str, Any] = console.hub.api("GET", "/users/alice").json()["servers"].get("", {})
    return found


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_one_sees_what_runs_what_fills_the_home_and_makes_a_token(
    console: Console, page_of: Any, running: None, locale: str
) -> None:
    page = page_of("alice", locale)
    servers = page.locator("#own-servers")
    assert "NVIDIA A100" in servers.inner_text()
    assert "2026-12-24 18:00" in servers.inner_text()
    main = page.locator("main").inner_text()
    assert "97 MiB" in main
    assert "work/<b>data.bin" in main
    assert violations(page) == []
    # The server's own token is there, and nothing to revoke by accident.
    held = page.locator("#tokens tr", has_text="Server at /user/alice/")
    assert (held.count(), held.get_by_role("button").count()) == (1, 0)
    form = page.locator("#tokens form[action$='tokens']")
    form.locator("input[name=note]").fill(f"script {locale}")
    form.locator("button").click()
    page.locator("#tokens [role=alert]").wait_for()
    assert violations(page) == []
    form.locator("input[value=look]").check()
    form.locator("input[value=console]").check()
    form.locator("button").click()
    secret = page.locator("#made-token")
    secret.wait_for()
    headers = {"Authorization": f"token {secret.inner_text()}"}
    assert violations(page) == []
    answer = httpx.get(f"{console.hub.public_url}{PREFIX}api/me/servers", headers=headers)
    assert [each["units"] for each in answer.json()] == [["NVIDIA A100"]]
    answer = httpx.get(f"{console.hub.public_url}{PREFIX}api/me/home", headers=headers)
    assert answer.json()["home"]["used"] == FULL_HOME["used"]
    row = page.locator("#tokens tr", has_text=f"script {locale}")
    row.get_by_role("button").click()
    row.wait_for(state="detached")
    wait_until(
        lambda: (
            httpx.get(
                f"{console.hub.public_url}{PREFIX}api/me/servers", headers=headers
            ).status_code
            == 401
        ),
        timeout=10,
    )


def test_a_server_is_stopped_on_one_s_own_page_without_a_script(
    console: Console, running: None
) -> None:
    with signed_in(console, "alice") as browser:
        page = browser.get(PREFIX)
        csrf = re.search(r'name="_csrf" value="([^"]+)"', page.text)[1]
        answer = browser.post(f"{PREFIX}stop", data={"_csrf": csrf, "server": ""})
        assert "The server is being stopped" in text_of(answer)
        wait_until(lambda: not _server(console), timeout=30)


def test_a_token_is_made_without_a_script_and_reaches_no_further(console: Console) -> None:
    with signed_in(console, "root") as browser:
        csrf = re.search(r'name="_csrf" value="([^"]+)"', browser.get(PREFIX).text)[1]
        form = {"_csrf": csrf, "note": "looks only", "life": "3600", "may": "look"}
        answer = browser.post(f"{PREFIX}tokens", data=form)
        secret = re.search(r'id="made-token"[^>]*>([^<]+)<', answer.text)[1]
        assert secret not in browser.get(PREFIX).text
    headers = {"Authorization": f"token {secret}"}
    base = console.hub.public_url
    assert httpx.get(f"{base}/hub/api/user", headers=headers).json()["name"] == "root"
    # An admin's token that may only look is no way into the console, and into nobody's home.
    for path in ("api/me", "api/history", "admin"):
        answer = httpx.get(f"{base}{PREFIX}{path}", headers=headers)
        assert answer.status_code == (401 if path.startswith("api/") else 303)
    assert httpx.get(f"{base}/hub/api/users/alice", headers=headers).status_code == 404


def test_what_is_somebody_s_own_is_told_to_nobody_else(console: Console, running: None) -> None:
    own = ("servers", "home")
    # A service that may read everybody's servers, and the token of a server itself.
    for path in own:
        assert console.hub.api("GET", "/room/own/" + path).status_code in (403, 404)
    token = (console.hub.directory / "token-alice-").read_text()
    for path in own:
        answer = httpx.get(
            f"{console.hub.url}/hub/api/room/own/{path}",
            headers={"Authorization": f"token {token}"},
        )
        assert answer.status_code in (403, 404)
    answer = httpx.get(
        f"{console.hub.public_url}{PREFIX}api/me", headers={"Authorization": f"token {token}"}
    )
    assert answer.status_code == 401
