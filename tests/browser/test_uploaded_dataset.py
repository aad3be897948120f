"""An instructor uploads 300 MB over a bad connection; a student of the class trains from it."""

from __future__ import annotations

import asyncio
import random
import re
import tarfile
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cli.errors import Problem
from cli.student import Student
from tests.utils.relay import Relay, relay
from tests.utils.room import ComposedRoom
from tests.utils.wait import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.room]

MIB = 1024**2
CONSOLE = "/services/console/"
PIXELS, SHARDS, IMAGES = 784, 4, 100_000
#: In ms, as Playwright counts: what a machine at work may take.
SLOW = 120_000

#: A lesson's few steps: it learns whether the first pixel of a picture is bright.
LESSON = f"""
import torch
from pathlib import Path
place = Path("/datasets/digits")
losses, model = [], torch.nn.Linear(16, 2)
best = torch.optim.Adam(model.parameters(), lr=0.1)
for shard in range({SHARDS}):
    images = torch.from_file(str(place / f"train/images-{{shard}}.bin"), size={IMAGES * PIXELS},
                             dtype=torch.uint8).view(-1, {PIXELS})
    labels = torch.from_file(str(place / f"train/labels-{{shard}}.bin"), size={IMAGES},
                             dtype=torch.uint8)
    for some in torch.randperm({IMAGES}).view(-1, 5000)[:10]:
        guess = model(images[some, :16] / 255 - 0.5)
        loss = torch.nn.functional.cross_entropy(guess, labels[some].long())
        best.zero_grad(); loss.backward(); best.step(); losses.append(loss.item())
print(round(losses[0], 3), round(losses[-1], 3))
assert losses[-1] < 0.8 * losses[0]
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training set of 300 MB, in a tar."""
    made = tmp_path_factory.mktemp("set") / "digits.tar"
    with tarfile.open(made, "w") as archive:
        for shard in range(SHARDS):
            images = bytearray(random.Random(shard).randbytes(IMAGES * PIXELS))
            bright = images[::PIXELS]
            for name, data in (
                ("images", bytes(images)),
                ("labels", bytes(each >> 7 for each in bright)),
            ):
                member = tarfile.TarInfo(f"train/{name}-{shard}.bin")
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
    assert made.stat().st_size > 300 * 10**6
    return made


@pytest.fixture
def way(running_room: ComposedRoom) -> Iterator[Relay]:
    with relay(running_room.port) as made:
        yield made


def opened(browser: Browser, room: ComposedRoom, login: str, port: int, path: str) -> Page:
    """Return a page of somebody, in a browser of their own."""
    context: BrowserContext = browser.new_context(
        base_url=f"http://127.0.0.1:{port}", locale="en-US"
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto(f"/hub/login?next={path}#token={room.token(login)}")
    page.wait_for_url(f"**{path}")
    return page


def test_a_class_trains_from_what_its_instructor_uploads_over_a_bad_connection(
    browser: Browser, running_room: ComposedRoom, archive: Path, way: Relay
) -> None:
    room = running_room
    for login, class_name, role in (
        ("ines", "vision", "instructor"),
        ("vera", "vision", "student"),
        ("otis", "sound", "student"),
    ):
        room.run("user", "add", login, "--class", class_name, "--role", role, "--no-link")
    page = opened(browser, room, "ines", way.port, f"{CONSOLE}datasets")
    upload(page, way, archive)
    page.get_by_role("link", name="digits", exact=True).wait_for(timeout=SLOW)
    incoming = room.data_root / "datasets" / "incoming"
    wait_until(lambda: not list(incoming.iterdir()), timeout=40)
    page.context.close()

    other = opened(browser, room, "otis", room.port, f"{CONSOLE}datasets")
    assert "digits" not in other.content()
    assert other.goto(f"{CONSOLE}datasets/digits").status == 404  # type: ignore[union-attr]
    other.goto("/hub/spawn")
    assert "digits" not in other.content()
    other.context.close()
    in_thread(sees_nothing(room, "otis"))

    student = opened(browser, room, "vera", room.port, "/hub/spawn")
    student.locator("details.datasets summary").click()
    student.locator("label[for=dataset-digits]").click()
    student.get_by_role("button", name="Start", exact=True).click()
    student.wait_for_url(re.compile("/user/vera/lab"), timeout=SLOW)
    student.context.close()
    in_thread(trains(room, "vera"))


def upload(page: Page, way: Relay, archive: Path) -> None:
    """Upload it, with the connection cut twice."""
    size = archive.stat().st_size
    page.get_by_role("link", name="Files of your computer").click()
    page.locator("#name").fill("digits")
    page.locator("#files").set_input_files(archive)
    page.locator("#unpack").check()
    page.locator("input[name=class][value=vision]").check()
    before = way.sent
    way.cut_at = way.sent + 90 * MIB
    page.get_by_role("button", name="Upload and publish").click()
    wait_until(lambda: not way.whole, timeout=60)
    expect(page.locator("#uploads li")).to_contain_text("The connection is lost.")
    # The laptop is closed; when it is opened again, the page is a new one.
    way.mend()
    page.once("dialog", lambda dialog: dialog.accept())
    page.goto(f"{CONSOLE}datasets")
    row = page.locator("#uploads li")
    expect(row).to_contain_text("Choose the same files again")
    there = row.locator("progress").evaluate("bar => bar.value")
    assert 80 * MIB < there < 91 * MIB, "what came is there"
    way.cut_at = way.sent + 100 * MIB
    row.locator("input[type=file]").first.set_input_files(archive)
    wait_until(lambda: not way.whole, timeout=60)
    expect(row).to_contain_text("The connection is lost.")
    way.mend()
    # And it goes on by itself.
    page.wait_for_url("**/datasets?said=publishing", timeout=SLOW)
    # Nothing is sent twice but what was on the way.
    assert way.sent - before < size + 20 * MIB


async def sees_nothing(room: ComposedRoom, login: str) -> None:
    """Neither the JSON interface nor a start by name knows it."""
    async with Student(room.address) as student:
        await student.log_in(room.token(login))
        with pytest.raises(Problem, match="There is no dataset 'digits'"):
            await student.server().ready({"datasets": ["digits"]})
        made = await student.api("A token", "POST", f"users/{login}/tokens")
        key = {"Authorization": f"token {made.json()['token']}"}
        for path, status in (("datasets", 200), ("datasets/digits", 404)):
            answer = await student.http.get(
                student.url(f"services/console/api/{path}"), headers=key
            )
            assert answer.status_code == status
            assert "digits" not in answer.text


async def trains(room: ComposedRoom, login: str) -> None:
    async with Student(room.address) as student:
        await student.log_in(room.token(login))
        server = student.server()
        async with server.kernel() as kernel:
            outcome = await kernel.execute(LESSON, timeout=SLOW / 1000)
        assert outcome.ok, outcome.error
        await server.stop()


def in_thread(work: Any) -> None:
    """Run it beside Playwright's own loop, which runs in this thread."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
