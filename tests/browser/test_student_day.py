"""A student's day: in by link, a card by keyboard, the first lesson, out, and back to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cli.lesson import PATH
from tests.browser.conftest import ARTIFACTS, Camera
from tests.browser.holders import holding_gpus
from tests.utils.room import ComposedRoom
from tests.utils.wait import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.room]

ROOT = Path(__file__).parents[2]

#: Boots, and the first import of PyTorch, on a machine at work. In ms, as Playwright counts.
BOOT, CELL = 120_000, 180_000

#: What no person may read.
INTERNALS = re.compile(r"Exception|Traceback|\b[45]\d\d\b|undefined")

#: Tells every change of the progress page to the test, over all its reloads.
WATCH = """
document.addEventListener("DOMContentLoaded", () => {
  const start = document.getElementById("start");
  if (!start) return;
  const tell = () => {
    const step = start.querySelector(".step.current");
    const value = start.querySelector("[role=progressbar]").getAttribute("aria-valuenow");
    sawStep(step ? step.dataset.stage : "", Number(value));
  };
  new MutationObserver(tell).observe(start, { subtree: true, attributes: true });
});
"""


class Progress:
    """The steps that the progress page went through."""

    def __init__(self, page: Page) -> None:
        self.steps: list[str] = []
        self.values: list[int] = []
        page.expose_function("sawStep", self._saw)
        page.add_init_script(WATCH)

    def _saw(self, step: str, value: int) -> None:
        if step and step not in self.steps[-1:]:
            self.steps.append(step)
        self.values.append(value)


def test_a_students_day(page: Page, running_room: ComposedRoom, camera: Camera) -> None:
    progress = Progress(page)
    log_in(page, running_room.link("browser"))
    camera("start-page")
    choose_by_keyboard(page, "gpu")
    camera("chosen")
    # A start takes a second, and its page could be gone before anyone has looked: without the
    # agent it stands still where the home is opened.
    agent = running_room.service("agent")
    agent.pause()
    try:
        page.keyboard.press("Enter")
        page.wait_for_selector("#start .step.current[data-stage=home]", timeout=BOOT)
        camera("progress")
    finally:
        agent.unpause()
    wait_for_lab(page)
    camera("jupyterlab")
    assert "booting" in progress.steps
    assert progress.values == sorted(progress.values), "the bar never goes back"

    open_lesson_by_hand(page)
    run_every_cell(page)
    show_plot(page)
    camera("plot")
    save(page)

    page.goto("/hub/home")
    expect(page.locator(".state")).to_have_text("Running")
    camera("hub-home")
    stop(page)
    camera("stopped")
    assert running_room.containers("browser") == []

    page.get_by_role("link", name="Start", exact=True).click()
    # What was chosen last time is chosen already.
    expect(page.locator("#profile-gpu")).to_be_checked()
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for_lab(page)
    page.goto(f"/user/browser/lab/tree/{PATH}")
    show_plot(page)
    camera("back-again")

    page.goto("/hub/home")
    stop(page)


def test_a_link_that_does_not_work_says_what_to_do(
    page: Page, running_room: ComposedRoom, camera: Camera
) -> None:
    link = running_room.link("mistyped")
    page.goto(link[:-1] + ("a" if link[-1] != "a" else "b"))

    expect(page.get_by_role("alert")).to_contain_text("Look for the newest link")
    assert "token" not in page.url
    camera("login-refused")


def test_two_students_wait_for_one_gpu_and_the_line_moves_by_itself(
    page: Page, browser: Browser, running_room: ComposedRoom, camera: Camera
) -> None:
    """Three other students hold three of the room's four GPUs, and a fourth the last one."""
    with holding_gpus(running_room, 4) as leave:
        log_in(page, running_room.link("first"))
        choose_by_keyboard(page, "gpu")
        page.keyboard.press("Enter")
        expect(page.locator("#place")).to_contain_text("next in line", timeout=BOOT)
        other = browser.new_context(base_url=running_room.address, locale="en-US")
        second = other.new_page()
        log_in(second, running_room.link("second"))
        choose_by_keyboard(second, "gpu")
        second.keyboard.press("Enter")
        expect(second.locator("#place")).to_contain_text("2nd", timeout=BOOT)
        assert not INTERNALS.search(second.inner_text("main"))
        second.screenshot(path=ARTIFACTS / "second-in-line.png")

        leave(0)
        wait_for_lab(page, "first")
        expect(second.locator("#place")).to_contain_text("next in line", timeout=BOOT)
        second.get_by_role("button", name="Start on CPU instead").click()
        wait_for_lab(second, "second")
        second.goto("/hub/home")
        stop(second)
        other.close()
    page.goto("/hub/home")
    stop(page)


def test_leaving_the_line_takes_the_ticket_away(
    page: Page, running_room: ComposedRoom, camera: Camera
) -> None:
    with holding_gpus(running_room, 4):
        log_in(page, running_room.link("leaver"))
        choose_by_keyboard(page, "gpu")
        page.keyboard.press("Enter")
        leave = page.get_by_role("button", name="Leave the queue")
        expect(leave).to_be_visible(timeout=BOOT)
        camera("in-line")
        leave.click()
        page.wait_for_url(re.compile("/hub/home"))
        wait_until(lambda: not running_room.tickets(), timeout=20)


def log_in(page: Page, link: str) -> None:
    page.goto(link)
    page.wait_for_url(re.compile(r"/hub/spawn"))
    assert "token" not in page.url, "the address bar must not show the token"


def choose_by_keyboard(page: Page, slug: str) -> None:
    """Choose a card with Tab and the arrow keys alone."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "profile":
            break
    for _ in range(10):
        if page.evaluate("document.activeElement.value") == slug:
            break
        page.keyboard.press("ArrowDown")
    expect(page.locator(f"#profile-{slug}")).to_be_checked()


def wait_for_lab(page: Page, user: str = "browser") -> None:
    page.wait_for_url(re.compile(rf"/user/{user}/lab"), timeout=BOOT)
    page.wait_for_selector(".jp-DirListing-item", timeout=BOOT)


def open_lesson_by_hand(page: Page) -> None:
    folder, name = PATH.split("/")
    for item in (folder, name):
        page.locator(".jp-DirListing-item", has_text=item).first.dblclick()
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=BOOT)


def run_every_cell(page: Page) -> None:
    """Press Shift+Enter from the first cell to the last, waiting for each."""
    # What is run before the kernel is connected is lost.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=BOOT)
    notebook = page.locator(".jp-NotebookPanel")
    notebook.locator(".jp-Cell").first.click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Home")
    executed = 0
    for kind in lesson_cells():
        page.keyboard.press("Shift+Enter")
        if kind == "code":
            executed += 1
            prompt = notebook.locator(".jp-InputPrompt", has_text=f"[{executed}]:")
            expect(prompt).to_have_count(1, timeout=CELL)
    assert executed >= 6
    assert notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


def lesson_cells() -> list[str]:
    """Return the kinds of the lesson's cells, as the image gives it to a new home."""
    lesson = json.loads((ROOT / "images" / "pytorch" / PATH).read_text())
    return [cell["cell_type"] for cell in lesson["cells"]]


def show_plot(page: Page) -> None:
    """Scroll to the plot of the loss: JupyterLab renders only the cells that are in sight."""
    panel = page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer")
    panel.wait_for(timeout=BOOT)
    panel.evaluate("panel => panel.scrollTo(0, 0)")
    cell = page.locator(".jp-NotebookPanel .jp-CodeCell", has_text="plt.plot(losses)")
    plot = cell.locator(".jp-RenderedImage img")
    for _ in range(60):
        if plot.count():
            plot.scroll_into_view_if_needed()
            expect(plot).to_be_visible()
            assert plot.evaluate("image => image.naturalWidth") > 100, "the plot is no picture"
            return
        panel.evaluate("panel => panel.scrollBy(0, 200)")
        page.wait_for_timeout(100)
    raise AssertionError("there is no plot of the loss in the notebook")


def save(page: Page) -> None:
    page.keyboard.press("Control+s")
    expect(page.locator(".lm-TabBar-tab.jp-mod-current.jp-mod-dirty")).to_have_count(0)


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".state")).to_have_text("Not running", timeout=60_000)
