"""What a student sees of the lease: the server's answers, and the bar in a real JupyterLab."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.images.conftest import Home
from tests.utils.chromium import chromium
from tests.utils.user_server import OTHER_TOKEN, PREFIX, UserServer
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images

ARTIFACTS = Path(__file__).parents[1] / "artifacts" / "lab"
SEAT = [{"uuid": "GPU-1/2", "model": "NVIDIA L4", "seat": True}]
#: An answer about a seat is kept for 5 seconds, and a page looks at its clock every second.
WITHIN_SECONDS = 9
QUEUE = "2 people wait for a GPU: more time is given when nobody waits."
NOTEBOOK = {
    "type": "notebook",
    "content": {
        "cells": [{"cell_type": "code", "id": "a", "source": "", "metadata": {}, "outputs": [],
                   "execution_count": None}],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    },
}  # fmt: skip
FULL = (
    "Your program uses 9.2 GB of GPU memory and your seat's share is 6.0 GB. Use less within two"
    " minutes, or this server is stopped: others compute on the same GPU."
)


@pytest.fixture(scope="module")
def server(pytorch: str) -> Iterator[UserServer]:
    with UserServer(pytorch) as started:
        yield started.wait(timeout=90)


# --- the server's answers -----------------------------------------------------------------------


def fresh(server: UserServer) -> dict[str, Any]:
    """Return an answer of the hub that is newer than the call."""
    before = len(server.asked())

    def asked() -> dict[str, Any] | None:
        status, said = server.ask("?fresh=1")
        assert status == 200
        return said if len(server.asked()) > before else None

    return wait_until(asked, timeout=40, explain=server.logs, every=0.5)


def test_a_hub_that_knows_no_leases_is_asked_once_and_never_named(pytorch: str) -> None:
    with UserServer(pytorch) as server:
        server.wait(timeout=90)
        for _ in range(3):
            status, said = server.ask("?fresh=1")
            assert (status, said["ends"], said["left"]) == (200, None, None)
        assert server.asked() == ["GET None"]
        assert server.ask("/extend", "POST")[0] == 503
        assert "lent" not in server.logs()


def test_the_hubs_answer_reaches_the_page_in_its_language(server: UserServer) -> None:
    notice = {"id": "vram-1", "level": "warning", "text": FULL}
    server.lend(2820, units=SEAT, notices=[notice])
    status, said = server.ask("", language="zh-CN")
    assert status == 200
    assert 2700 < said["left"] <= 2820
    assert said["units"] == SEAT
    assert said["notices"] == [notice]
    assert server.asked()[-1] == "GET zh-CN"


def test_many_questions_of_pages_are_one_to_the_hub(server: UserServer) -> None:
    server.ask("")
    before = server.asked()
    for _ in range(20):
        server.ask("")
    assert server.asked() == before


def test_extend_moves_the_end_and_the_rule_that_says_no_is_told(server: UserServer) -> None:
    server.lend(600)
    status, said = server.ask("/extend", "POST")
    assert status == 200
    assert 4100 < said["left"] <= 4200
    assert server.ask("")[1]["ends"] == said["ends"]
    server.lend(600, extend=False, why=QUEUE)
    assert server.ask("/extend", "POST") == (409, {"message": QUEUE})


@pytest.mark.parametrize(
    ("path", "method"), [pytest.param("", "GET"), pytest.param("/extend", "POST")]
)
def test_a_token_of_somebody_else_is_refused(server: UserServer, path: str, method: str) -> None:
    server.lend(600)
    before = server.asked()
    assert server.ask(path, method, OTHER_TOKEN)[0] == 403
    assert server.ask(path, method, "no-token")[0] == 403
    assert server.asked() == before


def test_a_silent_hub_keeps_what_was_said_and_is_logged_once(server: UserServer) -> None:
    server.lend(1200)
    ends = fresh(server)["ends"]
    server.lend(1200, silent=True)
    for _ in range(2):
        assert fresh(server)["ends"] == ends
    assert server.ask("/extend", "POST") == (503, {"message": ""})
    assert server.logs().count("The hub does not say") == 1
    assert "Traceback" not in server.logs()


def test_nothing_in_a_home_takes_the_banner_away(pytorch: str, home: Home) -> None:
    home.prepare(
        """mkdir -p .jupyter/jupyter_server_config.d .jupyter/labconfig .local/etc/jupyter
        off='{"ServerApp": {"jpserver_extensions": {"server.extension": false}}}'
        for folder in .jupyter .local/etc/jupyter; do
          mkdir -p $folder/jupyter_server_config.d
          echo "$off" > $folder/jupyter_server_config.json
          echo "$off" > $folder/jupyter_server_config.d/torchroom.json
          mkdir -p $folder/labconfig
          echo '{"disabledExtensions": {"torchroom-lease": true}}' \\
            > $folder/labconfig/page_config.json; done"""
    )
    with UserServer(pytorch, home.mount) as server:
        server.wait(timeout=90)
        server.lend(600)
        assert server.ask("")[1]["left"] > 500
        page = server.page("lab")
        assert '"torchroom-lease"' in page
        disabled = re.search(r'"disabledExtensions": (\[.*?\]|\{.*?\})', page)
        assert disabled is None or "torchroom" not in disabled.group(1)


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


class Lab:
    """JupyterLab in a browser that logged in as a student's does, by cookie."""

    def __init__(self, engine: Any, server: UserServer, locale: str) -> None:
        self.server = server
        self.context = engine.new_context(
            base_url=f"http://127.0.0.1:{server.port}",
            locale=locale,
            timezone_id="Asia/Shanghai",
            viewport={"width": 1200, "height": 700},
        )
        self.context.set_default_timeout(40_000)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.item = self.page.locator(".room-lease-item")
        self.bar = self.page.locator("#room-lease-bar")
        self.toasts = self.page.locator(".jp-toast-message")
        self.longer = self.bar.get_by_role("button", name="Keep it 1 h longer")

    def open(self) -> Lab:
        self.page.goto(f"{PREFIX}/lab?reset")
        # The hub's login page, which needs no click for one's own server: nobody serves it here.
        asked = re.search(r"authorize\?.*redirect_uri=([^&]+).*&state=([^&]+)", self.page.url)
        assert asked is not None, self.page.url
        self.page.goto(f"{unquote(asked.group(1))}?code=a-code&state={asked.group(2)}")
        self.page.wait_for_selector("#jp-main-dock-panel .jp-Launcher")
        return self

    def lend(self, seconds: float | None, **more: Any) -> None:
        """Let the hub say when the lease ends, and the server know it before the page asks."""
        self.server.lend(seconds, **more)
        fresh(self.server)

    def ask(self) -> None:
        """Look at the page again, as who comes back to a tab does: it asks at once."""
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def expect(self, locator: Any, text: str) -> None:
        wait_until(
            lambda: text in " ".join(locator.all_inner_texts()),
            timeout=40,
            explain=lambda: f"{locator.all_inner_texts()}\n{self.errors}\n{self.server.logs()}",
        )

    def until(self, text: str) -> None:
        """Keep looking at the page until the status bar says ``text``."""

        def seen() -> bool:
            self.ask()
            return text in " ".join(self.item.all_inner_texts())

        wait_until(seen, timeout=60, explain=lambda: str(self.item.all_inner_texts()), every=0.5)

    def picture(self, name: str) -> None:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"lease-{name}.png")


@pytest.fixture
def lab(engine: Any, server: UserServer, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(engine, server, getattr(request, "param", "en-US"))
    yield made
    made.context.close()
    assert made.errors == []


def test_a_calm_countdown_opens_to_the_button_for_more_time(lab: Lab) -> None:
    lab.lend(2820)
    lab.open()
    lab.expect(lab.item, "47 min left")
    assert re.fullmatch(r"GPU until \d\d:\d\d, 47 min left", lab.item.inner_text())
    assert not lab.bar.is_visible()
    assert lab.toasts.count() == 0
    lab.picture("calm")
    lab.item.click()
    lab.expect(lab.bar, "This server runs until")
    assert lab.item.get_attribute("aria-expanded") == "true"
    lab.picture("opened")
    lab.longer.click()
    lab.expect(lab.item, "1 h 47 min left")
    lab.expect(lab.toasts, "You can go on working until")
    assert not lab.bar.is_visible()


def test_fifteen_minutes_warn_once_and_five_warn_again(lab: Lab) -> None:
    lab.lend(14 * 60, extend=False, why=QUEUE)
    lab.open()
    lab.expect(lab.bar, "Please save your work.")
    lab.expect(lab.bar, QUEUE)
    lab.expect(lab.toasts, "Please save your work.")
    assert lab.longer.count() == 0
    status = lab.bar.get_by_role("status").all_inner_texts()
    assert not any("left" in text for text in status), "a countdown is not read out"
    lab.picture("fifteen")
    lab.bar.get_by_role("button", name="Hide").click()
    assert not lab.bar.is_visible()
    lab.lend(13 * 60)
    lab.until("13 min left")
    lab.expect(lab.bar, "Please save your work.")
    lab.lend(4 * 60)
    lab.until("4 min left")
    lab.expect(lab.bar, "Save your work now")
    lab.expect(lab.toasts, "Save your work now")
    wait_until(lambda: lab.toasts.count() == 1, timeout=20)  # what is true no more has gone
    lab.picture("five")
    lab.page.reload()
    lab.expect(lab.bar, "Save your work now")
    assert lab.bar.bounding_box()["height"] > 20
    lab.longer.click()
    lab.expect(lab.item, "1 h 4 min left")
    assert not lab.bar.is_visible()


def test_who_may_not_extend_any_more_is_told_why(lab: Lab) -> None:
    lab.lend(10 * 60)
    lab.open()
    lab.expect(lab.bar, "Keep it 1 h longer")
    lab.server.lend(10 * 60, extend=False, why=QUEUE)
    lab.longer.click()
    lab.expect(lab.toasts, QUEUE)
    lab.expect(lab.bar, QUEUE)
    lab.longer.wait_for(state="hidden")


def test_a_notice_is_shown_whole_until_it_is_hidden(lab: Lab) -> None:
    notice = {"id": "vram-7", "level": "warning", "text": FULL}
    lab.lend(7200, units=SEAT, notices=[notice])
    lab.open()
    lab.expect(lab.bar, FULL)
    lab.expect(lab.toasts, FULL[:100])
    lab.expect(lab.item, "Seat on a shared GPU (cooperative) until")
    lab.expect(lab.bar, "shared by agreement")
    lab.picture("notice")
    lab.page.reload()
    lab.expect(lab.bar, FULL)
    lab.bar.get_by_role("button", name="Hide").click()
    wait_until(lambda: lab.toasts.count() == 0, timeout=20)
    lab.page.reload()
    lab.expect(lab.item, "left")
    assert not lab.bar.is_visible()
    assert lab.toasts.count() == 0


def test_a_warning_about_a_seat_comes_within_seconds_and_goes_when_it_is_heeded(lab: Lab) -> None:
    seat = {"units": SEAT, "keep": 5}
    lab.lend(None, extend=False, **seat)
    lab.open()
    lab.page.locator("#room-lease-bar").wait_for(state="attached")
    assert not lab.bar.is_visible()
    notice = {"id": "seat-1", "level": "warning", "text": FULL}
    # Nobody touches the page from here on.
    lab.server.lend(None, extend=False, notices=[notice], **seat)
    began = time.monotonic()
    lab.expect(lab.bar, FULL)
    assert time.monotonic() - began < WITHIN_SECONDS
    lab.expect(lab.toasts, FULL[:100])
    lab.server.lend(None, extend=False, **seat)
    lab.bar.wait_for(state="hidden", timeout=1000 * WITHIN_SECONDS)
    wait_until(lambda: lab.toasts.count() == 0, timeout=20)


def test_pages_that_wait_for_a_warning_ask_the_hub_once_for_all(lab: Lab) -> None:
    lab.lend(None, extend=False, units=SEAT, keep=2)
    lab.open()
    before, began = len(lab.server.asked()), time.monotonic()
    wait_until(lambda: len(lab.server.asked()) >= before + 3, timeout=40, every=0.5)
    pages = [lab.server.ask("")[1]["again"] for _ in range(20)]
    assert all(0 <= again <= 2 for again in pages)
    assert len(lab.server.asked()) - before <= (time.monotonic() - began) / 2 + 1


IDLE = (
    "Nobody has worked in this server, and nothing has run in it, for 55 min. It stops in 5 min"
    " unless you say that you are there. Your files are kept."
)


def test_who_is_there_says_so_and_the_warning_goes(lab: Lab) -> None:
    notice = {"id": "idle-1", "level": "warning", "text": IDLE, "action": "stay"}
    lab.lend(None, extend=False, units=[], keep=2, notices=[notice])
    lab.open()
    lab.expect(lab.bar, IDLE)
    lab.expect(lab.toasts, "unless you say that you are there")
    lab.picture("idle")
    lab.bar.get_by_role("button", name="I am still here").click()
    lab.bar.wait_for(state="hidden")
    wait_until(lambda: lab.toasts.count() == 0, timeout=20)
    # A click is a sign as well: the hub hears of it with the next question, and of no other.
    wait_until(lambda: lab.server.asked()[-1].endswith(" here"), timeout=20)
    wait_until(lambda: not lab.server.asked()[-1].endswith(" here"), timeout=20)


OFFER = (
    "The GPU of this server has done nothing for 20 min. Others may need it: you can give it back"
    " and go on with the profile CPU, without a GPU. The server restarts then: what runs ends and"
    " notebooks' variables are lost, while your files stay and your open notebooks come back."
)
GIVE_BACK = "Give the GPU back and go on with the CPU"


def offer(lab: Lab, name: str, **more: Any) -> None:
    notice = {"id": f"gpu-{name}", "level": "info", "text": OFFER, "action": "cpu"}
    lab.lend(None, **{"extend": True, "keep": 2, "notices": [notice], **more})
    lab.open()
    lab.expect(lab.bar, OFFER)
    lab.expect(lab.toasts, OFFER[:60])


def test_who_keeps_an_unused_gpu_says_so_by_keyboard_and_the_offer_goes(lab: Lab) -> None:
    offer(lab, "keep")
    lab.picture("gpu-offer")
    assert lab.bar.get_by_role("status").first.inner_text() == OFFER, "it is read out"
    lab.bar.get_by_role("button", name=GIVE_BACK).focus()
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.press("Enter")
    lab.bar.wait_for(state="hidden")
    wait_until(lambda: lab.toasts.count() == 0, timeout=20)
    assert "POST en/keep" in [asked.removesuffix(" here") for asked in lab.server.asked()]
    assert "POST en/cpu" not in lab.server.asked()


def test_who_gives_it_back_is_taken_to_the_restart_with_the_notebook_saved(lab: Lab) -> None:
    lab.server.api("contents/kept.ipynb", "PUT", NOTEBOOK)
    offer(lab, "back")
    lab.page.locator(".jp-DirListing-item", has_text="kept.ipynb").dblclick()
    cell = lab.page.locator(".jp-Notebook .cm-content").first
    cell.click()
    lab.page.keyboard.type("x = 42")
    lab.page.locator(".jp-mod-dirty").first.wait_for()
    lab.page.route("**/hub/room/restart/**", lambda route: route.fulfill(body="The restart"))
    lab.bar.get_by_role("button", name=GIVE_BACK).click()
    lab.page.wait_for_url("**/hub/room/restart/alice?next=*")
    back = parse_qs(urlsplit(lab.page.url).query)["next"]
    assert back == [f"{PREFIX}/lab/tree/kept.ipynb"]
    saved = lab.server.api("contents/kept.ipynb")["content"]["cells"]
    assert "".join(saved[0]["source"]) == "x = 42"


def test_who_cannot_give_it_back_any_more_reads_why_and_stays(lab: Lab) -> None:
    used = "The GPU of this server is in use again, or was given back already. Nothing was changed."
    offer(lab, "late", extend=False, why=used)
    lab.bar.get_by_role("button", name=GIVE_BACK).click()
    lab.expect(lab.toasts, used)
    assert "/lab" in lab.page.url


@pytest.mark.parametrize("lab", ["zh-CN"], indirect=True)
def test_a_chinese_browser_is_offered_it_in_chinese(lab: Lab) -> None:
    offer(lab, "chinese")
    assert lab.bar.get_by_role("button", name="归还 GPU").is_visible()
    assert lab.bar.get_by_role("button", name="继续保留").is_visible()
    lab.picture("gpu-offer-chinese")


def test_what_an_open_page_does_by_itself_is_no_work(lab: Lab) -> None:
    def saves_its_layout(request: Any) -> bool:
        return request.method == "PUT" and "/api/workspaces/" in request.url

    def last() -> str:
        return str(lab.server.api("status")["last_activity"])

    lab.open()
    with lab.page.expect_request_finished(saves_its_layout):
        before = last()
    # It asks for files, kernels and terminals meanwhile.
    with lab.page.expect_request_finished(saves_its_layout):
        pass
    assert last() == before
    lab.server.api("contents", "POST", {"type": "notebook"})
    assert last() > before


@pytest.mark.parametrize("lab", ["zh-CN"], indirect=True)
def test_a_chinese_browser_reads_chinese(lab: Lab) -> None:
    lab.lend(12 * 60, units=SEAT)
    lab.open()
    lab.expect(lab.item, "可用至")
    lab.expect(lab.item, "协作共享")
    lab.expect(lab.bar, "请保存您的工作")
    lab.expect(lab.bar, "再用 1 小时")
    assert lab.server.asked()[-1].startswith("GET zh-CN")
    lab.picture("chinese")


def test_after_the_end_a_calm_message_stays(lab: Lab) -> None:
    lab.lend(3)
    lab.open()
    lab.expect(lab.bar, "Your time has ended")
    link = lab.bar.get_by_role("link", name="To the start page")
    assert link.get_attribute("href") == "/hub/home"
    assert lab.longer.count() == 0
    lab.picture("ended")
    # Kept for as short a time as there is: the next test has news of its own.
    lab.lend(None, units=[], extend=False, keep=2)
    lab.ask()
    assert "Your time has ended" in lab.bar.inner_text()


def test_a_server_without_an_end_shows_nothing(lab: Lab) -> None:
    lab.lend(None, units=[], extend=False)
    with lab.page.expect_response("**/room/lease*") as answer:
        lab.open()
    assert answer.value.json()["left"] is None
    lab.page.locator(".room-lease-item").wait_for(state="attached")
    assert not lab.item.is_visible()
    assert not lab.bar.is_visible()


# --- the page's rules, as tables ------------------------------------------------------------------

RULES = """async ([base, told, now, lab, browser]) => {
  const rules = await import(base + "rules.js");
  const { pick } = await import(base + "words.js");
  const lease = rules.leaseOf(told, now);
  return lease && { ...rules.view(lease, now, pick(lab, browser)),
                    warning: Boolean(rules.warning(lease, now)) };
}"""

RULE = "async ([base, name, values]) => (await import(base + 'rules.js'))[name](...values)"


class Rules:
    """Asks the rules themselves, as the browser has them."""

    def __init__(self, page: Any, base: str) -> None:
        self._page = page
        self._base = base

    def __call__(self, told: Any, lab: str = "en", browser: str = "en-US") -> Any:
        now = 1_795_500_000_000  # 2026-11-24 06:00 UTC
        return self._page.evaluate(RULES, [self._base, told, now, lab, browser])

    def rule(self, name: str, *values: Any) -> Any:
        return self._page.evaluate(RULE, [self._base, name, values])


@pytest.fixture(scope="module")
def seen(engine: Any) -> Iterator[Rules]:
    context = engine.new_context(timezone_id="UTC")
    page = context.new_page()
    base = "http://rules.test/"
    files = Path(__file__).parents[2] / "images/pytorch/files/labextensions/torchroom-lease/static"
    context.route(
        f"{base}*.js",
        lambda route: route.fulfill(
            path=files / route.request.url.rpartition("/")[2], content_type="text/javascript"
        ),
    )
    context.route(f"{base}empty", lambda route: route.fulfill(body="", content_type="text/html"))
    page.goto(f"{base}empty")

    yield Rules(page, base)
    context.close()


def told(left: float | None, units: int = 1, **more: Any) -> dict[str, Any]:
    return {"left": left, "ends": "2026-11-24T07:00:00+00:00", "units": [{}] * units, **more}


@pytest.mark.parametrize(
    ("left", "units", "item", "stage", "warns"),
    [
        pytest.param(3600, 1, "GPU until 07:00, 1 h left", "calm", False, id="an-hour"),
        pytest.param(901, 1, "GPU until 07:00, 16 min left", "calm", False, id="before-15"),
        pytest.param(900, 1, "GPU until 07:00, 15 min left", "fifteen", True, id="15"),
        pytest.param(301, 1, "GPU until 07:00, 6 min left", "fifteen", True, id="before-5"),
        pytest.param(300, 4, "4 GPUs until 07:00, 5 min left", "five", True, id="5-several"),
        pytest.param(59, 0, "Server until 07:00, less than a minute left", "five", True, id="cpu"),
        pytest.param(0, 1, "GPU: time is over", "ended", False, id="end"),
        pytest.param(-90, 1, "GPU: time is over", "ended", False, id="after"),
    ],
)
def test_the_time_left_decides_what_is_seen(
    seen: Rules, left: float, units: int, item: str, stage: str, warns: bool
) -> None:
    found = seen(told(left, units))
    assert (found["item"], found["stage"], found["warning"]) == (item, stage, warns)


def test_an_end_on_another_day_is_named_with_its_day(seen: Rules) -> None:
    found = seen(told(90_000) | {"ends": "2026-11-25T07:00:00+00:00"})
    assert found["item"] == "GPU until Wed 07:00, 25 h left"


def test_no_end_is_nothing_to_see(seen: Rules) -> None:
    assert seen(told(None)) is None


@pytest.mark.parametrize(
    ("told", "pause"),
    [
        pytest.param(None, 30_000, id="nobody-answers"),
        pytest.param({}, 30_000, id="an-older-server"),
        pytest.param({"again": 4.2}, 4_200, id="when-there-may-be-news"),
        pytest.param({"again": 0}, 2_000, id="never-too-often"),
        pytest.param({"again": 600}, 30_000, id="nor-too-seldom"),
    ],
)
def test_the_page_asks_again_when_there_may_be_news(seen: Rules, told: Any, pause: int) -> None:
    assert seen.rule("pause", told) == pause


NOTICES = [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}, {"id": "", "text": "c"}]


@pytest.mark.parametrize(
    ("notices", "hidden", "left"),
    [
        pytest.param(None, [], [], id="none"),
        pytest.param(NOTICES, [], ["1", "2"], id="whole-ones"),
        pytest.param(NOTICES, ["2", "9"], ["1"], id="hidden"),
    ],
)
def test_notices_are_shown_unless_hidden(
    seen: Rules, notices: Any, hidden: list[str], left: list[str]
) -> None:
    assert [each["id"] for each in seen.rule("toShow", notices, hidden)] == left


@pytest.mark.parametrize(
    ("lab", "browser", "chinese"),
    [
        pytest.param("zh_CN", "en-US", True, id="jupyterlab-in-chinese"),
        pytest.param("en", "zh-CN", True, id="browser-in-chinese"),
        pytest.param("de_DE", "zh-CN", False, id="jupyterlab-in-another"),
        pytest.param("en", "en-US", False, id="english"),
        pytest.param("", "zh", True, id="unknown"),
    ],
)
def test_the_language_is_jupyterlabs_else_the_browsers(
    seen: Rules, lab: str, browser: str, chinese: bool
) -> None:
    found = seen(told(3600), lab, browser)
    assert ("可用至" in found["item"]) == chinese
