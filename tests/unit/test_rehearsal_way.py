"""A throwaway student's way: what is measured of it, and where it ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from cli.errors import Problem
from cli.kernel import Outcome
from cli.rehearsal.way import Lesson, Way, durations, queued
from cli.studentserver import Stage
from room.rehearsal.model import Cell, Peaks

NOTEBOOK = {"cells": [{"cell_type": "code", "source": text} for text in ("good", "bad", "good")]}


class FakeServer:
    """A server whose kernel fails at ``bad``; ``broken`` names the call that fails."""

    def __init__(self, broken=""):
        self.broken = broken
        self.name = ""
        self.files = {"in/class.ipynb": NOTEBOOK}
        self.running = False

    def _do(self, call):
        if call == self.broken:
            raise Problem(f"{call} broke")

    async def log_in(self, token):
        self._do("log in")
        self.name = "room-rehearse-0a1b2c-1"

    def server(self):
        return self

    async def start(self, options):
        self.options, self.running = options, True
        yield Stage(0.2, 5, "Checking", event={"stage": "checking", "elapsed": 0.1})
        self._do("start")
        yield Stage(0.4, 100, "ready", ready=True)

    async def open(self):
        self._do("open")

    async def model(self):
        return {"ready": True} if self.running else None

    async def stop(self):
        self._do("stop")
        self.running = False

    async def write_notebook(self, path, content):
        self.files[path] = content

    async def read(self, path):
        return {"type": "notebook", "content": self.files[path]}

    @asynccontextmanager
    async def kernel(self, path):
        yield self

    async def execute(self, code, patience=0.0):
        if code == "1+1":
            return Outcome(status="ok", shown=[{"text/plain": "2"}])
        self._do("kernel")
        if code == "bad":
            return Outcome(status="error", error="ValueError: no", seconds=0.5)
        return Outcome(status="ok", seconds=0.25)


async def go(server, lesson=None):
    cpu = iter([2.0, 5.0])
    lesson = lesson or Lesson("lesson.ipynb", NOTEBOOK)
    way = Way(1, server, lesson, {"profile": "cpu"}, lambda: next(cpu))
    left = []

    async def stay():
        left.append(way.at)

    await way.go("token", 0.0, stay)
    assert len(left) == 1, "whatever happens, the others hear that this one is done"
    return way.result(Peaks())


async def test_the_lesson_goes_up_to_the_cell_that_fails():
    found = await go(server := FakeServer())
    assert found.cells == (Cell(0.25), Cell(0.5, "ValueError: no"))
    assert (found.problem, found.fine, found.cpu) == ("", False, 3.0)
    assert found.start is not None
    assert server.files["lesson.ipynb"] == NOTEBOOK
    assert server.options == {"profile": "cpu"}


async def test_it_goes_on_after_it_where_that_is_wanted():
    found = await go(FakeServer(), Lesson("lesson.ipynb", NOTEBOOK, keep_going=True))
    assert [cell.error for cell in found.cells] == ["", "ValueError: no", ""]


async def test_a_notebook_that_is_there_is_read_and_not_written():
    server = FakeServer()
    found = await go(server, Lesson("in/class.ipynb"))
    assert len(found.cells) == 2
    assert set(server.files) == {"in/class.ipynb"}


@pytest.mark.parametrize(
    ("call", "started"),
    [("log in", False), ("start", False), ("open", False), ("kernel", True)],
)
async def test_what_breaks_on_the_way_is_told_in_words(call, started):
    found = await go(FakeServer(call))
    assert found.problem == f"{call} broke"
    assert (found.start is not None) is started
    assert [cell.error for cell in found.cells] == (["kernel broke"] if started else [])


async def test_who_leaves_stops_the_server_and_a_stop_that_fails_is_told():
    server = FakeServer()
    way = Way(1, server, Lesson("lesson.ipynb", NOTEBOOK), {}, lambda: None)
    await way.go("token", 0.0, way.leave)
    assert not server.running
    stuck = FakeServer("stop")
    way = Way(1, stuck, Lesson("lesson.ipynb", NOTEBOOK), {}, lambda: None)
    await way.go("token", 0.0, way.leave)
    assert way.result(Peaks()).problem == "stop broke"


async def test_interrupted_it_ends_at_once():
    way = Way(1, FakeServer(), Lesson("lesson.ipynb", NOTEBOOK), {}, lambda: None)
    task = asyncio.ensure_future(way.go("token", 60.0, way.leave))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def event(stage, elapsed, **more):
    return Stage(9.0, 1, "", event={"stage": stage, "elapsed": elapsed, **more})


@pytest.mark.parametrize(
    ("stages", "found"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([event("checking", 0.1)], {}, id="one-that-nothing-came-after"),
        pytest.param(
            [event("checking", 0.1), event("gpu", 0.3), event("gpu", 5.3), event("home", 9.3)],
            {"checking": 0.2, "gpu": 9.0},
            id="heartbeats-count-from-the-first",
        ),
        pytest.param(
            [event("turn", 1.0), Stage(2.0, 100, "ready", ready=True), event("ready", 3.5)],
            {"turn": 2.5},
            id="an-event-without-a-stage",
        ),
    ],
)
def test_how_long_each_stage_took(stages, found):
    assert durations(stages) == found


def test_who_had_a_place_in_the_queue_was_in_it():
    assert queued([event("gpu", 1.0), event("gpu", 2.0, waiting={"position": 1})])
    assert not queued([event("gpu", 1.0)])
