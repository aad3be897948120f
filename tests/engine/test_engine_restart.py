"""The engine itself ends amid a storm of starts, and takes all containers with it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from engine.client import Engine
from room import names
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER
from spawner.homes import HomeUnavailableError, home_volume
from tests.engine.conftest import Room, opened
from tests.utils.hub import Hub
from tests.utils.private_engine import IMAGE, PrivateEngine, private_engine, stub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

USERS = [f"s{number:02d}" for number in range(12)]
#: Fewer than there are users, so that some wait for a turn, and others for a GPU.
TURNS, GPUS = 3, 8
HANGS = stub("-c", "import time; time.sleep(600)")["cmd"]


@pytest.fixture(scope="module")
def restartable(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Room, PrivateEngine]]:
    """A room on an engine of its own."""
    directory: Path = tmp_path_factory.mktemp("restart")
    with private_engine() as engine, opened(engine.client, directory, IMAGE) as room:
        room.open(
            gpus=GPUS,
            traits={
                **stub("-m", "http.server", "8888"),
                "gpus": 1,
                "boot_slots": TURNS,
                "profile_list": [
                    {"display_name": "Well", "slug": "well", "default": True},
                    {"display_name": "Hangs", "slug": "hangs", "spawner_override": {"cmd": HANGS}},
                ],
            },
            environment={"DOCKER_HOST": engine.url},
        )
        yield room, engine


def test_a_home_is_its_owner_s_for_an_engine_that_was_started_again(tmp_path: Path) -> None:
    def volume(user: str) -> str:
        with closing(Engine.at(engine.url)) as client:
            return asyncio.run(home_volume(client, "room", user, str(tmp_path)))

    with private_engine() as engine:
        mine = volume("alice")
        other = {LABEL_ROOM: "room", LABEL_KIND: "home", LABEL_USER: "eve"}
        engine.client.volumes.create(names.home_volume("room", "bob"), labels=other)
        engine.end(signal.SIGTERM)
        engine.start()
        assert volume("alice") == mine
        # What is somebody else's is no more one's own than it was before.
        with pytest.raises(HomeUnavailableError, match="'eve' instead of 'bob'"):
            volume("bob")


def outcome(hub: Hub, user: str) -> str:
    """Follow a start to its end, as its page does; return ``ready``, or why it failed.

    A server that is ready is stopped, so that who waits for its GPU goes on.
    """
    last = hub.events(user)[-1]
    if last.get("ready"):
        hub.request_stop(user)
        return "ready"
    return str(last["message"]) if last.get("failed") else f"not told: {last}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_an_engine_restarted_amid_twelve_starts_leaves_nothing_and_each_is_told(
    restartable: tuple[Room, PrivateEngine], number: signal.Signals
) -> None:
    room, engine = restartable
    hub = room.hub
    assert hub is not None
    hub.add(*USERS)
    for user in USERS:
        assert hub.request_start(user, {"profile": "well"}).status_code in (201, 202)
    with ThreadPoolExecutor(len(USERS)) as pages:
        told = {user: pages.submit(outcome, hub, user) for user in USERS}
        wait_until(
            lambda: len(room.containers()) >= TURNS, timeout=30, every=0.01, explain=hub.tail
        )
        engine.end(number)
        assert not all(each.done() for each in told.values()), "all was over before the engine was"
        engine.start()
        outcomes = {user: each.result() for user, each in told.items()}
    for words in outcomes.values():
        assert words == "ready" or words.endswith("the admin, whose log says why."), outcomes
    room.wait_nothing_left()
    assert room.tickets() == ()
    for user in USERS:
        hub.wait_stopped(user)

    # Every turn can be had, all at once.
    for user in USERS[:TURNS]:
        hub.request_start(user, {"profile": "hangs"})
    wait_until(
        lambda: [c.status for c in room.containers()] == ["running"] * TURNS,
        timeout=30,
        explain=hub.tail,
    )
    for user in USERS[:TURNS]:
        hub.request_stop(user)
    room.wait_nothing_left()
    hub.start_server(USERS[0], {"profile": "well"})
    hub.stop_server(USERS[0])
    room.wait_nothing_left()
