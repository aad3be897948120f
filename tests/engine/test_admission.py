"""A class starts at once: boots take turns, and nobody fails."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.engine.conftest import Room

pytestmark = pytest.mark.engine

#: Seconds that a boot takes at least: long enough that others wait meanwhile.
BOOT = 2
SLOW = ["sh", "-c", f"sleep {BOOT}; exec python3 -m http.server 8888"]


def moment(text: str) -> datetime:
    """Return a time of the engine's, which has up to nine digits: Python takes six."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}")


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
    for user in users:
        hub.wait_ready(user)
    attrs = [c.attrs for c in room.containers()]
    created = sorted(moment(each["Created"]) for each in attrs)
    started = sorted(moment(each["State"]["StartedAt"]) for each in attrs)
    # The engine's own times: the third is made only once one of the first two answers.
    gaps = [
        (made - began).total_seconds() for began, made in zip(started[:3], created[2:], strict=True)
    ]
    assert min(gaps) >= BOOT, gaps
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
