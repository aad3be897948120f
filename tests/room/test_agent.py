"""The agent in its container: it tells of GPUs and of their use, and students cannot ask it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.accounting import BOOT_ID
from cli.student import Student
from engine import cgroups
from room import accounting, used
from room.gpus import inventory, use
from room.gpus.use import ServerUse
from room.models import Owner
from room.used import Amounts
from tests.utils.room import ComposedRoom
from tests.utils.wait import wait_until

pytestmark = pytest.mark.room

#: Asks the agent as the hub does, from the hub's own container.
ASK = (
    "import pathlib, sys, urllib.request as web\n"
    "token = pathlib.Path(sys.argv[2]).read_text().strip() if len(sys.argv) > 2 else ''\n"
    "asked = web.Request('http://agent:8010' + sys.argv[1],\n"
    "                    headers={'Authorization': 'Bearer ' + token})\n"
    "print(web.urlopen(asked, timeout=10).read().decode())\n"
)
KNOCK = (
    "import socket, sys\n"
    "for host in sys.argv[1:]:\n"
    "    try:\n"
    "        socket.create_connection((host, 8010), 3).close(); print('open', host)\n"
    "    except OSError: pass\n"
)


def ask(room: ComposedRoom, path: str, *, token: bool = True) -> str:
    secret = room.data_root / "state" / "secrets" / "agent_token"
    code, said = room.service("hub").exec_run(
        ["python", "-c", ASK, path, *([str(secret)] if token else [])]
    )
    assert code == 0, said.decode()
    return str(said.decode())


def marks(room: ComposedRoom) -> Path:
    return room.data_root / "state" / "agent" / "simulated.json"


def known_to_the_hub(room: ComposedRoom) -> dict[str, str]:
    """Return the health of each unit, as the hub heard of it last."""
    read = inventory.file_reader(room.data_root / "state" / "inventory.json")
    return {unit.uuid: unit.health for unit in read().units}


def counted(room: ComposedRoom, user: str) -> Amounts | None:
    """Return what a user's servers have used, as far as the hub has written it."""
    store = room.store()
    try:
        with store.read() as connection:
            days = used.by_day(connection)
    finally:
        store.close()
    return next((each for (who, *_), each in days.items() if who == user), None)


@pytest.fixture
def room(running_room: ComposedRoom) -> Iterator[ComposedRoom]:
    """The running room; what a test marked is taken back, and the hub has heard of it."""
    yield running_room
    marks(running_room).unlink(missing_ok=True)
    wait_until(lambda: set(known_to_the_hub(running_room).values()) == {"ok"}, timeout=20)


def test_the_agent_tells_of_the_rooms_gpus(room: ComposedRoom) -> None:
    found = inventory.loads(ask(room, "/v1/inventory"))
    assert found.units == inventory.simulated(4).units


def test_the_hub_hears_of_a_card_that_fell_ill_and_of_its_recovery(room: ComposedRoom) -> None:
    ill = inventory.simulated_uuid(3)
    marks(room).write_text(json.dumps({ill: {"health": "sick", "why": "Xid 79"}}))
    wait_until(lambda: known_to_the_hub(room)[ill] == "sick", timeout=20, explain=room.logs)
    marks(room).unlink()
    wait_until(lambda: known_to_the_hub(room)[ill] == "ok", timeout=20, explain=room.logs)


def test_a_driver_that_fails_makes_every_unit_unknown_and_drops_none(room: ComposedRoom) -> None:
    marks(room).write_text('{"problem": "mismatch"}')
    wait_until(lambda: set(known_to_the_hub(room).values()) == {"unknown"}, timeout=20)
    assert len(known_to_the_hub(room)) == 4
    assert "torchroom_agent_nvml_up 0.0" in ask(room, "/metrics", token=False)


def test_metrics_are_answered_without_a_token_and_inventory_is_not(room: ComposedRoom) -> None:
    text = ask(room, "/metrics", token=False)
    assert text.count("torchroom_gpu_unit_info{") == 4
    with pytest.raises(AssertionError, match="401"):
        ask(room, "/v1/inventory", token=False)


def test_who_uses_a_card_is_told_and_no_student_can_ask(room: ComposedRoom) -> None:
    agent = room.service("agent").attrs["NetworkSettings"]["Networks"]
    addresses = [network["IPAddress"] for network in agent.values()]
    assert addresses
    uuid = inventory.simulated_uuid(0)

    async def work() -> tuple[Any, str]:
        async with Student(room.address) as student:
            await student.log_in(room.token("asker"), "asker")
            await student.server().ready({"profile": "cpu"})
            (container,) = room.containers("asker")
            marks(room).write_text(json.dumps({uuid: {"servers": {"asker": 900, "eve": 1}}}))
            found = await asyncio.to_thread(
                wait_until, lambda: use.loads(ask(room, "/v1/use")).servers, timeout=20
            )
            code, output = container.exec_run(["python3", "-c", KNOCK, "agent", *addresses])
            assert code == 0, output
            assert found == (ServerUse(Owner("asker"), container.id, 1, {uuid: 900}),)
            assert "torchroom_gpu_strangers" in ask(room, "/metrics", token=False)
            await student.server().stop()
            return found, str(output.decode())

    _, reached = asyncio.run(work())
    assert reached == ""
    # Its boot and its end were counted, from the counters that only the agent can see.
    amounts = wait_until(lambda: counted(room, "asker"), timeout=30, explain=room.logs)
    assert 0.3 < amounts.cpu < 60, "CPU-seconds of a boot"
    assert amounts.memory / amounts.seen > 30 * 1024**2
    (row,) = csv.DictReader(io.StringIO(room.run("usage", "--user", "asker", "--csv").stdout))
    assert float(row["CPU-hours used"]) == pytest.approx(amounts.cpu / 3600, abs=0.0001)
    assert float(row["Hours unseen"]) < 0.003


def test_what_containers_use_is_told_as_the_host_counts_it(room: ComposedRoom) -> None:
    hub = room.service("hub").id
    (told,) = (
        each
        for each in accounting.loads(ask(room, "/v1/accounting"))
        if each.container == hub and each.at > datetime.now(timezone.utc) - timedelta(minutes=1)
    )
    (group,) = (each for each in cgroups.groups() if each.container == hub)
    assert told.life == f"{group.number}@{BOOT_ID.read_text().strip()}"
    counted = group.cpu()
    assert counted is not None
    assert 0 <= counted - told.cpu < 2


def test_processes_of_the_host_are_seen_by_their_cgroups(room: ComposedRoom) -> None:
    """What NVML names is a PID of the host: the agent has to find a container behind it."""
    hub = room.service("hub")
    look = (
        "import sys\n"
        "from agent.processes import cgroup_of, container_ids\n"
        "print(*container_ids(cgroup_of(int(sys.argv[1]))))\n"
    )
    code, said = room.service("agent").exec_run(
        ["python", "-c", look, str(hub.attrs["State"]["Pid"])]
    )
    assert code == 0, said
    assert hub.id in said.decode().split()


def test_an_agent_that_is_down_is_started_by_the_hub(room: ComposedRoom) -> None:
    room.service("agent").stop(timeout=5)
    # It has left to the next one what it knows of containers, and that tells it.
    left = accounting.loads((marks(room).parent / "accounting.json").read_text())
    assert room.service("hub").id in {each.container for each in left}
    wait_until(
        lambda: room.service("agent").attrs["State"].get("Health", {}).get("Status") == "healthy",
        timeout=60,
        explain=room.logs,
    )
    assert inventory.loads(ask(room, "/v1/inventory")).units == inventory.simulated(4).units


def test_once_prints_the_same_as_json(room: ComposedRoom) -> None:
    code, said = room.service("agent").exec_run(["python", "-m", "agent", "--once"])
    assert code == 0, said
    found = json.loads(said)
    assert inventory.from_dict(found["inventory"]).units == inventory.simulated(4).units
    assert found["use"]["problem"] == ""
