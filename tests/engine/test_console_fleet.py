"""What the console asks a real hub of GPUs in an admin's name, and what the audit says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from agent.gpus import Options, sampler
from console import hub as consoles
from console.fleet import Asked, asked
from room.doctor.checkup import ROOM, checkup
from room.doctor.live import Live
from room.settings import Settings
from room.store.tables import audit
from tests.engine.conftest import Room, running_agent
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

ORIGIN = "console page 10.0.0.7"
PROFILES = [
    {"display_name": "GPU", "slug": "gpu", "default": True, "spawner_override": {"gpus": 1}}
]


def ask(hub: Hub, login: str, what: Callable[[consoles.Hub, str], Awaitable[Any]]) -> Any:
    """Ask with a token of somebody's that may do no more than the console's."""
    made = hub.http.post(f"/users/{login}/tokens", json={"scopes": ["admin:servers"]})
    token = made.json()["token"]

    async def asked() -> Any:
        api = f"http://127.0.0.1:{hub.port}/hub/api"
        client = consoles.Hub(api, "/services/console/", "unused", "service-console")
        try:
            return await what(client, token)
        finally:
            await client.close()

    return asyncio.run(asked())


def change(hub: Hub, wanted: Asked) -> None:
    ask(hub, "root", lambda client, token: client.change_fleet(token, wanted, ORIGIN))


def test_an_admin_sees_and_changes_the_units(room: Room) -> None:
    admins = {"Authenticator": {"admin_users": ["root"]}}
    hub = room.open(gpus=1, traits={"profile_list": PROFILES, "lease": 3600}, more=admins)
    hub.add("root", "alice")
    hub.start_server("alice", {"profile": "gpu"})
    (unit,) = ask(hub, "root", lambda client, token: client.fleet(token)).units
    assert (unit.holder, unit.ready, unit.health) == ("alice", True, "ok")
    assert unit.ends is not None

    change(hub, asked("quarantine", unit.uuid, "fan"))
    (unit,) = ask(hub, "root", lambda client, token: client.fleet(token)).units
    assert (unit.health, unit.why, unit.holder) == ("quarantined", "fan", "alice")

    change(hub, asked("release", unit.lease))
    hub.wait_stopped("alice")
    with room.store.read() as connection:
        done = {(row.actor, row.action, row.origin) for row in connection.execute(select(audit))}
    assert done == {("root", action, ORIGIN) for action in ("gpu-quarantined", "lease-release")}
    with pytest.raises(ValueError, match="has ended already"):
        change(hub, asked("release", unit.lease))


def test_a_start_that_waits_ends_in_words_when_its_place_is_taken_away(room: Room) -> None:
    admins = {"Authenticator": {"admin_users": ["root"]}}
    hub = room.open(gpus=1, traits={"profile_list": PROFILES}, more=admins)
    hub.add("root", "alice", "bob", "carol")
    hub.start_server("alice", {"profile": "gpu"})
    for user in ("bob", "carol"):
        assert hub.request_start(user, {"profile": "gpu"}).status_code == 202
        wait_until(
            lambda user=user: user in [ticket.owner.user for ticket in room.tickets()],
            timeout=20,
            explain=hub.tail,
        )
    bob, carol = ask(hub, "root", lambda client, token: client.fleet(token)).queue
    assert (bob.user, carol.user) == ("bob", "carol")
    change(hub, asked("dequeue", bob.ticket))
    assert "An admin took you out of the queue for a GPU." in hub.wait_failed("bob")
    assert [ticket.owner.user for ticket in room.tickets()] == ["carol"]
    with room.store.read() as connection:
        row = connection.execute(select(audit).where(audit.c.action == "queue-remove")).one()
    assert (row.actor, row.subject, row.origin) == ("root", "bob", ORIGIN)
    with pytest.raises(ValueError, match="does not wait any more"):
        change(hub, asked("dequeue", bob.ticket))
    hub.request_stop("alice")
    hub.wait_ready("carol")


def test_doctor_s_page_is_told_what_hub_agent_and_engine_know(room: Room) -> None:
    admins = {"Authenticator": {"admin_users": ["root"]}}
    looks = sampler(Options(simulate=2), listen=False)
    looks.start()
    with running_agent(room.directory, looks) as agent:
        hub = room.open(traits={**agent, "inventory_file": ""}, more=admins)
        hub.add("root")

        def told() -> Live:
            return ask(hub, "root", lambda client, token: client.live(token))

        known = wait_until(
            lambda: (found := told()).compared_at is not None and len(found.units) == 2 and found,
            timeout=30,
            explain=hub.tail,
        )
        assert known.engine.answer == "yes"
        assert known.engine.version == room.client.version()["Version"]
        assert known.host is not None
        assert known.host.gpus.simulated == 2
        assert known.host.data is not None
        assert known.host.data.free > 0
        assert known.machine.memory > 0
        assert (known.silent, known.doubled) == ("", ())
        assert {"agent", "leases"} <= {
            each.id for each in checkup(known, None, Settings()).now[ROOM]
        }
    looks.stop()
    silent = told()
    assert silent.host is None
    assert silent.silent
    assert checkup(silent, None, Settings()).count("fatal") == 1
