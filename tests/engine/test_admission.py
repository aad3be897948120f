"""A class starts at once: boots take turns, and nobody fails."""

from __future__ import annotations

import pytest

from tests.engine.conftest import Room
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

#: Long enough to boot that others wait meanwhile.
SLOW = ["sh", "-c", "sleep 2; exec python3 -m http.server 8888"]


def test_six_students_boot_two_at_a_time_and_are_told_their_place(room: Room) -> None:
    hub = room.open(traits={"boot_slots": 2, "cmd": SLOW})
    users = [f"s{number}" for number in range(6)]
    hub.add(*users)
    for user in users:
        assert hub.request_start(user).status_code == 202
    places = [event["turn"]["position"] for event in hub.follow(users[-1]) if event.get("turn")]
    assert places == sorted(places, reverse=True)
    assert places[-1] == 1

    for user in users:
        hub.wait_ready(user)
    began = {c.labels["torchroom.user"]: c.attrs["Created"] for c in room.containers()}
    assert sorted(users, key=lambda user: began[user]) == users, "first come, first served"
    for user in users:
        hub.request_stop(user)
    room.wait_nothing_left()


def test_no_more_boot_at_once_than_there_are_turns(room: Room) -> None:
    hub = room.open(traits={"boot_slots": 2, "cmd": SLOW})
    users = [f"s{number}" for number in range(5)]
    hub.add(*users)
    for user in users:
        hub.request_start(user)
    most = 0

    def all_ready() -> bool:
        nonlocal most
        # Asked for before the containers: a server that gets ready in between counts as booting
        # no more, and one that begins to boot in between has its turn.
        ready = {user for user in users if (hub.model(user) or {}).get("ready")}
        most = max(most, len({c.labels["torchroom.user"] for c in room.containers()} - ready))
        return len(ready) == len(users)

    wait_until(all_ready, timeout=60, every=0.05, explain=hub.tail)
    assert most <= 3, "two that boot, and at most one that was ready since it was asked for"
    for user in users:
        hub.request_stop(user)
    room.wait_nothing_left()


def test_a_start_for_which_the_host_has_no_memory_waits_in_words(room: Room) -> None:
    hub = room.open(traits={"memory_reserve": "100T"})
    hub.add("alice")
    assert hub.request_start("alice").status_code == 202
    event = next(event for event in hub.follow("alice") if event.get("turn"))
    assert event["turn"]["lacking"] > 90 * 1024**4
    assert event["message"].startswith("The host lacks ")
    assert not room.containers()
    hub.stop_server("alice")
    room.wait_nothing_left()
