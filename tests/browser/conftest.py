"""A real Chromium before the composed room; what it saw is kept when a test fails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.utils.room import ComposedRoom

ARTIFACTS = Path(__file__).parents[1] / "artifacts" / "browser"

#: Debian's Chromium calls home and talks QUIC by default; a test room has no use for either.
ARGUMENTS = [
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Camera:
    """Takes numbered screenshots of one test."""

    def __init__(self, page: Page, test: str) -> None:
        self._page = page
        self._test = re.sub(r"\W+", "-", test.removeprefix("test_")).strip("-")
        self._number = 0

    def __call__(self, name: str) -> Path:
        self._number += 1
        path = ARTIFACTS / f"{self._test}-{self._number:02d}-{name}.png"
        self._page.screenshot(path=path)
        return path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "there is no chromium: python -m tests.prepare installs it"
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """Let fixtures see whether their test failed."""
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


@pytest.fixture
def page(
    chromium: Browser, running_room: ComposedRoom, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A fresh browser profile. The hub's pages may raise no error in it."""
    context = chromium.new_context(
        base_url=running_room.address, viewport={"width": 1280, "height": 900}, locale="en-US"
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    yield page
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        name = re.sub(r"\W+", "-", request.node.name)
        page.screenshot(path=ARTIFACTS / f"FAILED-{name}.png")
        (ARTIFACTS / f"FAILED-{name}.html").write_text(page.content())
        print(f"the browser was at {page.url}; see {ARTIFACTS}/FAILED-{name}.*")
        print(running_room.logs())
    context.close()
    assert [error for error in errors if "/hub/" in error] == []


@pytest.fixture
def camera(page: Page, request: pytest.FixtureRequest) -> Camera:
    return Camera(page, request.node.name)
