"""The console behind a real hub: signing in, each one's pages in a browser, and what is changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from room import usage, used
from room.accounting import Reading
from room.models import Owner
from room.plans.authority import Actor
from room.plans.book import Plans
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from room.usage import Ran
from tests.hub.conftest import ROOT, Browser, Hub, text_of
from tests.utils.chromium import chromium
from tests.utils.hub import free_port
from tests.utils.wait import wait_until

TOKEN = "c" * 64
PREFIX = "/services/console/"
SETTINGS = """
data_root: {directory}
address: {address}
plans:
  - who: [class/ml101]
    limits: {{gpu_hours: 10/week, gpu_pot: 2/week}}
"""


class Console:
    """A hub with its console, as two processes. ``more``: of the console's environment."""

    def __init__(self, directory: Path, more: Mapping[str, str] | None = None) -> None:
        self.more = dict(more or {})
        self.port = free_port()
        self.hub = Hub(
            directory,
            trusted=("127.0.0.1",),
            console={"url": f"http://127.0.0.1:{self.port}", "token": TOKEN},
        )
        self.log = directory / "console.log"
        (directory / "room.yaml").write_text(
            SETTINGS.format(directory=directory, address=self.hub.public_url)
        )
        (directory / "console_token").write_text(TOKEN)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.hub.start()
        self.start_console()

    def start_console(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ROOM_CONFIG": str(self.hub.directory / "room.yaml"),
            "ROOM_CONSOLE_TOKEN_FILE": str(self.hub.directory / "console_token"),
            "ROOM_CONSOLE_PORT": str(self.port),
            "ROOM_HUB_API": f"{self.hub.url}/hub/api",
            **self.more,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "console"], env=environment, stdout=log, stderr=log
            )
        wait_until(self._answers, timeout=60, explain=self.log.read_text)

    def _answers(self) -> bool:
        try:
            # By the proxy: the hub routes to it once it has looked for it.
            return httpx.get(f"{self.hub.public_url}{PREFIX}healthz").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
        self.hub.close()

    @property
    def plans(self) -> Plans:
        return Plans(self.hub.store)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    made = Console(tmp_path_factory.mktemp("console"))
    made.start()
    people = made.hub.people
    people.add("root", admin=True)
    people.add("tina", ["ml101"], role="instructor")
    people.add("alice", ["ml101"], name="Alice")
    people.add("carol", ["dl202"], name="Carol")
    yield made
    made.close()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page_of(console: Console, chrome: Any) -> Iterator[Any]:
    """Give what opens the console's pages as somebody, in a language, in a browser with options."""
    contexts = []

    def open_as(login: str, locale: str = "en-US", path: str = "", **options: Any) -> Any:
        context = chrome.new_context(locale=locale, base_url=console.hub.public_url, **options)
        contexts.append(context)
        page = context.new_page()
        token = console.hub.people.link(login)
        page.goto(f"/hub/login?next={PREFIX}{path}#token={token}")
        page.wait_for_url(f"**{PREFIX}{path}")
        return page

    yield open_as
    for context in contexts:
        context.close()


@contextmanager
def signed_in(console: Console, login: str) -> Iterator[Browser]:
    with Browser(console.hub) as browser:
        browser.base_url = httpx.URL(console.hub.public_url)
        browser.log_in(str(console.hub.people.link(login)))
        yield browser


def violations(page: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found]


def test_who_is_signed_in_to_the_hub_is_signed_in_here(console: Console) -> None:
    with signed_in(console, "alice") as browser:
        page = browser.get(PREFIX)
        assert page.status_code == 200
        assert page.url.path == PREFIX
        told = text_of(page)
        assert "10/week" in told
        assert "class ml101 (room.yaml)" in told
        # The hub's own pages lead here.
        assert f'href="{PREFIX}"' in browser.get("/hub/home").text


def test_what_is_another_class_s_is_nowhere(console: Console) -> None:
    with signed_in(console, "tina") as browser:
        assert "Alice" in text_of(browser.get(f"{PREFIX}class/ml101"))
        for path in ("class/dl202", "class/dl202/students.csv", "admin", "admin/limits/user/carol"):
            answer = browser.get(PREFIX + path)
            assert answer.status_code == 404
            assert "Carol" not in answer.text
    token = console.hub.api("POST", "/users/tina/tokens").json()["token"]
    headers = {"Authorization": f"token {token}"}
    for path in ("classes/dl202/students", "limits/user/carol", "limits/class/dl202"):
        answer = httpx.get(f"{console.hub.public_url}{PREFIX}api/{path}", headers=headers)
        assert answer.status_code == 404
    students = f"{console.hub.public_url}{PREFIX}api/classes/ml101/students"
    answer = httpx.get(students, headers=headers)
    assert {row["login"] for row in answer.json()} == {"tina", "alice"}


def test_who_leaves_the_class_leaves_its_page_at_once(console: Console) -> None:
    console.hub.people.add("ivo", ["ml101"], role="instructor")
    with signed_in(console, "ivo") as browser:
        assert browser.get(f"{PREFIX}class/ml101").status_code == 200
        console.hub.people.leave("ivo", ["ml101"])
        wait_until(lambda: browser.get(f"{PREFIX}class/ml101").status_code == 404, timeout=10)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_admin_sets_a_limit_in_place_and_the_student_sees_it(
    console: Console, page_of: Any, locale: str
) -> None:
    console.plans.set([Setting(subject("class/ml101"), KEYS["memory"], None)], Actor("root"))
    page = page_of("root", locale, "admin")
    assert violations(page) == []
    page.get_by_role("link", name="ml101", exact=True).click()
    field = page.locator("input[aria-describedby='rule-memory']")
    field.fill("10 XB")
    field.press("Enter")
    alert = page.get_by_role("alert")
    alert.wait_for()
    english = locale == "en-US"
    wrong = "'10 XB' is no size" if english else "'10 XB' 不是大小"
    assert wrong in alert.inner_text()
    assert field.input_value() == "10 XB"
    assert violations(page) == []
    field.fill("10 GiB")
    field.press("Enter")
    origin = "class ml101 (set by root)" if english else "班级 ml101（由 root 设置）"  # noqa: RUF001
    page.locator("td", has_text=origin).first.wait_for()
    row = page.locator("tr", has=page.locator("#rule-memory"))
    assert row.locator("td").first.inner_text() == "10G"
    student = page_of("alice", locale)
    assert "10G" in student.locator("tr", has_text=origin).inner_text()
    assert violations(student) == []
    # What was done is taken back, from the history.
    page.goto(f"{PREFIX}admin/history")
    assert violations(page) == []
    page.locator("form[action$='undo'] button").first.click()
    page.wait_for_url("**/history?said=undone")
    student.reload()
    assert student.locator("tr", has_text=origin).count() == 0


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_instructor_grants_an_hour_and_the_meter_moves(
    console: Console, page_of: Any, locale: str
) -> None:
    page = page_of("tina", locale, "class/ml101")
    assert violations(page) == []
    row = page.locator("tr", has_text="alice")
    before = float(re.match(r"[\d.]+", row.locator("td").nth(1).inner_text())[0])
    row.locator("form[action$='grant'] button").click()
    page.wait_for_url("**/class/ml101?said=granted")
    assert row.locator("td").nth(1).inner_text().startswith(f"{before + 1:g}/week")
    student = page_of("alice", locale)
    assert f"{before + 1:g}/week" in student.locator("main").inner_text()


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_what_was_used_is_on_the_pages_of_staff_admins_and_who_used_it(
    console: Console, page_of: Any, locale: str
) -> None:
    now = datetime.now(timezone.utc)
    ran = Ran("c1", Owner("alice"), "ml101", "cpu", 2.0, 0, now - timedelta(hours=2), now)
    with console.hub.store.decide() as connection:
        usage.note(connection, ran)
        used.record(connection, [Reading("c1", "1", "e", now, 5400.0)], timezone.utc)
    page = page_of("tina", locale, "class/ml101")
    page.locator("a[href$='class/ml101/usage']").click()
    row = page.locator("tr", has_text="alice")
    row.wait_for()
    assert row.locator("td").all_inner_texts()[1:3] == ["1.50", "4.00"]
    assert violations(page) == []
    assert page_of("root", locale, "admin/usage").locator("tr", has_text="alice").count() == 1
    own = page_of("alice", locale).locator("section[aria-labelledby=used]")
    assert own.locator("tbody tr").nth(1).locator("td").nth(1).inner_text() == "1.50"


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en-US", "gpus of user/alice is 1 now, and was not set when you looked"),
        ("zh-CN", "user/alice 的 gpus 现在是 1，您查看时是 未设置"),  # noqa: RUF001
    ],
)
def test_two_admins_edit_the_same_row(
    console: Console, page_of: Any, locale: str, words: str
) -> None:
    console.plans.set([Setting(subject("alice"), KEYS["gpus"], None)], Actor("root"))
    pages = [page_of("root", locale, "admin/limits/user/alice") for _ in range(2)]
    for page, value in zip(pages, ("1", "2"), strict=True):
        field = page.locator("input[aria-describedby='rule-gpus']")
        field.fill(value)
        field.press("Enter")
        # The first is saved before the second is sent: which is first is what this is about.
        wait_until(
            lambda: (subject("alice"), "gpus") in console.plans.settings(),
            timeout=20,
        )
    alert = pages[1].get_by_role("alert")
    alert.wait_for()
    assert words in alert.inner_text()
    assert violations(pages[1]) == []
    assert console.plans.settings()[subject("alice"), "gpus"].text == "1"


def test_it_works_without_a_script(console: Console) -> None:
    with signed_in(console, "root") as browser:
        path = f"{PREFIX}admin/limits/user/carol"
        csrf = re.search(r'name="_csrf" value="([^"]+)"', browser.get(path).text)[1]
        form = {"_csrf": csrf, "limit": "servers", "value": "3", "seen": "", "until": ""}
        answer = browser.post(path, data=form)
        assert answer.url.path == path
        assert "It holds from the next start on" in text_of(answer)
        assert "carol (set by root)" in text_of(answer)


def test_a_server_is_shown_and_stopped_by_the_class_s_instructor(console: Console) -> None:
    console.hub.script({})
    console.hub.api("POST", "/users/alice/server", json={"profile": "gpu"})
    wait_until(
        lambda: console.hub.api("GET", "/users/alice").json()["servers"].get("", {}).get("ready"),
        timeout=30,
    )
    with signed_in(console, "tina") as browser:
        page = browser.get(f"{PREFIX}class/ml101")
        assert "Stop the server of alice" in page.text
        csrf = re.search(r'name="_csrf" value="([^"]+)"', page.text)[1]
        form = {"_csrf": csrf, "user": "alice", "server": ""}
        browser.post(f"{PREFIX}class/ml101/stop", data=form)
    wait_until(lambda: not console.hub.api("GET", "/users/alice").json()["servers"], timeout=30)
