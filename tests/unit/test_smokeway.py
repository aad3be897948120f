"""The smoke way with a room that breaks where it is told: what is cleaned up, and what is told."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from cli import guests, lesson
from cli.errors import Problem
from cli.kernel import Outcome
from cli.smokeway import FILE, Report, Room, walk
from cli.studentserver import Stage
from room.people import People
from room.store import Store
from room.store.migrate import upgrade

FACTS = {"losses": [1.0, 0.1], "device": "cpu", "cuda": [], "nodes": [], "uuids": []}


class FakeRoom:
    """A room with one student in it; ``broken`` names the call that fails, at its nth time."""

    def __init__(self, broken="", nth=1):
        self.broken = broken
        self.nth = nth
        self.running = False
        self.files = {}
        self.name = ""
        self.options = []
        self.http = SimpleNamespace(aclose=self._closed)
        self.closed = False

    async def _closed(self):
        self.closed = True

    async def _do(self, call):
        await asyncio.sleep(0)
        if call == self.broken:
            self.nth -= 1
            if self.nth == 0:
                raise Problem(f"{call} broke", "mend it")

    # the student
    async def log_in(self, token):
        await self._do("log in")
        self.token = token
        self.name = "room-smoke"

    def server(self):
        return self

    # the server
    async def start(self, options):
        self.running = True  # also when it fails half-way: that is to be cleaned up
        self.options.append(options)
        yield Stage(0.0, 10, "Making the container")
        await self._do("start")
        yield Stage(0.1, 100, "ready", ready=True)

    async def model(self):
        return {"ready": True} if self.running else None

    async def stop(self):
        await self._do("stop")
        self.running = False

    async def open(self):
        await self._do("open")

    async def read(self, path):
        await self._do("read")
        if path == lesson.PATH:
            cells = [{"cell_type": "code", "source": "train()"}]
            return {"type": "notebook", "content": {"cells": cells}}
        return {"content": self.files.get(path)}

    async def write(self, path, text):
        await self._do("write")
        self.files[path] = text

    async def remove(self, path):
        del self.files[path]

    @asynccontextmanager
    async def kernel(self, path=""):
        await self._do("kernel")
        yield self

    async def execute(self, code, timeout=300):
        if code == lesson.PROBE:
            return Outcome(status="ok", stdout="room-smoke:" + json.dumps(FACTS))
        await self._do("execute")
        return Outcome(status="ok", shown=[{"image/png": "…"}])


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'room.sqlite'}")
    upgrade(made)
    return made


@pytest.fixture
def store(migrated):
    yield migrated
    guests.forget(migrated, "room-smoke")


def room(store, fake, **promise):
    return Room(
        store=store,
        browser=lambda: fake,
        profile="cpu",
        promise=lesson.Promise(**{"gpus": 0, **promise}),
    )


async def go(store, fake, keep=False, **promise):
    report = Report()
    await walk(room(store, fake, **promise), "room-smoke", report, keep=keep)
    return report


async def test_the_whole_way_leaves_no_server_no_guest_and_no_file(store):
    fake = FakeRoom()
    report = await go(store, fake)

    assert report.ok
    assert all(done.ok for done in report.done)
    assert (fake.running, fake.files, fake.closed) == (False, {}, True)
    assert People(store).find("room-smoke") is None
    assert fake.options == [{"profile": "cpu"}, None]


async def test_a_second_way_is_like_the_first(store):
    first, second = [await go(store, FakeRoom()) for _ in range(2)]

    assert [done.step for done in first.done] == [done.step for done in second.done]


@pytest.mark.parametrize(
    ("broken", "nth"),
    [
        pytest.param("log in", 1, id="login"),
        pytest.param("start", 1, id="start"),
        pytest.param("open", 1, id="open"),
        pytest.param("read", 1, id="read the lesson"),
        pytest.param("kernel", 1, id="kernel"),
        pytest.param("execute", 1, id="a cell"),
        pytest.param("write", 1, id="write"),
        pytest.param("stop", 1, id="stop"),
        pytest.param("start", 2, id="start again"),
        pytest.param("open", 2, id="open again"),
        pytest.param("read", 2, id="find the file"),
        pytest.param("stop", 2, id="stop again"),
    ],
)
async def test_wherever_it_breaks_nothing_stays(store, broken, nth):
    fake = FakeRoom(broken, nth)
    report = await go(store, fake)

    assert report.problem is not None
    assert report.problem.message == f"{broken} broke"
    assert not report.ok
    assert [done.ok for done in report.done].count(False) == 1
    assert not fake.running
    assert People(store).find("room-smoke") is None


async def test_interrupted_it_cleans_up_and_passes_the_interruption_on(store):
    executing = asyncio.Event()

    class Endless(FakeRoom):
        async def execute(self, code, timeout=300):
            executing.set()
            await asyncio.sleep(60)

    fake = Endless()
    task = asyncio.create_task(go(store, fake))
    await executing.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not fake.running
    assert People(store).find("room-smoke") is None


async def test_a_server_that_does_not_stop_is_told_and_the_guest_forgotten_all_the_same(store):
    class Stuck(FakeRoom):
        async def stop(self):
            raise Problem("it does not stop")

    report = await go(store, Stuck("start"))

    assert report.left == ["the server of room-smoke: it does not stop"]
    assert not report.ok
    assert People(store).find("room-smoke") is None


async def test_a_server_of_an_earlier_way_is_stopped_first(store):
    fake = FakeRoom()
    fake.running = True

    assert (await go(store, fake)).ok


async def test_kept_server_runs_on_with_its_guest(store):
    fake = FakeRoom()
    report = await go(store, fake, keep=True)

    assert report.ok
    assert fake.running
    assert People(store).verify(fake.token).login == "room-smoke"


async def test_keep_does_not_keep_what_failed(store):
    fake = FakeRoom("write")
    await go(store, fake, keep=True)

    assert not fake.running
    assert People(store).find("room-smoke") is None


async def test_a_file_that_did_not_outlive_its_server_is_told(store):
    class Forgetful(FakeRoom):
        async def stop(self):
            await super().stop()
            self.files = {FILE: "something older"}

    report = await go(store, Forgetful())

    assert "does not hold what was written before" in report.problem.message


async def test_a_profile_that_promises_a_gpu_needs_one(store):
    report = await go(store, FakeRoom(), gpus=1)

    assert "promises 1 GPUs, the server has 0" in report.problem.message


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        pytest.param("room-smoke", True, id="default"),
        pytest.param("room-smoke-2", True, id="numbered"),
        pytest.param("alice", False, id="a person"),
        pytest.param("room-smoker", False, id="begins alike"),
        pytest.param("room-smoke/../alice", False, id="a path"),
    ],
)
def test_only_guests_names_are_taken(name, allowed):
    if allowed:
        assert guests.check_name(name) == name
        return
    with pytest.raises(Problem, match="may be a person"):
        guests.check_name(name)


def test_a_new_token_ends_the_one_before(store):
    old, new = guests.invite(store, "room-smoke"), guests.invite(store, "room-smoke")

    assert People(store).verify(old).reason == "unknown"
    assert People(store).verify(new).login == "room-smoke"


def test_forgetting_nobody_is_fine(store):
    guests.forget(store, "room-smoke")
