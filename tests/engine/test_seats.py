"""Two servers on the seats of one card: who takes too much is warned, then stopped, alone.

The card is simulated, and what is used of it is as a file says; agent, hub and containers are real.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.known import Known
from agent.servers import lister
from agent.simulated import FILE, SimulatedSource
from agent.snapshot import Sampler
from room.gpus.inventory import simulated_uuid
from room.gpus.seats import Sharing
from tests.engine.conftest import Room, running_agent
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

SOCKET = "/var/run/docker.sock"
SEAT = {
    "display_name": "Seat",
    "slug": "seat",
    "default": True,
    "spawner_override": {"gpus": 1, "gpu_kind": "seat"},
}
#: MiB that each of two seats of a simulated card has, and what is more than that.
SHARE, OVER, WITHIN = 8192, 9216, 8000
PATIENCE, GRACE = 1.0, 6.0


class Shared:
    """A room with one card of two seats, where alice and bob have servers."""

    def __init__(self, room: Room, hub: Hub, marks: Path) -> None:
        self.room = room
        self.hub = hub
        self._marks = marks

    def use(self, alice: int, bob: int = WITHIN) -> None:
        """Let them use so many MiB of the card."""
        beside = self._marks.with_name("new.json")
        used = {"utilisation": 97, "servers": {"alice": alice, "bob": bob}}
        beside.write_text(json.dumps({"0": used}))
        beside.replace(self._marks)

    def lease(self, user: str, language: str = "en") -> dict[str, Any]:
        """Return what a server itself is told of its lease."""
        environment = dict(
            each.partition("=")[::2] for each in self.room.container(user).attrs["Config"]["Env"]
        )
        answer = httpx.get(
            f"http://127.0.0.1:{self.hub.port}/hub/room/lease",
            headers={
                "Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}",
                "Accept-Language": language,
            },
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def warned(self, user: str = "alice") -> dict[str, Any]:
        """Return the notice of a server's, once it has one."""
        notices = wait_until(lambda: self.lease(user)["notices"], timeout=30, explain=self.hub.tail)
        assert len(notices) == 1
        found: dict[str, Any] = notices[0]
        return found


@pytest.fixture
def shared(room: Room, tmp_path: Path) -> Iterator[Shared]:
    marks = tmp_path / FILE
    sampler = Sampler(
        SimulatedSource(1, marks),
        Known(),
        sharing=[Sharing(2, model="Simulated")],
        servers=lister(SOCKET, room.name),
    )
    sampler.start()
    wait_until(sampler.age, timeout=10)
    with running_agent(tmp_path, sampler) as agent:
        traits = {"inventory_file": "", "seat_patience": PATIENCE, "seat_grace": GRACE}
        hub = room.open(traits={**agent, **traits, "profile_list": [SEAT]})
        hub.add("alice", "bob")
        for user in ("alice", "bob"):
            hub.start_server(user)
        made = Shared(room, hub, marks)
        made.use(alice=WITHIN)
        yield made
    sampler.stop()


def test_who_is_over_the_share_is_warned_and_stopped_and_the_neighbour_runs_on(
    shared: Shared,
) -> None:
    room, hub = shared.room, shared.hub
    units = {lease.owner.user: lease.units for lease in room.leases()}
    card = simulated_uuid(0)
    assert sorted(units.values()) == [(f"{card}/1",), (f"{card}/2",)]
    neighbour = room.container("bob").id

    shared.use(alice=OVER)
    notice = shared.warned()
    assert notice["text"].startswith(
        "Your programs use 9.0 GiB of the shared GPU's memory, and your seat has 8.0 GiB. "
        "Free some within 6 seconds, or your server is stopped"
    )
    assert shared.lease("bob")["notices"] == []
    assert shared.lease("bob")["keep"] == 5, "a page hears of a warning within seconds"

    hub.wait_stopped("alice")
    end = room.last_end("alice")
    assert end is not None
    assert end.why == (
        "Your programs used 9.0 GiB of the shared GPU's memory, and your seat has 8.0 GiB. "
        "Your server was stopped, because others share this GPU; your files are safe."
    )
    wait_until(lambda: len(room.leases()) == 1, timeout=30, explain=hub.tail)
    assert room.container("bob").id == neighbour
    assert room.container("bob").status == "running"
    assert shared.lease("bob")["notices"] == []
    log = hub.log.read_text()
    figures = f"it uses {OVER} MiB of GPU {card}, and its seat has {SHARE} MiB"
    assert f"Server of alice is warned: {figures}" in log
    assert f"Server of alice is being stopped: {figures}" in log
    assert "Server of bob" not in log


def test_a_warning_is_in_the_readers_language_and_goes_when_it_is_heeded(shared: Shared) -> None:
    shared.use(alice=OVER)
    shared.warned()
    (notice,) = shared.lease("alice", "zh-CN")["notices"]
    assert "9.0 GiB" in notice["text"]
    assert "Your programs" not in notice["text"]
    shared.use(alice=WITHIN)
    wait_until(lambda: shared.lease("alice")["notices"] == [], timeout=30, explain=shared.hub.tail)
    assert shared.room.container("alice").status == "running"
    assert "being stopped" not in shared.hub.log.read_text()


def test_an_admin_sees_the_use_of_the_card_and_of_each_seats_holder(shared: Shared) -> None:
    def told() -> dict[str, Any] | None:
        units = shared.hub.admin("gpus")["units"]
        found = {unit["lease"]["user"]: unit["use"] for unit in units}
        return found if found["alice"]["held_mib"] == 4096 else None

    shared.use(alice=4096, bob=1024)
    found = wait_until(told, timeout=30, explain=shared.hub.tail)
    assert {user: use.pop("held_mib") for user, use in found.items()} == {
        "alice": 4096,
        "bob": 1024,
    }
    for use in found.values():
        assert use == {
            "utilisation": 97.0,
            "memory_used_mib": 5120,
            "memory_total_mib": 16384,
            "temperature": 30.0,
        }
    assert shared.hub.admin("gpus")["use_problem"] == ""
