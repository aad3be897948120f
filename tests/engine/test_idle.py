"""Servers in which nobody works and nothing runs are warned, then ended; all others are not.

Hub, idle culler, agent, containers and their CPU time are real; JupyterLab is a stub.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from agent.known import Known
from agent.servers import lister
from agent.simulated import SimulatedSource
from agent.snapshot import Sampler
from engine import cgroups
from tests.engine.conftest import Room, running_agent
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

SOCKET = "/var/run/docker.sock"
#: Seconds; a server is warned after half of them.
LIMIT = 16
WARNING = (
    "Nobody has worked in this server, and nothing has run in it, for 8 s. "
    "It stops in 8 s unless you say that you are there. Your files are kept."
)
END = (
    f"Nobody had worked in it, and nothing had run in it, for {LIMIT} s. "
    "Your files are in your home; start again to go on."
)


def ask(room: Room, hub: Hub, user: str, what: str = "", method: str = "GET") -> dict[str, Any]:
    """Ask the hub as a server itself does, with its own token."""
    environment = dict(
        each.partition("=")[::2] for each in room.container(user).attrs["Config"]["Env"]
    )
    answer = httpx.request(
        method,
        f"http://127.0.0.1:{hub.port}/hub/room/lease{what}",
        headers={"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def hub(room: Room) -> Iterator[Hub]:
    sampler = Sampler(
        SimulatedSource(0), Known(), servers=lister(SOCKET, room.name), cpu=cgroups.reader()
    )
    sampler.start()
    with running_agent(room.directory, sampler) as agent:
        yield room.open(traits={**agent, "idle": LIMIT})
    sampler.stop()


def test_the_idle_end_and_who_computes_or_is_there_does_not(room: Room, hub: Hub) -> None:
    hub.add("idle", "trains", "reads")
    for user in ("idle", "trains", "reads"):
        hub.start_server(user)
    # A training whose page was closed: nobody asks for anything, and a core is at work.
    room.container("trains").exec_run(["python3", "-c", "while True: pass"], detach=True)
    environment = room.container("idle").attrs["Config"]["Env"]
    assert "JUPYTERHUB_ACTIVITY_INTERVAL=60" in environment

    def warned(user: str) -> dict[str, Any]:
        def told() -> Any:
            return ask(room, hub, user)["notices"]

        (notice,) = wait_until(told, timeout=60, explain=hub.tail)
        found: dict[str, Any] = notice
        return found

    first = warned("reads")
    assert (first["text"], first["action"]) == (WARNING, "stay")
    assert ask(room, hub, "reads", "/stay", "POST")["notices"] == []

    hub.wait_stopped("idle")
    end = room.last_end("idle")
    assert end is not None
    assert (end.why, end.asked) == (END, False)
    assert room.container("reads").status == "running", "who said so has as long as ever again"

    assert warned("reads")["id"] != first["id"]
    assert ask(room, hub, "reads", "?here=1")["notices"] == [], "somebody used the page"
    assert room.container("trains").status == "running"
    assert ask(room, hub, "trains")["notices"] == []
    log = hub.log.read_text()
    assert "Server of idle is idle and is warned" in log
    assert "Server of trains is idle" not in log
