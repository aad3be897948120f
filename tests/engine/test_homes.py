"""Homes on a real btrfs: the limit holds inside a container, and a full home locks nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
import pytest

from room import names
from room.homeuse import HomeUse, loads
from room.plans.keys import KEYS
from spawner.home_traits import RESCUE_TMPFS
from tests.engine.conftest import Room, opened, running_agent
from tests.utils.loopdisk import btrfs, needs_btrfs
from tests.utils.wait import wait_until

pytestmark = [pytest.mark.engine, needs_btrfs]

MB = 1000**2
#: Of somebody who may start nothing of what the room has.
PLAN = {"home_hard": "20M", "profiles": "nothing", "images": "nothing:*"}
#: btrfs counts what is on the disk; without this a write gets there within a minute.
WRITTEN = "sync -f /home/jovyan"
WRITE_80_MB = "head -c 80000000 /dev/zero > /home/jovyan/data.bin"


@dataclass
class Limited:
    """A room whose homes hold 40 MB, and are asked to be tidied from 30 MB on."""

    room: Room
    homes: Path
    agent: dict[str, str]

    def use(self, user: str) -> HomeUse:
        """Ask the agent, which measures anew what it measured a minute ago."""
        answer = httpx.get(
            f"{self.agent['agent_url']}/v1/homes/{user}/usage?patience=5",
            headers={"Authorization": f"Bearer {Path(self.agent['agent_token_file']).read_text()}"},
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        return loads(answer.text)

    def sh(self, user: str, command: str) -> tuple[int, str]:
        done = self.room.container(user).exec_run(["sh", "-c", command], user="1000:100")
        return done.exit_code, done.output.decode()


@pytest.fixture(scope="module")
def limited(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, stub_image: str
) -> Iterator[Limited]:
    place = tmp_path_factory.mktemp("homes")
    with (
        btrfs(place) as disk,
        running_agent(place, data_root=disk / "data") as agent,
        opened(client, tmp_path_factory.mktemp("room"), stub_image) as room,
    ):
        profiles = [{"display_name": "GPU", "slug": "gpu", "spawner_override": {"gpus": 1}}]
        limits = {"home_soft": 30 * MB, "home_hard": 40 * MB}
        plans = [{"who": ["user/dave"], "limits": PLAN}]
        traits = {**agent, **limits, "profile_list": profiles, "plans": plans}
        room.open(gpus=1, traits=traits)
        yield Limited(room, disk / "data" / "homes", agent)


def test_a_home_ends_at_its_limit_and_is_still_tidied_and_started(limited: Limited) -> None:
    hub = limited.room.hub
    assert hub is not None
    hub.add("alice")
    hub.start_server("alice", {"profile": "gpu"})
    code, said = limited.sh("alice", WRITE_80_MB)
    assert code != 0
    assert "quota" in said.lower()
    found = limited.use("alice")
    assert (found.hard, found.soft, found.exact, found.enforced) == (40 * MB, 30 * MB, True, True)
    assert found.used is not None
    assert 38 * MB < found.used <= 40 * MB
    assert found.largest[0][0] == "data.bin"
    hub.stop_server("alice")

    hub.start_server("alice", {"rescue": "1"})
    container = limited.room.container("alice")
    host = container.attrs["HostConfig"]
    assert host["Memory"] == 1024**3
    assert host["CpuQuota"] == 100_000
    assert host["Tmpfs"] == RESCUE_TMPFS
    assert not host["DeviceRequests"]
    assert "ROOM_RESCUE=1" in container.attrs["Config"]["Env"]
    tidy = f"rm /home/jovyan/data.bin && echo kept > /home/jovyan/a && {WRITTEN}"
    assert limited.sh("alice", tidy)[0] == 0
    hub.stop_server("alice")
    assert (limited.use("alice").used or 0) < MB


def test_who_is_near_the_limit_is_told_in_their_server(limited: Limited) -> None:
    hub = limited.room.hub
    assert hub is not None
    hub.add("bob")
    hub.start_server("bob", {"rescue": "1"})
    token = limited.sh("bob", "printenv JUPYTERHUB_API_TOKEN")[1].strip()

    def notices() -> list[dict[str, str]]:
        answer = httpx.get(
            f"http://127.0.0.1:{hub.port}/hub/room/lease",
            headers={"Authorization": f"token {token}"},
            timeout=20,
        )
        found: list[dict[str, str]] = answer.json()["notices"]
        return found

    write = f"head -c 35000000 /dev/zero > /home/jovyan/a && {WRITTEN}"
    assert limited.sh("bob", write)[0] == 0
    assert (limited.use("bob").used or 0) > 30 * MB
    told = wait_until(notices, timeout=30)
    assert told[0]["text"].startswith("Your home holds 33.")
    hub.stop_server("bob")


def test_the_plans_limit_is_the_homes_and_no_plan_keeps_anybody_from_tidying_up(
    limited: Limited,
) -> None:
    hub = limited.room.hub
    assert hub is not None
    hub.add("dave")
    hub.start_server("dave", {"rescue": "1"})
    assert limited.use("dave").hard == KEYS["home_hard"].parse(PLAN["home_hard"])
    hub.stop_server("dave")


def test_a_directory_of_before_is_started_and_measured(limited: Limited) -> None:
    hub = limited.room.hub
    assert hub is not None
    old = limited.homes / names.home_directory("carol")
    old.mkdir(mode=0o777)
    old.chmod(0o777)
    (old / "notes").write_bytes(b"x" * 100_000)
    hub.add("carol")
    hub.start_server("carol", {"rescue": "1"})
    found = limited.use("carol")
    assert (found.exact, found.enforced, found.hard) == (False, False, 40 * MB)
    assert found.used is not None
    assert found.used >= 100_000
    assert "has no hard limit" in hub.tail(200)
    hub.stop_server("carol")
