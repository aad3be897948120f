"""What pages and servers ask the hub for: who may, who may not, and in which words."""

import re

import pytest

from tests.hub.conftest import Browser
from tests.utils.wait import wait_until

WAITING = {"position": 2, "of": 5, "at": None, "basis": "", "cpu": True}
#: Of the room's own list of sentences: it is said in the reader's language.
NEEDS_FOUR = "This profile needs 4 GPUs and this room has 2."
NEEDS_FOUR_ZH = "此配置需要 4 个 GPU，而这里共有 2 个。"  # noqa: RUF001
GPUS = {
    "gpu": {"free": 0, "total": 4, "wait": 720.0},
    "big": {"free": 0, "total": 2, "forbidden": NEEDS_FOUR},
}


@pytest.fixture
def someone(hub):
    made = []

    def log_in(login: str, language: str = "en", **person) -> Browser:
        browser = Browser(hub, **{"Accept-Language": language})
        made.append(browser)
        browser.log_in(hub.person(login, **person))
        return browser

    yield log_in
    hub.script({})
    for browser in made:
        browser.close()


def token_of(browser: Browser) -> dict[str, str]:
    """Return the XSRF header as the start page's script sends it."""
    found = re.search(r'data-xsrf="([^"]+)"', browser.get("/hub/home").text)
    return {"X-XSRFToken": found.group(1), "Sec-Fetch-Mode": "cors"}


def asked(browser: Browser, path: str, method: str = "GET"):
    return browser.request(method, f"/hub/room/{path}", headers=token_of(browser))


def message(answer, status: int) -> str:
    """Return the words of a refusal, which has nothing but words."""
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["message"]
    return answer.json()["message"]


def begin_waiting(hub, login: str) -> None:
    hub.script({"waiting": WAITING})
    assert hub.api("POST", f"/users/{login}/server").status_code == 202


# -- free GPUs ---------------------------------------------------------------------------------


def test_the_start_page_is_told_what_is_free(hub, someone) -> None:
    browser = someone("asker")
    hub.script({"gpus": GPUS})
    answer = asked(browser, "gpus?user=asker")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["profiles"] == {
        "gpu": {"free": 0, "total": 4, "wait": 720.0, "forbidden": "", "seat": False},
        "big": {"free": 0, "total": 2, "wait": None, "forbidden": NEEDS_FOUR, "seat": False},
    }


def test_why_a_profile_is_forbidden_is_said_in_the_readers_language(hub, someone) -> None:
    browser = someone("asker-zh", "zh-CN")
    hub.script({"gpus": GPUS})
    profiles = asked(browser, "gpus?user=asker-zh").json()["profiles"]
    assert profiles["big"]["forbidden"] == NEEDS_FOUR_ZH


# -- who may -----------------------------------------------------------------------------------

PATHS = [
    pytest.param("GET", "gpus?user={}", id="free GPUs"),
    pytest.param("GET", "queue?user={}", id="a place in line"),
    pytest.param("POST", "queue/cpu/{}/", id="start on CPU"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_nobody_is_answered_about_somebody_else(hub, someone, method, path) -> None:
    someone("victim")
    answer = asked(someone("curious"), path.format("victim"), method)
    words = "There is no such server, or it is not yours to start."
    assert message(answer, 404).startswith(words)
    missing = asked(someone("curious"), path.format("nobody-here"), method)
    assert missing.json() == answer.json(), "and is not told who is here"


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_an_admin_is_answered_about_anybody(hub, someone, method, path) -> None:
    someone("pupil")
    hub.script({"gpus": GPUS})
    answer = asked(someone("chief", admin=True), path.format("pupil"), method)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_who_is_not_signed_in_is_told_so(hub, browser, method, path) -> None:
    answer = browser.request(
        method, f"/hub/room/{path.format('asker')}", headers={"Accept-Language": "en"}
    )
    assert message(answer, 403) == "You are not signed in any more. Sign in again to go on."


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_another_sites_page_cannot_ask_in_somebodys_name(hub, someone, method, path) -> None:
    browser = someone("tricked", "zh-CN")
    other = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site"}
    answer = browser.request(method, f"/hub/room/{path.format('tricked')}", headers=other)
    assert message(answer, 403) == "此页已过期。请刷新页面后重试。"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "gpus?user=nobody-here", id="no such person"),
        pytest.param("GET", "queue?user=chief2&server=never-made", id="no such server"),
        pytest.param("POST", "queue/cpu/chief2/never-made", id="no such server to switch"),
    ],
)
def test_what_is_not_there_is_named(hub, someone, method, path) -> None:
    answer = asked(someone("chief2", admin=True), path, method)
    assert message(answer, 404).startswith("There is no such server,")


def test_what_goes_wrong_inside_is_not_shown(hub, someone) -> None:
    browser = someone("unlucky")
    hub.script({"gpus": {"gpu": {"no such field": 1}}})
    words = message(asked(browser, "gpus?user=unlucky"), 500)
    assert words.startswith("That did not work. Try again in a minute;")


# -- the queue ---------------------------------------------------------------------------------


def test_a_place_in_line_is_known_with_and_without_a_start(hub, someone) -> None:
    browser = someone("liner")
    assert asked(browser, "queue?user=liner").json() == {"waiting": False}
    begin_waiting(hub, "liner")
    wait_until(lambda: asked(browser, "queue?user=liner").json()["waiting"], timeout=20)
    hub.api("DELETE", "/users/liner/server")
    hub.script({"ticket": True})
    assert asked(browser, "queue?user=liner&server=").json() == {"waiting": True}


def test_a_waiting_start_goes_on_without_a_gpu(hub, someone) -> None:
    browser = someone("switcher")
    begin_waiting(hub, "switcher")
    answer = asked(browser, "queue/cpu/switcher/", "POST")
    assert (answer.status_code, answer.json()) == (200, {})
    wait_until(
        lambda: hub.api("GET", "/users/switcher").json()["servers"][""]["ready"],
        timeout=20,
        explain=hub.tail,
    )
    server = hub.api("GET", "/users/switcher").json()["servers"][""]
    assert server["user_options"] == {"profile": "cpu"}


def test_a_switch_that_is_refused_says_why(hub, someone) -> None:
    browser = someone("refused", "zh-CN")
    hub.script({"no_cpu": NEEDS_FOUR})
    assert message(asked(browser, "queue/cpu/refused", "POST"), 409) == NEEDS_FOUR_ZH


# -- a server asks about its own lease ---------------------------------------------------------


@pytest.fixture
def server_token(hub, someone):
    """Return the token of a server that runs, as the server has it."""

    def start(login: str, server: str = "") -> str:
        someone(login)
        path = f"/users/{login}/servers/{server}" if server else f"/users/{login}/server"
        assert hub.api("POST", path).status_code in (201, 202)

        def told() -> str:
            lab = hub.api("GET", f"/users/{login}").json()["servers"][server]
            return lab["ready"] and (hub.directory / f"token-{login}-{server}").read_text()

        return wait_until(told, timeout=20, explain=hub.tail)

    return start


def as_server(browser: Browser, token: str, path: str = "lease", method: str = "GET", **headers):
    headers = {"Authorization": f"token {token}", **headers}
    return browser.request(method, f"/hub/room/{path}", headers=headers)


def test_a_server_is_told_of_its_own_lease_and_no_other(hub, browser, server_token) -> None:
    token = server_token("holder")
    other = server_token("holder", "second")
    hub.script({"lease": {"ends": "2026-11-24T10:40:00+00:00", "why": NEEDS_FOUR}})
    answer = as_server(browser, token).json()
    assert answer["ends"] == "2026-11-24T10:40:00+00:00"
    assert answer["server"] == ""
    assert as_server(browser, other).json()["server"] == "second"
    notices = [{"id": "seat-1", "text": NEEDS_FOUR, "level": "warning"}]
    hub.script({"lease": {"why": NEEDS_FOUR, "notices": notices}})
    spoken = as_server(browser, token, **{"Accept-Language": "zh-CN"}).json()
    assert spoken["why"] == NEEDS_FOUR_ZH
    assert spoken["notices"] == [{**notices[0], "text": NEEDS_FOUR_ZH}]


def test_a_server_keeps_its_lease_longer_or_is_told_why_not(hub, browser, server_token) -> None:
    token = server_token("keeper")
    assert as_server(browser, token, "lease/extend", "POST").json()["server"] == ""
    hub.script({"no_extension": NEEDS_FOUR})
    assert message(as_server(browser, token, "lease/extend", "POST"), 409) == NEEDS_FOUR


def test_a_server_says_that_somebody_is_there(hub, browser, server_token) -> None:
    token = server_token("present")

    def touched(path: str, method: str = "GET") -> int:
        return as_server(browser, token, path, method).json()["touched"]

    assert touched("lease") == 0, "an open page alone is nobody"
    assert touched("lease?here=1") == 1
    assert touched("lease/stay", "POST") == 2
    assert touched("lease") == 2
    assert as_server(browser, token).json()["looked_at"] == 4, "each question is of an open page"


def test_only_a_servers_own_token_asks_for_a_lease(hub, someone, browser) -> None:
    signed_in = someone("reader")
    words = "This is for who may start this server. Sign in as somebody who may."
    assert message(asked(signed_in, "lease"), 403) == words
    assert message(as_server(browser, "s" * 32), 403) == words, "an admin's service has none"
    assert message(as_server(browser, "nonsense"), 403).startswith("You are not signed in")
    for what in ("extend", "stay", "cpu", "keep"):
        assert message(asked(signed_in, f"lease/{what}", "POST"), 403) == words
