# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""Uploads behind a real hub, a real console and a real agent, by a real browser."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.publications import Publications
from room.datasets.catalog import Catalog
from room.datasets.model import Dataset, NoSuchDatasetError
from tests.hub.conftest import Browser
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    chrome,
    page_of,
    signed_in,
    violations,
)
from tests.hub.test_console_datasets import TOKEN, serving, too_wide
from tests.utils.hub import free_port
from tests.utils.published import contents
from tests.utils.wait import wait_until

MIB = 1024**2
WORDS = {
    "en-US": {
        "tab": "Files of your computer",
        "upload": "Upload and publish",
        "pause": "Pause",
        "go on": "Go on",
    },
    "zh-CN": {
        "tab": "您电脑上的文件",
        "upload": "上传并发布",
        "pause": "暂停",
        "go on": "继续",
    },
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("agent")
    (made / "publisher_token").write_text(TOKEN)
    (made / "datasets" / "incoming").mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def agent(root: Path) -> Iterator[tuple[int, Publications]]:
    port = free_port()
    with serving(root, port) as publications:
        yield port, publications


@pytest.fixture(scope="module")
def console(
    root: Path, agent: tuple[int, Publications], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    made = Console(
        tmp_path_factory.mktemp("console"),
        {
            "ROOM_AGENT": f"http://127.0.0.1:{agent[0]}",
            "ROOM_PUBLISHER_TOKEN_FILE": str(root / "publisher_token"),
            "ROOM_INCOMING": str(root / "datasets" / "incoming"),
        },
    )
    made.start()
    people = made.hub.people
    people.add("tina", ["ml101"], role="instructor")
    people.add("otto", ["dl202"], role="instructor")
    people.add("alice", ["ml101"], name="Alice")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as somebody has one: small files, and one that takes a while."""
    made = tmp_path / "cats"
    (made / "train" / "小猫").mkdir(parents=True)
    for number in range(5):
        (made / "train" / "小猫" / f"{number} .jpg").write_bytes(os.urandom(5000))
    (made / "empty").touch()
    (made / "large.bin").write_bytes(os.urandom(28 * MIB))
    return made


def found(console: Console, name: str) -> Dataset | None:
    try:
        return Catalog(console.hub.store, actor="test").get(name)
    except NoSuchDatasetError:
        return None


def slow(page: Any, rate: int) -> Any:
    """Let a page send so many bytes a second; 0: as fast as it can."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate or -1},
    )
    return session


def value(page: Any) -> int:
    return int(page.locator("#uploads progress").evaluate("bar => bar.value"))


def sending(page: Any, more_than: int = 0) -> None:
    wait_until(lambda: value(page) > more_than, timeout=30)


@pytest.mark.parametrize(("locale", "scheme"), [("en-US", "light"), ("zh-CN", "dark")])
def test_an_instructor_uploads_a_folder_and_goes_on_after_closing_the_laptop(
    console: Console, root: Path, folder: Path, page_of: Any, locale: str, scheme: str
) -> None:
    name, words = f"cats-{locale.lower()}", WORDS[locale]
    page = page_of("tina", locale, "datasets")
    page.get_by_role("link", name=words["tab"]).click()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    assert violations(page) == []
    assert not too_wide(page)
    button = page.get_by_role("button", name=words["upload"])
    page.locator("#name").fill("Cats!")
    button.click()
    alert = page.locator("#upload [role=alert]")
    alert.wait_for()
    page.locator("#upload input[webkitdirectory]").set_input_files(folder)
    assert "7" in page.locator("[data-told]").inner_text()
    button.click()
    # What is wrong with the name is said in the page's language, and nothing was sent.
    wait_until(lambda: "Cats!" in alert.inner_text(), timeout=10)
    assert ("数据集" in alert.inner_text()) is (locale == "zh-CN")
    page.locator("#name").fill(name)
    page.locator("input[name=class][value=ml101]").check()
    slow(page, 12 * MIB)
    button.focus()
    page.keyboard.press("Enter")
    sending(page, MIB)
    assert violations(page) == []
    assert not too_wide(page)
    page.get_by_role("button", name=words["pause"], exact=False).click()
    there = value(page)
    assert 0 < there < 28 * MIB
    assert violations(page) == []
    page.get_by_role("button", name=words["go on"], exact=False).click()
    sending(page, max(there, 16 * MIB))
    page.once("dialog", lambda dialog: dialog.accept())
    page.goto(f"{PREFIX}datasets")
    row = page.locator("#uploads li")
    assert name in row.inner_text()
    assert 16 * MIB <= value(page) < 28 * MIB
    assert violations(page) == []
    assert not too_wide(page)
    # Other files are no part of it.
    row.locator("input[type=file]").first.set_input_files(__file__)
    row.locator("[role=alert]").wait_for()
    assert value(page) >= 16 * MIB
    row.locator("input[webkitdirectory]").set_input_files(folder)
    page.wait_for_url("**/datasets?said=publishing")
    page.get_by_role("link", name=name).wait_for()
    known = found(console, name)
    assert known is not None
    tree = root / "datasets" / "versions" / name / known.versions[0].digest / "tree"
    assert contents(tree) == contents(folder)
    wait_until(lambda: not list((root / "datasets" / "incoming").iterdir()), timeout=30)


def test_it_goes_on_by_itself_when_the_console_is_killed_and_pages_are_answered_meanwhile(
    console: Console, root: Path, folder: Path, page_of: Any
) -> None:
    page = page_of("tina", "en-US", "datasets")
    page.goto(f"{PREFIX}datasets?from=upload")
    page.locator("#name").fill("killed")
    page.locator("#files").set_input_files(folder / "large.bin")
    session = slow(page, 3 * MIB)
    with signed_in(console, "alice") as browser:
        page.get_by_role("button", name="Upload and publish").click()
        sending(page, MIB)
        took = [answered(browser) for _ in range(5)]
    assert value(page) < 28 * MIB, "all of it came before anybody asked for another page"
    # Some tens of milliseconds; a machine at work takes more, and one that waits for a file, all.
    assert max(took) < 3.0
    assert console.process is not None
    console.process.kill()
    console.process.wait(20)
    page.get_by_text("The connection is lost.").wait_for()
    console.start_console()
    session.detach()
    slow(page, 0)
    page.wait_for_url("**/datasets?said=publishing", timeout=60_000)
    wait_until(lambda: found(console, "killed"), timeout=60)
    known = found(console, "killed")
    assert known is not None
    tree = root / "datasets" / "versions" / "killed" / known.versions[0].digest / "tree"
    assert contents(tree) == {"large.bin": contents(folder)["large.bin"]}


def answered(browser: Browser) -> float:
    """Ask for a page; return the seconds that it took."""
    began = time.monotonic()
    assert browser.get(f"{PREFIX}datasets").status_code == httpx.codes.OK
    return time.monotonic() - began


def test_without_a_script_it_says_what_works(console: Console, page_of: Any) -> None:
    page = page_of("tina", "en-US", "datasets")
    context = page.context.browser.new_context(
        storage_state=page.context.storage_state(),
        base_url=console.hub.public_url,
        java_script_enabled=False,
    )
    plain = context.new_page()
    plain.goto(f"{PREFIX}datasets?from=upload")
    assert "copy the files into your home" in plain.locator("main").inner_text()
    plain.locator("#name").fill("plain")
    plain.get_by_role("button", name="Upload and publish").click()
    assert "let it run this page's script" in plain.get_by_role("alert").inner_text()
    context.close()
