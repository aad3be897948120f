"""Takes the README's pictures of a running room, as a student who opens a login link.

    room user add mei
    python tools/screenshots.py "$(room user link mei)"

Writes docs/images/. The student's server is started anew, and stopped at the end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
LESSON = "lab/tree/examples/01-first-lesson.ipynb?reset"
#: Bytes: a README that loads slowly is not read.
LARGEST = 200_000
#: Milliseconds. A start on a busy machine, and PyTorch's first import, take their time.
PATIENCE = 180_000


def take(page: Any, name: str) -> None:
    """Write one picture. Raises ``SystemExit`` when it is too large."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path.relative_to(IMAGES.parents[1])}: {size // 1000} kB")
    if size > LARGEST:
        raise SystemExit(f"{path} has more than {LARGEST // 1000} kB.")


def start_page(page: Any, origin: str, link: str) -> None:
    page.set_viewport_size({"width": 1000, "height": 620})
    page.goto(link)
    page.wait_for_url(lambda url: "/hub/login" not in url)
    stop(page, origin)
    page.goto(f"{origin}/hub/spawn")
    page.get_by_role("radio").first.check()
    take(page, "start-page")


def lesson(page: Any) -> None:
    page.set_viewport_size({"width": 1200, "height": 760})
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/user/*/lab*", timeout=PATIENCE)
    server = page.url.partition("/lab")[0]
    page.goto(f"{server}/{LESSON}")
    page.locator(".jp-Notebook h1").first.wait_for()
    idle = page.get_by_text("| Idle").first
    idle.wait_for(timeout=PATIENCE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    idle.wait_for(state="hidden")
    idle.wait_for(timeout=PATIENCE)
    # JupyterLab goes to the end and draws only the cells in view: a little way back is the plot.
    page.mouse.move(700, 400)
    page.mouse.wheel(0, -370)
    page.locator(".jp-Notebook .jp-RenderedImage img").last.wait_for()
    page.wait_for_timeout(1000)
    take(page, "lesson")


def stop(page: Any, origin: str) -> None:
    page.goto(f"{origin}/hub/home")
    button = page.get_by_role("button", name="Stop")
    if button.count():
        button.click()
    page.get_by_text("Not running").first.wait_for(timeout=PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("link", help="a login link, as room user link prints it")
    link = parser.parse_args().link
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("There is no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    parts = urlsplit(link)
    origin = f"{parts.scheme}://{parts.netloc}"
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(locale="en-US", color_scheme="light").new_page()
        page.set_default_timeout(60_000)
        start_page(page, origin, link)
        lesson(page)
        stop(page, origin)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
