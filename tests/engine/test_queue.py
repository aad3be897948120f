"""The queue on a real engine: everyone a GPU of their own, and a line that moves by itself."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest

from room.gpus.inventory import dumps, simulated
from room.models import Inventory, Xid
from tests.engine.conftest import Room
from tests.utils.faulty_engine import FaultyEngine
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

PROFILES = [
    {"display_name": "CPU", "slug": "cpu", "default": True},
    {"display_name": "One GPU", "slug": "gpu", "spawner_override": {"gpus": 1}},
    {"display_name": "Two GPUs", "slug": "two", "spawner_override": {"gpus": 2}},
]
#: Seconds within which a unit that came free has to be leased again.
AT_ONCE = 1.0


def waiting(room: Room) -> list[str]:
    return [ticket.owner.user for ticket in room.tickets()]


def holders(room: Room) -> dict[str, str]:
    """Return unit → user of every lease."""
    return {unit: lease.owner.user for lease in room.leases() for unit in lease.units}


def ask_in_turn(room: Room, hub: Hub, users: list[str]) -> None:
    """Let users ask for a GPU one after the other, each once the one before waits."""
    for number, user in enumerate(users, 1):
        assert hub.request_start(user, {"profile": "gpu"}).status_code == 202
        wait_until(lambda number=number: len(waiting(room)) == number, timeout=20, explain=hub.tail)


def seconds_until_served(room: Room, user: str, since: float) -> float:
    wait_until(lambda: user in holders(room).values(), timeout=20, every=0.02)
    return time.monotonic() - since


def test_eight_students_get_eight_units_and_four_more_are_served_in_order(room: Room) -> None:
    hub = room.open(gpus=8, traits={"profile_list": PROFILES})
    users = [f"s{number:02d}" for number in range(12)]
    hub.add(*users)
    for user in users[:8]:
        hub.request_start(user, {"profile": "gpu"})
    for user in users[:8]:
        hub.wait_ready(user)
    assert len(holders(room)) == 8
    seen = {room.container(user).labels["torchroom.gpus"] for user in users[:8]}
    assert seen == set(holders(room)), "containers and leases say the same"

    ask_in_turn(room, hub, users[8:])
    assert waiting(room) == users[8:]
    for leaver, next_one in zip(users[:4], users[8:], strict=True):
        unit = room.container(leaver).labels["torchroom.gpus"]
        # From when the container is gone: ending a server takes its own time.
        hub.request_stop(leaver)
        wait_until(
            lambda leaver=leaver: leaver not in holders(room).values(), timeout=30, every=0.02
        )
        assert seconds_until_served(room, next_one, time.monotonic()) < AT_ONCE
        hub.wait_ready(next_one)
        assert room.container(next_one).labels["torchroom.gpus"] == unit
    assert waiting(room) == []
    for user in users[4:]:
        hub.request_stop(user)
    room.wait_nothing_left()


def test_a_killed_hub_comes_back_with_the_same_line(room: Room) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES})
    users = ["holder", "w1", "w2", "w3", "w4"]
    hub.add(*users)
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, users[1:])
    container = room.container("holder").id

    hub.kill()
    hub.start()
    assert waiting(room) == users[1:]
    for user in users[1:]:
        # The hub asks for each start again by itself.
        wait_until(
            lambda user=user: (hub.model(user) or {}).get("pending") == "spawn",
            timeout=30,
            explain=hub.tail,
        )
    assert waiting(room) == users[1:]
    assert room.container("holder").id == container

    for before, user in itertools.pairwise(users):
        hub.stop_server(before)
        hub.wait_ready(user)
    hub.stop_server("w4")
    room.wait_nothing_left()
    assert waiting(room) == []


def test_a_hub_that_is_stopped_keeps_the_line_too(room: Room) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES})
    hub.add("holder", "w1", "w2")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["w1", "w2"])
    hub.stop()
    assert waiting(room) == ["w1", "w2"]
    hub.start()
    hub.stop_server("holder")
    hub.wait_ready("w1")
    assert waiting(room) == ["w2"]
    hub.stop_server("w2")
    wait_until(lambda: waiting(room) == [], timeout=20, explain=hub.tail)
    hub.stop_server("w1")
    room.wait_nothing_left()


def test_a_container_removed_from_outside_gives_its_unit_to_the_next_at_once(room: Room) -> None:
    # Without the engine's events nobody would look before the next poll.
    hub = room.open(
        gpus=1, traits={"profile_list": PROFILES}, more={"Spawner": {"poll_interval": 600}}
    )
    hub.add("holder", "next")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["next"])
    room.container("holder").remove(force=True)
    assert seconds_until_served(room, "next", time.monotonic()) < AT_ONCE
    hub.wait_ready("next")
    hub.wait_stopped("holder")
    hub.stop_server("next")
    room.wait_nothing_left()


def test_nothing_is_released_while_the_engine_cannot_tell(room: Room, engine: FaultyEngine) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES}, engine=engine)
    hub.add("holder", "next")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["next"])
    rule = engine.fault(r"GET /containers/[^/]+/json", "refuse")
    # Nobody asks about a server of which events tell that it runs; the stop does.
    hub.request_stop("holder")
    assert rule.seen.wait(10), "the stop asks"
    assert list(holders(room).values()) == ["holder"]
    assert waiting(room) == ["next"]
    engine.heal()
    hub.wait_ready("next")
    hub.stop_server("next")
    room.wait_nothing_left()


def test_leaving_the_line_takes_the_ticket_away(room: Room) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES})
    hub.add("holder", "w1", "w2")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["w1", "w2"])
    hub.stop_server("w1")
    wait_until(lambda: waiting(room) == ["w2"], timeout=20, explain=hub.tail)
    hub.stop_server("holder")
    hub.wait_ready("w2")
    hub.stop_server("w2")
    room.wait_nothing_left()


def test_who_waits_reads_the_place_on_the_progress_stream(room: Room) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES})
    hub.add("holder", "w1", "w2")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["w1", "w2"])
    places = []
    for event in hub.follow("w2"):
        place = event.get("waiting")
        if place and place["position"] not in places:
            places.append(place["position"])
            assert place["of"] == 2 - len(places) + 1
            hub.stop_server("holder" if len(places) == 2 else "w1")
    assert places == [2, 1]
    hub.wait_ready("w2")
    hub.stop_server("w2")
    room.wait_nothing_left()


def test_a_start_that_waits_goes_on_without_a_gpu_when_asked(room: Room) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES})
    hub.add("holder", "w1")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["w1"])
    assert hub.to_cpu("w1").status_code == 200
    hub.wait_ready("w1")
    assert room.container("w1").labels.get("torchroom.gpus", "") == ""
    assert waiting(room) == []
    assert hub.saved_options("w1") == {"profile": "cpu"}
    assert hub.to_cpu("w1").status_code == 409
    for user in ("holder", "w1"):
        hub.stop_server(user)
    room.wait_nothing_left()


def test_an_admin_sees_the_line_drains_a_unit_and_takes_one_back(room: Room) -> None:
    hub = room.open(gpus=2, traits={"profile_list": PROFILES})
    hub.add("holder", "w1")
    hub.start_server("holder", {"profile": "gpu"})
    (unit,) = holders(room)
    other = next(each["uuid"] for each in hub.admin("gpus")["units"] if each["uuid"] != unit)
    hub.admin("drain", {"unit": other, "why": "new fan"})
    ask_in_turn(room, hub, ["w1"])
    seen = hub.admin("gpus")
    states = {each["uuid"]: (each["health"], each["why"]) for each in seen["units"]}
    assert states == {unit: ("ok", ""), other: ("drained", "new fan")}
    assert [(each["user"], each["position"]) for each in seen["queue"]] == [("w1", 1)]
    lease = next(each["lease"] for each in seen["units"] if each["lease"])
    assert lease["user"] == "holder"

    hub.admin("release", {"lease": lease["id"]})
    hub.wait_ready("w1")
    hub.wait_stopped("holder")
    end = room.last_end("holder")
    assert end is not None
    assert end.why.startswith("An admin needed its GPU.")
    hub.admin("undrain", {"unit": other, "why": ""})
    hub.start_server("holder", {"profile": "gpu"})
    assert set(holders(room)) == {unit, other}
    for user in ("holder", "w1"):
        hub.stop_server(user)
    room.wait_nothing_left()


def test_a_lease_is_not_taken_back_from_a_server_that_the_engine_does_not_stop(
    room: Room, engine: FaultyEngine
) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES}, engine=engine)
    hub.add("holder", "next")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["next"])
    (lease,) = room.leases()
    engine.fault(r"POST /containers/[^/]+/stop", "refuse")
    answer = hub.ask_admin("release", {"lease": lease.id})
    assert answer.status_code == 409
    assert answer.json()["message"].startswith("The engine did not stop the server")
    assert list(holders(room).values()) == ["holder"]
    engine.heal()
    hub.admin("release", {"lease": lease.id})
    hub.wait_ready("next")
    hub.stop_server("next")
    room.wait_nothing_left()


def test_a_gpu_that_reported_a_fatal_xid_stays_out_until_an_admin_says_otherwise(
    room: Room,
) -> None:
    hub = room.open(gpus=2, traits={"profile_list": PROFILES})
    hub.add("holder", "next")
    hub.start_server("holder", {"profile": "gpu"})
    (ill,) = holders(room)
    container = room.container("holder").id

    def begin_anew(xid: Xid | None) -> str:
        """Let hub and agent begin anew, the one with this report; return the unit's health."""
        units = (
            replace(unit, health="sick", why="Xid 79", xid=xid)
            if unit.uuid == ill and xid
            else unit
            for unit in simulated(2).units
        )
        hub.stop()
        (room.directory / "inventory.json").write_text(dumps(Inventory(tuple(units))))
        hub.start()
        return health()

    def health() -> str:
        found = {each["uuid"]: each["health"] for each in hub.admin("gpus")["units"]}
        return str(found[ill])

    assert begin_anew(Xid(79, "monday")) == "quarantined"
    assert room.container("holder").id == container, "who has it keeps it"
    hub.start_server("next", {"profile": "gpu"})
    assert holders(room)[ill] == "holder"
    assert begin_anew(None) == "quarantined"
    hub.stop_server("holder")
    ask_in_turn(room, hub, ["holder"])
    hub.admin("undrain", {"unit": ill, "why": ""})
    hub.wait_ready("holder")
    assert holders(room)[ill] == "holder"
    assert begin_anew(Xid(79, "monday")) == "sick", "of a report that was answered"
    for user in ("holder", "next"):
        hub.stop_server(user)
    room.wait_nothing_left()


def test_a_place_nobody_looks_at_is_given_up_in_words(room: Room) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES, "queue_api_grace": 2})
    hub.add("holder", "w1")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["w1"])
    wait_until(lambda: hub.model("w1") is None, timeout=60, explain=hub.tail)
    assert waiting(room) == []
    assert "queue-unseen" in hub.log.read_text()
    hub.stop_server("holder")
    room.wait_nothing_left()


def test_a_closed_laptop_keeps_its_place_for_the_grace_of_a_page(room: Room) -> None:
    hub = room.open(gpus=1, traits={"profile_list": PROFILES, "queue_grace": 6})
    hub.add("holder", "w1", "w2")
    hub.start_server("holder", {"profile": "gpu"})
    with hub.browser("w1") as laptop:
        laptop.start({"profile": "gpu"})
        assert laptop.place() == (1, 1)
        assert hub.request_start("w2", {"profile": "gpu"}).status_code == 202
        wait_until(lambda: waiting(room) == ["w1", "w2"], timeout=20, explain=hub.tail)
        # Each look opens the page's stream, and closes it as soon as it has said the place.
        wait_until(lambda: laptop.place() == (1, 2), timeout=20, explain=hub.tail)
    wait_until(lambda: hub.model("w1") is None, timeout=60, explain=hub.tail)
    assert waiting(room) == ["w2"], "who asked over REST has a grace of its own"
    assert "Nobody looked at this page for 6 s" in hub.log.read_text()
    for user in ("w2", "holder"):
        hub.stop_server(user)
    room.wait_nothing_left()


def test_a_lease_that_is_over_ends_its_server_and_the_next_one_starts(room: Room) -> None:
    profiles = [
        PROFILES[0],
        {"display_name": "GPU", "slug": "gpu", "spawner_override": {"gpus": 1, "lease": 5}},
    ]
    hub = room.open(gpus=1, traits={"profile_list": profiles})
    hub.add("holder", "next")
    hub.start_server("holder", {"profile": "gpu"})
    ask_in_turn(room, hub, ["next"])
    hub.wait_ready("next")
    end = room.last_end("holder")
    assert end is not None
    assert end.why.startswith("The time for its GPU was over after")
    hub.wait_stopped("holder")
    room.wait_nothing_left()
