"""What a person's own page shows, as the hub tells it of a server that runs on a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.conftest import Room, running_agent
from tests.utils.hub import Hub

pytestmark = pytest.mark.engine

PROFILES = [
    {"display_name": "CPU", "slug": "cpu", "default": True},
    {"display_name": "Two GPUs", "slug": "gpu", "spawner_override": {"gpus": 2}},
]


@pytest.fixture
def hub(room: Room, tmp_path: Path) -> Iterator[Hub]:
    with running_agent(tmp_path) as agent:
        traits = {"profile_list": PROFILES, "lease": 3600, **agent}
        yield room.open(gpus=2, traits=traits)


def own(hub: Hub, user: str, what: str, **body: Any) -> httpx.Response:
    """Ask in somebody's own name, with a token that may do no more than the console's."""
    scopes = ["read:users!user"]
    made = hub.http.post(f"/users/{user}/tokens", json={"scopes": scopes, **body})
    token = made.json()["token"]
    return httpx.get(
        f"http://127.0.0.1:{hub.port}/hub/api/room/own/{what}",
        headers={"Authorization": f"token {token}"},
        timeout=30,
    )


def test_one_s_own_servers_and_home_are_told_to_oneself(hub: Hub) -> None:
    hub.add("alice", "bob")
    assert own(hub, "alice", "servers").json() == {"servers": []}
    hub.start_server("alice", {"profile": "gpu"})
    (server,) = own(hub, "alice", "servers").json()["servers"]
    assert (server["name"], server["profile"], server["ready"]) == ("", "Two GPUs", True)
    assert len(server["units"]) == 2
    assert server["image"]
    assert server["started"] < server["ends"]
    assert server["url"].endswith("/user/alice/")
    home = own(hub, "alice", "home").json()
    assert home["silent"] is False
    assert home["home"]["used"] is not None
    # What is hers is not his, and nobody's who asks for another thing.
    assert own(hub, "bob", "servers").json() == {"servers": []}
    assert own(hub, "bob", "home").json()["home"] is None
    assert own(hub, "alice", "home", scopes=["access:servers!user"]).status_code in (403, 404)
    hub.stop_server("alice")
    assert own(hub, "alice", "servers").json() == {"servers": []}
