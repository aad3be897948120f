"""A lesson from the builder to the open notebook: made by an instructor, followed by a student."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Camera
from tests.browser.test_student_day import BOOT, INTERNALS, stop
from tests.utils.git_server import serving
from tests.utils.room import ComposedRoom

pytestmark = [pytest.mark.browser, pytest.mark.room]

LESSONS = "/services/console/class/ll101/lessons"
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# What flowers there are"}
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture(scope="module")
def repository(
    running_room: ComposedRoom, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A repository with a notebook, at an address that students' servers reach."""
    place = tmp_path_factory.mktemp("git")
    work = place / "work"
    work.mkdir()
    (work / "week 1.ipynb").write_text(json.dumps(NOTEBOOK))
    who = ("-c", "user.name=t", "-c", "user.email=t@x")
    for command in (
        ("-C", work, "init", "--quiet", "--initial-branch=main"),
        ("-C", work, "add", "--all"),
        ("-C", work, *who, "commit", "--quiet", "--message=Week 1"),
        ("clone", "--quiet", "--bare", work, place / "flowers-course.git"),
    ):
        subprocess.run(["git", *map(str, command)], check=True, timeout=60)
    network = running_room.client.networks.get(f"{running_room.name}-students")
    gateway = network.attrs["IPAM"]["Config"][0]["Gateway"]
    with serving(place, gateway) as address:
        yield f"{address}/flowers-course.git"


@pytest.fixture(scope="module")
def school(running_room: ComposedRoom, tmp_path_factory: pytest.TempPathFactory) -> ComposedRoom:
    """A class with a dataset, its instructor, a student of it and one of another."""
    people = {
        "lltina": ("ll101", "instructor"),
        "llanna": ("ll101", "student"),
        "llbert": ("ll202", "student"),
    }
    for login, (name, role) in people.items():
        running_room.run("user", "add", login, "--no-link", "--class", name, "--role", role)
    folder = tmp_path_factory.mktemp("flowers")
    (folder / "petals.csv").write_text("petal\n1\n")
    running_room.run("dataset", "publish", "llflowers", str(folder), "--class", "ll101")
    return running_room


def signed_in(page: Page, room: ComposedRoom, login: str, path: str) -> None:
    """Follow a link in a fresh browser, and log in on the way."""
    page.goto(path)
    page.fill("#token", room.token(login))
    page.click("#submit")


def made_link(page: Page, room: ComposedRoom, repository: str) -> str:
    """Make a lesson in the console, as its instructor, and return its link."""
    signed_in(page, room, "lltina", LESSONS)
    page.get_by_label("Title").fill("Flowers")
    page.get_by_label("Repository", exact=True).fill(repository)
    page.get_by_label("Opens").fill("week 1.ipynb")
    page.locator("#profile").select_option("cpu")
    page.get_by_label("llflowers").check()
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator("#notes")).to_contain_text("give its link to the class")
    return page.get_by_label("Link of Flowers", exact=True).input_value()


def test_a_link_followed_in_a_fresh_browser_opens_the_notebook_after_one_click(
    page: Page, browser: Browser, school: ComposedRoom, repository: str, camera: Camera
) -> None:
    link = made_link(page, school, repository)
    camera("builder")
    assert link.startswith(f"{school.address}/hub/room/lesson/")

    context = browser.new_context(base_url=school.address, locale="en-US")
    student = context.new_page()
    signed_in(student, school, "llanna", link)
    expect(student.get_by_role("heading", level=1)).to_have_text("Flowers")
    student.get_by_role("button", name="Start the lesson").click()
    place = "lessons/ll101/flowers-course"
    student.wait_for_url(
        re.compile(rf"/user/llanna/lab/tree/{place}/week%201\.ipynb"), timeout=BOOT
    )
    expect(student.locator(".jp-NotebookPanel")).to_contain_text(
        "What flowers there are", timeout=BOOT
    )
    (container,) = school.containers("llanna")
    read = container.exec_run(["sh", "-c", f"cat /datasets/llflowers/petals.csv; ls ~/{place}"])
    assert read.output.decode().splitlines() == ["petal", "1", "week 1.ipynb"]

    # What she does stays when she follows it again, and nothing is asked with all of it running.
    container.exec_run(["sh", "-c", f"echo mine > ~/{place}/mine.py"], user="1000:100")
    student.goto(link)
    student.wait_for_url(re.compile(r"/user/llanna/lab/tree/"), timeout=BOOT)
    assert container.exec_run(["sh", "-c", f"cat ~/{place}/mine.py"]).output == b"mine\n"
    student.goto("/hub/home")
    stop(student)
    context.close()


def test_a_student_of_another_class_is_not_told_that_there_is_a_lesson(
    page: Page, school: ComposedRoom
) -> None:
    printed = school.run("lesson", "add", "ll101", "Flowers", "--folder", ".").stdout
    link = next(word for word in printed.split() if "/room/lesson/" in word)
    signed_in(page, school, "llbert", link)
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    words = page.inner_text("main")
    assert "Flowers" not in words
    assert "ll101" not in words
    assert not INTERNALS.search(words)
    page.goto(f"{link[:-3]}xyz")
    assert page.inner_text("main") == words
    assert school.containers("llbert") == []
