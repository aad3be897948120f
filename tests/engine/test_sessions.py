"""How long a server may run: the time is its container's own, and the hub's life is none of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from room.classes import Classes
from room.people import People
from spawner.exits import docker_time
from tests.engine.conftest import Room
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

#: Ends by itself when it is told to, as JupyterLab does; the stub alone does not.
POLITE = ["sh", "-c", "trap 'exit 0' TERM; python3 -m http.server 8888 & wait"]
#: Seconds between two looks of the hub, and what a busy machine adds to stopping a container.
LOOK, SLACK = 5.0, 5.0
#: The hub knows of a start by its event, which comes a moment after the time that the engine keeps.
A_MOMENT = timedelta(seconds=1)


def started_at(room: Room, user: str) -> datetime:
    return docker_time(room.container(user).attrs["State"]["StartedAt"])


def ask_lease(room: Room, hub: Hub, user: str, method: str = "GET", path: str = "") -> Any:
    """Ask the hub as the server itself does, with its own token."""
    environment = dict(line.split("=", 1) for line in room.container(user).attrs["Config"]["Env"])
    return httpx.request(
        method,
        f"http://127.0.0.1:{hub.port}/hub/room/lease{path}",
        headers={"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"},
        timeout=30,
    )


def test_a_server_on_the_cpu_ends_in_time_though_its_hub_was_killed_meanwhile(room: Room) -> None:
    seconds = 20
    profile = {"display_name": "CPU", "slug": "cpu", "spawner_override": {"session": seconds}}
    hub = room.open(traits={"profile_list": [profile], "cmd": POLITE, "stop_grace": 10})
    hub.add("alice")
    hub.start_server("alice", {"profile": "cpu"})
    container, began = room.container("alice").id, started_at(room, "alice")
    ends = began + timedelta(seconds=seconds)
    said = ask_lease(room, hub, "alice").json()
    told = datetime.fromisoformat(said["ends"])
    assert ends <= told < ends + A_MOMENT
    assert said["units"] == []
    assert said["extend"] is False
    refused = ask_lease(room, hub, "alice", "POST", "/extend")
    words = (
        f"This server can run for {seconds} s at most. Stop the server and start again to go on."
    )
    assert (refused.status_code, refused.json()["message"]) == (409, words)

    hub.kill()
    hub.start()
    assert room.container("alice").id == container
    assert datetime.fromisoformat(ask_lease(room, hub, "alice").json()["ends"]) == told
    end = wait_until(lambda: room.last_end("alice"), timeout=60, explain=hub.tail)
    assert end.why == (
        f"It had run for {seconds} s, as long as it may. "
        "Your files are in your home; start again to go on."
    )
    assert end.exit.code == 0, "it was told to end, and not killed"
    assert -1 <= (end.exit.finished_at - ends).total_seconds() <= LOOK + SLACK
    hub.wait_stopped("alice")
    room.wait_nothing_left()


def test_a_lease_is_kept_longer_up_to_the_session_and_no_further(room: Room) -> None:
    override = {"gpus": 1, "lease": 600, "session": 1200}
    profile = {"display_name": "GPU", "slug": "gpu", "spawner_override": override}
    hub = room.open(gpus=1, traits={"profile_list": [profile]})
    hub.add("alice")
    hub.start_server("alice", {"profile": "gpu"})
    (lease,) = room.leases()
    assert lease.ends_at is not None
    said = ask_lease(room, hub, "alice").json()
    assert datetime.fromisoformat(said["ends"]) == lease.ends_at
    assert said["extend"] is True

    # The second time only a little is left, or nothing at all.
    answers = [ask_lease(room, hub, "alice", "POST", "/extend") for _ in range(3)]
    assert answers[0].status_code == 200
    last = started_at(room, "alice") + timedelta(seconds=1200)
    assert answers[-1].status_code == 409
    assert answers[-1].json()["message"].startswith("This server can run for 20 min at most.")
    said = ask_lease(room, hub, "alice").json()
    end = datetime.fromisoformat(said["ends"])
    assert last - timedelta(seconds=60) < end < last + A_MOMENT
    assert said["why"] == answers[-1].json()["message"]
    hub.stop_server("alice")
    room.wait_nothing_left()


def test_archiving_a_class_ends_the_servers_of_who_is_in_no_other_and_of_nobody_else(
    room: Room,
) -> None:
    profile = {"display_name": "CPU", "slug": "cpu"}
    hub = room.open(traits={"profile_list": [profile], "cmd": POLITE, "stop_grace": 10})
    people = People(room.store)
    people.add("alice", ["ml101"])
    people.add("bob", ["ml101", "nlp"])
    hub.add("alice", "bob")
    for user in ("alice", "bob"):
        hub.start_server(user, {"profile": "cpu"})
    Classes(people).archive("ml101")
    archived = datetime.now(timezone.utc)
    end = wait_until(lambda: room.last_end("alice"), timeout=60, explain=hub.tail)
    assert end.why == "Your time in this room, or your class, is over. Your files are kept."
    assert end.exit.code == 0, "it was told to end, and not killed"
    assert (end.exit.finished_at - archived).total_seconds() <= LOOK + SLACK
    hub.wait_stopped("alice")

    # Who is revoked keeps a server: what it was revoked for may have to be seen.
    people.revoke("bob")
    people.add("carol", until=datetime.now(timezone.utc))
    hub.add("carol")
    assert hub.request_start("carol", {"profile": "cpu"}).status_code in (201, 202)
    wait_until(lambda: room.last_end("carol"), timeout=60, explain=hub.tail)
    hub.wait_stopped("carol")
    assert hub.model("bob")["ready"]
    hub.stop_server("bob")
    room.wait_nothing_left()
