"""What the console asks a real hub of GPUs in an admin's name, and what the audit says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from console import hub as consoles
from room.store.tables import audit
from tests.engine.conftest import Room
from tests.utils.hub import Hub

pytestmark = pytest.mark.engine

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


def test_an_admin_sees_and_changes_the_units(room: Room) -> None:
    admins = {"Authenticator": {"admin_users": ["root"]}}
    hub = room.open(gpus=1, traits={"profile_list": PROFILES, "lease": 3600}, more=admins)
    hub.add("root", "alice")
    hub.start_server("alice", {"profile": "gpu"})
    (unit,) = ask(hub, "root", lambda client, token: client.fleet(token)).units
    assert (unit.holder, unit.ready, unit.health) == ("alice", True, "ok")
    assert unit.ends is not None

    body = {"unit": unit.uuid, "why": "fan"}
    ask(hub, "root", lambda client, token: client.change_fleet(token, "quarantine", body))
    (unit,) = ask(hub, "root", lambda client, token: client.fleet(token)).units
    assert (unit.health, unit.why, unit.holder) == ("quarantined", "fan", "alice")

    lease = {"lease": unit.lease}
    ask(hub, "root", lambda client, token: client.change_fleet(token, "release", lease))
    hub.wait_stopped("alice")
    with room.store.read() as connection:
        done = [(row.actor, row.action) for row in connection.execute(select(audit))]
    assert ("root", "lease-release") in done
    assert {actor for actor, _action in done} == {"root"}
    with pytest.raises(ValueError, match="has ended already"):
        ask(hub, "root", lambda client, token: client.change_fleet(token, "release", lease))
