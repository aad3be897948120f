"""A real Chromium before the composed room; what it saw is kept when a test fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.utils.chromium import chromium
from tests.utils.room import ComposedRoom

ARTIFACTS = Path(__file__).parents[1] / "artifacts" / "browser"


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    with chromium() as opened:
        yield opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    """Let fixtures see whether their test failed."""
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


@pytest.fixture
def page(
    browser: Browser, running_room: ComposedRoom, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A fresh browser profile. The hub's pages may raise no error in it."""
    context = browser.new_context(
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
