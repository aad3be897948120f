"""What the hub knows from the engine's events, and how it knows when the stream is at fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from room import usage
from room.datasets.model import EVERYONE
from room.people import People
from tests.engine.conftest import Room
from tests.engine.test_sessions import ask_lease
from tests.utils.faulty_engine import FaultyEngine
from tests.utils.hub import Hub
from tests.utils.published import Library
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

EVENTS = r"GET /events"
#: Nobody would look before the next poll, but for the events and the lists that mend them.
SELDOM = {"Spawner": {"poll_interval": 600}}


def asked_of(engine: FaultyEngine, container: str, since: int = 0) -> list[str]:
    """Return the requests that name a container, from the number ``since`` on."""
    return [line for line in engine.requests[since:] if container in line]


def test_a_start_is_three_calls_and_a_server_that_runs_is_none(
    room: Room, engine: FaultyEngine, agent: dict[str, str], tmp_path: Path
) -> None:
    library = Library.of(room.store, tmp_path)
    hub = room.open(engine=engine, traits={**agent, "datasets_directory": str(library.shelf.root)})
    hub.add("alice", "bob")
    # A class's folder is no call more: it comes with the home, and is mounted without a volume.
    People(room.store).add("alice", ["ml101"])
    # Nor is a dataset.
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("a\n")
    library.publish("words", tmp_path / "words", classes=[EVERYONE])
    hub.start_server("alice")
    calls = [re.sub(r"[0-9a-f]{64}", "<id>", line) for line in engine.requests]
    first = next(n for n, line in enumerate(calls) if "/volumes/create" in line)
    name = room.container("alice").name
    # The last one asks for the address: a hub in a container uses the name instead.
    assert calls[first : first + 4] == [
        "POST /volumes/create",
        f"POST /containers/create?name={name}",
        "POST /containers/<id>/start",
        "GET /containers/<id>/json",
    ]
    seen = len(engine.requests)
    container = room.container("alice")
    mounted = {mount["Destination"] for mount in container.attrs["Mounts"]}
    assert {"/class/ml101", "/datasets/words"} <= mounted
    # Since when it runs was told by the event of its start, and so the ledger knows it, too.
    assert ask_lease(room, hub, "alice").status_code == 200
    with room.store.read() as connection:
        assert set(usage.running(connection)) == {container.id}
    hub.start_server("bob")
    hub.stop_server("bob")
    # The hub polled every second meanwhile.
    assert asked_of(engine, container.id, seen) == asked_of(engine, container.name, seen) == []
    hub.stop_server("alice")
    room.wait_nothing_left()


def open_room(room: Room, engine: FaultyEngine) -> Hub:
    hub = room.open(gpus=1, traits={"gpus": 1}, engine=engine, more=SELDOM)
    hub.add("alice")
    hub.start_server("alice")
    return hub


def test_what_happened_while_the_stream_was_cut_is_found_when_it_is_back(
    room: Room, engine: FaultyEngine
) -> None:
    hub = open_room(room, engine)
    engine.fault(EVENTS, "refuse")
    assert engine.cut(EVENTS) == 1
    room.container("alice").remove(force=True)
    engine.heal()
    hub.wait_stopped("alice")
    room.wait_nothing_left()


def test_events_that_come_late_are_noticed_and_what_they_hid_is_found(
    room: Room, engine: FaultyEngine
) -> None:
    engine.fault(EVENTS, "late")
    hub = open_room(room, engine)
    room.container("alice").remove(force=True)
    hub.wait_stopped("alice")
    assert "The engine's events come late" in hub.log.read_text()
    room.wait_nothing_left()


def test_events_that_come_twice_change_nothing(room: Room, engine: FaultyEngine) -> None:
    engine.fault(EVENTS, "twice")
    hub = open_room(room, engine)
    hub.stop_server("alice")
    room.wait_nothing_left()
    hub.start_server("alice")
    room.container("alice").kill()
    hub.wait_stopped("alice")
    room.wait_nothing_left()
    assert hub.log.read_text().count("Server of alice ended") == 1


def test_an_engine_that_was_away_forgets_nobody(room: Room, engine: FaultyEngine) -> None:
    hub = open_room(room, engine)
    container = room.container("alice").id
    down = engine.fault(r".*", "drop")
    engine.cut(EVENTS)
    assert down.seen.wait(20), "the stream is asked for again"
    engine.heal()
    # It is told of again once the stream stands.
    wait_until(lambda: engine.cut(EVENTS) == 1, timeout=20, explain=hub.tail)
    assert hub.model("alice")["ready"]
    assert room.container("alice").id == container
    room.container("alice").kill()
    hub.wait_stopped("alice")
    room.wait_nothing_left()


def test_a_hub_killed_amid_twenty_starts_knows_each_of_them_afterwards(
    room: Room, engine: FaultyEngine
) -> None:
    turns, made = 3, 10
    hub = room.open(gpus=20, traits={"gpus": 1, "boot_slots": turns}, engine=engine)
    users = [f"s{number:02d}" for number in range(20)]
    hub.add(*users)
    for user in users:
        hub.request_start(user)
    wait_until(lambda: len(room.containers()) >= made, timeout=60, every=0.01, explain=hub.tail)
    hub.kill()
    hub.start()

    def settled() -> set[str] | None:
        """Return whose servers run, once hub, engine and leases say the same of all twenty."""
        models = {user: hub.model(user) for user in users}
        known = {user for user, model in models.items() if model}
        containers = room.containers()
        running = {c.labels["torchroom.user"] for c in containers if c.status == "running"}
        leased = {lease.owner.user for lease in room.leases()}
        ready = all(model["ready"] and not model["pending"] for model in models.values() if model)
        return (
            known
            if ready and known == running == leased and len(containers) == len(known)
            else None
        )

    known = wait_until(settled, timeout=120, explain=hub.tail)
    # A turn is held until the server answers: of those that were made, all others had answered.
    assert len(known) >= made - turns, f"{len(known)} of {len(users)} are left: {sorted(known)}"
    for user in known:
        hub.request_stop(user)
    room.wait_nothing_left()
