# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""Datasets behind a real hub and a real agent: an instructor publishes a folder of their home."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from agent.app import make_app
from agent.publications import Publications
from room.datasets.addresses import Rules
from room.datasets.catalog import Catalog
from room.datasets.model import Dataset, NoSuchDatasetError
from room.datasets.names import Reference
from tests.hub.conftest import Browser, text_of
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    chrome,
    page_of,
    signed_in,
    violations,
)
from tests.utils.hub import free_port
from tests.utils.wait import wait_until

HUBS, TOKEN = "h" * 40, "p" * 40
WORDS = {
    "en-US": {"publish": "Publish", "version": "Retire version 1", "restore": "Restore version 1"},
    "zh-CN": {"publish": "发布", "version": "停用版本 1", "restore": "恢复版本 1"},
}


@contextmanager
def serving(root: Path, port: int) -> Iterator[Publications]:
    """Serve an agent for the homes and datasets below ``root``, and for servers on this machine."""
    publications = Publications(root / "datasets", root / "publications.key")
    publications.open()
    rules = Rules(hosts=("127.0.0.1",))
    app = make_app(root, HUBS, publications=publications, publisher=TOKEN, rules=rules)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, timeout=20)
    try:
        yield publications
    finally:
        server.should_exit = True
        thread.join(10)
        publications.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("agent")
    (made / "publisher_token").write_text(TOKEN)
    for number in range(3):
        folder = made / "homes" / "tina" / "data" / "cats"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(os.urandom(1000))
    return made


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture
def agent(root: Path, port: int) -> Iterator[Publications]:
    with serving(root, port) as publications:
        yield publications


@pytest.fixture(scope="module")
def console(root: Path, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    made = Console(
        tmp_path_factory.mktemp("console"),
        {
            "ROOM_AGENT": f"http://127.0.0.1:{port}",
            "ROOM_PUBLISHER_TOKEN_FILE": str(root / "publisher_token"),
        },
    )
    made.start()
    people = made.hub.people
    people.add("root", admin=True)
    people.add("tina", ["ml101"], role="instructor")
    people.add("otto", ["dl202"], role="instructor")
    people.add("alice", ["ml101"], name="Alice")
    people.add("carol", ["dl202"], name="Carol")
    yield made
    made.close()


def found(console: Console, name: str) -> Dataset | None:
    try:
        return Catalog(console.hub.store, actor="test").get(name)
    except NoSuchDatasetError:
        return None


def too_wide(page: Any) -> bool:
    """Say whether a page has to be moved sideways to be read."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def csrf(browser: Browser, path: str = "datasets") -> str:
    return re.search(r'name="_csrf" value="([^"]+)"', browser.get(PREFIX + path).text)[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_instructor_publishes_and_retires_with_the_keyboard_and_a_student_reads(
    console: Console, agent: Publications, page_of: Any, locale: str, scheme: str
) -> None:
    name, words = f"cats-{locale.lower()}-{scheme}", WORDS[locale]
    page = page_of("tina", locale, "datasets")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    assert violations(page) == []
    assert not too_wide(page)
    page.locator("#name").fill(name)
    page.locator("#folder").fill("data/dogs")
    page.locator("#new-description").fill("Cats <b>and</b> no dogs")
    page.locator("input[name=class][value=ml101]").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name=words["publish"], exact=True).focus()
    page.keyboard.press("Enter")
    # It says by itself that there is no such folder.
    page.locator("#datasets [role=alert]").wait_for()
    assert violations(page) == []
    assert not too_wide(page)
    # It asks for no more until somebody does something.
    assert page.locator("#datasets[hx-trigger]").count() == 0
    page.locator("#datasets summary").focus()
    page.keyboard.press("Enter")
    assert violations(page) == []
    page.locator("#datasets details button").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets?said=cancelled")
    page.locator("#name").fill(name)
    page.locator("#folder").fill("data/cats")
    page.locator("#new-description").fill("Cats <b>and</b> no dogs")
    page.locator("input[name=class][value=ml101]").check()
    page.get_by_role("button", name=words["publish"], exact=True).click()
    page.wait_for_url("**/datasets?said=publishing")
    # And without a reload it is there.
    link = page.get_by_role("link", name=name)
    link.wait_for()
    assert violations(page) == []
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/datasets/{name}")
    assert "Cats <b>and</b> no dogs" in page.locator("main").inner_text()
    assert violations(page) == []
    assert not too_wide(page)
    student = page_of("alice", locale, f"datasets/{name}")
    student.emulate_media(color_scheme=scheme)
    assert f"/datasets/{name}" in student.locator("main").inner_text()
    assert student.locator("main form").count() == 0
    assert violations(student) == []
    page.locator("summary", has_text=re.compile("^(Retire|停用)$")).focus()
    page.keyboard.press("Enter")
    assert violations(page) == []
    page.get_by_role("button", name=words["version"]).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/datasets/{name}?said=changed")
    assert found(console, name).newest is None
    assert student.reload().status == 404
    page.get_by_role("button", name=words["restore"]).click()
    wait_until(lambda: found(console, name).newest, timeout=20)
    assert student.reload().status == 200


def test_it_works_without_a_script(console: Console, agent: Publications) -> None:
    with signed_in(console, "tina") as browser:
        form = {"_csrf": csrf(browser), "name": "plain", "folder": "data/cats", "class": "ml101"}
        answer = browser.post(f"{PREFIX}datasets", data=form)
        assert answer.url.path == f"{PREFIX}datasets"
        assert "goes on when you leave this page" in text_of(answer)
        there = f'{PREFIX}datasets/plain"'
        wait_until(lambda: there in browser.get(f"{PREFIX}datasets").text, timeout=60)
        for act, said in (("retire", "all are retired"), ("restore", "servers start with it")):
            form = {"_csrf": csrf(browser), "act": act, "version": "1"}
            answer = browser.post(f"{PREFIX}datasets/plain", data=form)
            assert said in text_of(answer)


def test_what_is_another_class_s_is_nowhere(console: Console, agent: Publications) -> None:
    catalog = Catalog(console.hub.store, actor="otto")
    with signed_in(console, "tina") as browser:
        form = {"_csrf": csrf(browser), "name": "ours", "folder": "data/cats", "class": "ml101"}
        browser.post(f"{PREFIX}datasets", data=form)
        wait_until(lambda: found(console, "ours"), timeout=60)
    for login in ("otto", "carol"):
        with signed_in(console, login) as browser:
            assert "ours" not in re.findall(
                r"datasets/([\w-]+)", browser.get(f"{PREFIX}datasets").text
            )
            secret = re.search(r'X-CSRF-Token": "([^"]+)"', browser.get(f"{PREFIX}datasets").text)[
                1
            ]
            for path in ("datasets/ours", "datasets/nosuch", "api/datasets/ours"):
                answer = browser.get(PREFIX + path)
                assert answer.status_code == 404
                assert "There is no such page, or it is not yours." in answer.text
            form = {"_csrf": secret, "act": "retire", "version": "1"}
            assert browser.post(f"{PREFIX}datasets/ours", data=form).status_code == 404
    assert catalog.get("ours").newest is not None
    catalog.retire(Reference("ours"))


def test_a_console_and_an_agent_that_are_killed_go_on(
    console: Console, root: Path, port: int
) -> None:
    """What was begun is a version once both are there again, and nobody has to click."""
    with serving(root, port), signed_in(console, "tina") as browser:
        form = {"_csrf": csrf(browser), "name": "slow", "folder": "data/cats", "class": "ml101"}
        browser.post(f"{PREFIX}datasets", data=form)
        console.process.kill()
        console.process.wait(20)
    assert found(console, "slow") is None
    with serving(root, port) as publications:
        wait_until(lambda: publications.all()[0].job.state == "stored", timeout=60)
        assert found(console, "slow") is None
        console.start_console()
        wait_until(lambda: found(console, "slow"), timeout=60)
        wait_until(lambda: publications.all() == [], timeout=60)
    assert len(found(console, "slow").versions) == 1
