"""A rehearsal in the whole room: figures known beforehand, and nothing of it that stays."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from room.guests import PREFIX
from room.models import LABEL_KIND, LABEL_ROOM
from tests.utils.room import ROOM, ComposedRoom
from tests.utils.wait import wait_until

pytestmark = pytest.mark.room

MIB = 1024**2
#: What a server of this class may have, and what the lesson takes at most, by construction.
LIMIT, BLOCK, SHM = 700 * MIB, 300 * MIB, 64 * MIB
#: A server and a kernel without PyTorch, as they are at rest, at most.
REST = 250 * MIB

LESSON = (
    f"import os, time\nbig = bytearray({BLOCK})\ntime.sleep(0.6)\ndel big",
    f"with open('/dev/shm/known', 'wb') as file:\n    file.write(bytes({SHM}))\ntime.sleep(0.6)",
    "me = os.environ['JUPYTERHUB_USER'].rpartition('-')[2]\nassert me != '2', 'it is the second'",
    f"if me == '3':\n    much = bytearray({2 * LIMIT})",
)


def notebook(path: Path, *cells: str) -> str:
    made = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{place}",
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for place, source in enumerate(cells)
        ],
    }
    path.write_text(json.dumps(made))
    return str(path)


@pytest.fixture(scope="module")
def room(running_room: ComposedRoom) -> ComposedRoom:
    running_room.run("user", "add", "rhines", "--no-link", "--class", "rh101", "--role=instructor")
    running_room.run("user", "add", "rhanna", "--no-link", "--class", "rh101")
    running_room.run("plan", "set", "class/rh101", f"memory={LIMIT}")
    return running_room


def left(room: ComposedRoom) -> list[str]:
    """Return whatever there is of any guest: in the database, the hub, the engine, on the disk."""
    state = room.data_root / "state"
    found = [
        f"{file.name} {table}: {row}"
        for file in (state / "torchroom.sqlite", state / "hub" / "jupyterhub.sqlite")
        for table, row in _rows(file)
        if PREFIX in str(row)
    ]
    labels = [f"{LABEL_ROOM}={room.name}", f"{LABEL_KIND}=home"]
    volumes = room.client.volumes.list(filters={"label": labels})
    found += [each.name for each in (*room.containers(), *volumes) if _guests(each.name)]
    places = (room.data_root / "homes", *(room.data_root / "classes").glob("*/hand-in"))
    found += [str(path) for place in places for path in place.iterdir() if _guests(path.name)]
    if (state / "rehearsals" / "under-way.json").exists():
        found.append("under-way.json")
    return found


def _guests(name: str) -> bool:
    return "rehearse" in name


def _rows(file: Path) -> Iterator[tuple[str, Any]]:
    names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    with closing(sqlite3.connect(file)) as connection:
        for (table,) in connection.execute(names).fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():
                yield table, row


@contextmanager
def rehearsing(room: ComposedRoom, lesson: str) -> Iterator[subprocess.Popen[str]]:
    """Begin a rehearsal of two, and give it once both have their servers."""
    process = subprocess.Popen(
        [str(ROOM), "rehearse", "rh101", "--students", "2", "--yes", "--notebook", lesson],
        env={**os.environ, "ROOM_CONFIG": str(room.config)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # The sleep, as both their kernels have begun it.
        wait_until(lambda: len(_asleep(room)) == 2, timeout=90, explain=room.logs)
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def _asleep(room: ComposedRoom) -> list[str]:
    return [
        str(home)
        for home in (room.data_root / "homes").iterdir()
        if _guests(home.name) and (home / "asleep").exists()
    ]


@pytest.fixture
def long(tmp_path: Path) -> str:
    sleep = "import pathlib, time\npathlib.Path('asleep').touch()\ntime.sleep(600)"
    return notebook(tmp_path / "long.ipynb", sleep)


def test_interrupted_while_the_hub_is_away_it_leaves_nothing(room: ComposedRoom, long: str) -> None:
    with rehearsing(room, long) as process:
        assert left(room) != []
        os.kill(room.service("hub").attrs["State"]["Pid"], signal.SIGKILL)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=180)
    assert "Interrupted. Cleaning up" in said
    assert process.returncode == 1, said
    assert left(room) == [], said


def test_what_a_killed_one_left_goes_with_the_next_whose_figures_are_as_they_must_be(
    room: ComposedRoom, long: str, tmp_path: Path
) -> None:
    with rehearsing(room, long) as process:
        process.kill()
        process.wait(30)
    abandoned = set(_asleep(room))
    assert len(abandoned) == 2
    board = room.run("class", "list").stdout
    lesson, page = notebook(tmp_path / "lesson.ipynb", *LESSON), tmp_path / "report.html"
    done = room.run(
        "rehearse", "rh101", "--students", "3", "--yes", "--notebook", lesson, "--json",
        "--report", str(page), check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    first, second, third = found["students"]

    for each in found["students"]:
        assert BLOCK < each["peaks"]["memory"] <= LIMIT
        # The kernel and Jupyter's own have semaphores there.
        assert SHM <= each["peaks"]["shm"] < SHM + 2 * MIB
        assert 0 < each["start"]["ready"] < each["start"]["usable"] < 90
        assert each["start"]["stages"]["booting"] > 0
    for each in (first, second):
        assert each["peaks"]["memory"] < BLOCK + SHM + REST
        assert each["peaks"]["killed"] == 0
    assert [cell["error"] for cell in first["cells"]] == [""] * 4
    assert first["cells"][0]["seconds"] > 0.6
    assert 0 < first["cpu"] < 30
    # One that failed: with its words, and without the cells after it.
    assert [cell["error"] for cell in second["cells"]] == [
        "", "", "AssertionError: it is the second",
    ]  # fmt: skip
    # One that had no more memory: known though its kernel cannot tell.
    assert third["peaks"]["killed"] >= 1
    assert third["peaks"]["charged"] >= 0.99 * LIMIT
    assert "The kernel died" in third["problem"]

    assert found["limits"]["memory"] == LIMIT
    assert found["summary"]["usable"]["count"] == 3
    assert found["summary"]["seats"] == found["summary"]["bounds"][-1]["seats"] > 3
    assert max(look["students"] for look in found["looks"]) > 2 * BLOCK
    text = page.read_text()
    assert "AssertionError: it is the second" in text
    assert "rhanna" not in text
    assert left(room) == []
    assert room.run("class", "list").stdout == board
    kept = room.data_root / "state" / "rehearsals" / found["id"]
    assert (kept / "report.en.html").read_text() == text
    # The console's user reads it, and nobody else but root.
    assert (kept.stat().st_uid, kept.stat().st_mode & 0o777) == (1100, 0o700)


def test_while_others_work_it_asks_first(room: ComposedRoom) -> None:
    import asyncio

    from cli.student import Student

    async def work() -> subprocess.CompletedProcess[str]:
        async with Student(room.address) as student:
            await student.log_in(room.token("rhanna"), "rhanna")
            await student.server().ready({"profile": "cpu"})
            refused = await asyncio.to_thread(room.run, "rehearse", "rh101", check=False)
            await student.server().stop()
            return refused

    refused = asyncio.run(work())
    assert refused.returncode == 2
    assert "servers of other people running" in refused.stderr.replace("server of", "servers of")
    assert left(room) == []
