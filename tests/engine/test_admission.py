"""A class starts at once: boots take turns, and nobody fails."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from spawner.admission import host_memory
from tests.engine.conftest import Room
from tests.utils.faulty_engine import FaultyEngine
from tests.utils.hub import Hub

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


def told(hub: Hub, user: str) -> dict[str, Any]:
    """Return the first event that tells somebody their turn."""
    return next(event for event in hub.follow(user) if event.get("turn"))


def test_a_start_for_which_the_host_has_no_memory_waits_in_words(room: Room) -> None:
    # Hub and engine have some of the host's memory, so that all of it is never available.
    total = host_memory().total
    hub = room.open(traits={"memory_reserve": total, "memory_headroom": 0})
    hub.add("alice")
    assert hub.request_start("alice").status_code == 202
    event = told(hub, "alice")
    assert 0 < event["turn"]["lacking"] < total
    assert event["message"].startswith("The host lacks ")
    assert not room.containers()
    hub.stop_server("alice")
    room.wait_nothing_left()


def test_a_start_that_can_never_have_its_memory_is_refused_before_anything_is_made(
    room: Room, engine: FaultyEngine
) -> None:
    hub = room.open(
        gpus=1, traits={"gpus": 1, "memory_reserve": host_memory().total}, engine=engine
    )
    hub.add("alice")
    hub.request_start("alice")
    words = hub.wait_failed("alice")
    assert "a server needs 512 MiB to start" in words
    assert words.endswith("No server can start here until the admin lowers one of the two.")
    assert not [line for line in engine.requests if "create" in line]
    assert not room.leases()


def test_a_second_server_waits_for_memory_until_the_first_is_stopped(room: Room) -> None:
    meminfo = room.directory / "meminfo"

    def available(mib: int) -> None:
        fresh = meminfo.with_suffix(".new")
        fresh.write_text(f"MemTotal: {8 << 20} kB\nMemAvailable: {mib << 10} kB\n")
        fresh.replace(meminfo)

    available(1536)
    hub = room.open(environment={"TEST_MEMINFO": str(meminfo)})
    hub.add("alice", "bob")
    hub.start_server("alice")
    available(1200)
    hub.request_start("bob")
    assert told(hub, "bob")["turn"] == {"position": 1, "of": 1, "lacking": 336 << 20}
    assert [c.labels["torchroom.user"] for c in room.containers()] == ["alice"]
    hub.stop_server("alice")
    available(1536)
    hub.wait_ready("bob")
    hub.stop_server("bob")
    room.wait_nothing_left()


def test_an_image_is_fetched_outside_the_turn_and_what_cannot_be_is_told(
    room: Room, engine: FaultyEngine
) -> None:
    missing = f"{room.name}-image"
    profiles = [
        {"display_name": "Here", "slug": "here", "default": True},
        {"display_name": "Missing", "slug": "missing", "spawner_override": {"image": missing}},
    ]
    traits = {"boot_slots": 1, "profile_list": profiles, "pull_policy": "ifnotpresent"}
    hub = room.open(traits=traits, engine=engine)
    hub.add("alice", "bob", "cy")
    pull = engine.fault("POST /images/create", "hold")
    for user in ("alice", "cy"):
        hub.request_start(user, {"profile": "missing"})
    assert pull.seen.wait(20)
    hub.start_server("bob")
    # It comes, in another way than from a registry.
    room.client.images.get(room.image).tag(missing)
    try:
        pull.action = "agree"
        engine.heal()
        for user in ("alice", "cy"):
            hub.wait_ready(user)
        assert pull.hits == 1, "one pull for both"
        for user in ("alice", "bob", "cy"):
            hub.stop_server(user)
    finally:
        room.client.images.remove(missing)
    engine.fault("POST /images/create", "refuse")
    hub.request_start("alice", {"profile": "missing"})
    assert "The image of this profile is not on the host" in hub.wait_failed("alice")
    room.wait_nothing_left()
