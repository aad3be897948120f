"""Two hubs with stub servers: hundreds of real containers in which next to nothing runs.

Hub, proxy and, for ours, the agent are containers of the room's images, as in a room; ours has
the room's own configuration (``stub_config``). A server is an interpreter without its libraries
that answers every request with nothing, so that hundreds fit, and its boot costs
next to nothing, so that what is left is the hub's and the engine's.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import docker
import httpx

from bench.harness import OURS
from bench.stacks import directory, remove_volumes
from cli.errors import Problem
from tests.utils.faulty_engine import FaultyEngine

HERE = Path(__file__).parent
#: Bytes that a stub may take: the least that a room allows, and far more than it does take.
MEMORY = 256 * 1024**2
#: Users that one request makes, and seconds in which a hub has to come up.
AT_ONCE, PATIENCE = 100, 120.0
#: The hub's user in the image.
ROOM_USER = 1100
SOCKET = "/var/run/docker.sock"

STUB = f"""
import _socket
listening = _socket.socket()
listening.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
listening.bind(("0.0.0.0", 8888))
listening.listen(64)
while True:
    answered = _socket.socket(fileno=listening._accept()[0])
    answered.recv(65536)
    answered.send(b"HTTP/1.1 200 OK\\r\\nX-JupyterHub-Version: {version("jupyterhub")}\\r\\n"
                  b"Content-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{{}}")
    answered.close()
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What a hub has used since it began: CPU-seconds; bytes of memory, without the page cache."""

    cpu: float
    memory: int


@dataclass(slots=True)
class Starts:
    """What became of many starts: seconds until ready, by who got there; words of the others."""

    ready: list[float]
    refused: list[str]
    failed: list[str]


class StubHub(AbstractContextManager["StubHub"]):
    """A hub of one contender. ``counted``: its calls to the engine are written down on the way."""

    def __init__(self, key: str, images: Mapping[str, str], *, counted: bool = False) -> None:
        self.key = key
        self.name = "bench" + secrets.token_hex(4)
        self._images = images
        self._client = docker.from_env(timeout=300)
        self._directory = directory()
        self._state = self._directory / "state"
        self._token = secrets.token_hex(16)
        self._socket = Path(SOCKET)
        self._relay: FaultyEngine | None = None
        self._counted = counted
        self._made: dict[str, Any] = {}
        self._networks: list[Any] = []

    # -- its life ----------------------------------------------------------------------------

    def __enter__(self) -> StubHub:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self) -> None:
        secret = self._state / "secrets"
        for path in (secret, self._state / "agent", self._state / "hub", self._directory / "homes"):
            path.mkdir(parents=True)
        for name in ("proxy_token", "agent_token", "hub_token", "crypt_key", "cookie_secret"):
            (secret / name).write_text(secrets.token_hex(32))
            (secret / name).chmod(0o600)
        for path in (self._state, *self._state.rglob("*")):
            os.chown(path, ROOM_USER, ROOM_USER)
        if self._counted:
            self._socket = self._directory / "engine.sock"
            self._relay = FaultyEngine(self._socket, SOCKET)
            self._socket.chmod(0o666)
        network = self._client.networks.create(f"{self.name}-students")
        self._networks.append(network)
        token = (secret / "proxy_token").read_text()
        self._run(
            "proxy",
            self._images["proxy"],
            aliases=["proxy", "proxy-api"],
            command=[
                "--ip=0.0.0.0",
                "--port=8000",
                "--api-ip=0.0.0.0",
                "--api-port=8001",
                "--default-target=http://hub:8081",
                "--error-target=http://hub:8081/hub/error",
            ],
            environment={"CONFIGPROXY_AUTH_TOKEN": token},
        )
        if self.key == OURS:
            self._run_agent()
        self._run_hub()
        self.answering()

    def _run_agent(self) -> None:
        self._run(
            "agent",
            self._images["room"],
            aliases=["agent"],
            command=["python", "-m", "agent"],
            user="0:0",
            environment={
                "ROOM_DATA_ROOT": str(self._directory),
                "ROOM_AGENT_STATE": str(self._state / "agent"),
                "ROOM_CGROUPS": "/host/cgroup",
            },
            volumes={
                str(self._directory): {"bind": str(self._directory), "mode": "rw"},
                "/sys/fs/cgroup": {"bind": "/host/cgroup", "mode": "ro"},
            },
        )

    def _run_hub(self) -> None:
        config = "/opt/bench/stub_config.py"
        ours = ["python", "-m", "spawner.app", "--config", config]
        self._run(
            "hub",
            self._images["room"],
            aliases=["hub"],
            command=ours if self.key == OURS else ["jupyterhub", "--config", config],
            environment={
                "BENCH_WHO": self.key,
                "BENCH_NAME": self.name,
                "BENCH_STATE": str(self._state),
                "BENCH_STUB": STUB,
                "BENCH_IMAGE": self._images["room"],
                "BENCH_MEMORY": str(MEMORY),
                "BENCH_TOKEN": self._token,
            },
            volumes={
                str(self._state): {"bind": str(self._state), "mode": "rw"},
                str(HERE / "stub_config.py"): {"bind": config, "mode": "ro"},
                str(self._socket): {"bind": SOCKET, "mode": "rw"},
            },
            group_add=[str(Path(SOCKET).stat().st_gid)],
        )

    def _run(self, role: str, image: str, *, aliases: Sequence[str], **more: Any) -> None:
        made = self._client.containers.create(
            image, name=f"{self.name}-{role}-1", network_mode="none", **more
        )
        self._made[role] = made
        self._client.networks.get("none").disconnect(made)
        self._networks[0].connect(made, aliases=list(aliases))
        made.start()

    def __exit__(self, *_: object) -> None:
        for container in (*self._made.values(), *self.servers()):
            container.remove(force=True, v=True)
        for network in self._networks:
            network.remove()
        remove_volumes(f"{self.name}-home-")
        if self._relay is not None:
            self._relay.close()
        self._client.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def servers(self) -> list[Any]:
        """Return the containers of its students."""
        mine = {container.id for container in self._made.values()}
        names = {"name": f"^/?{self.name}-"}
        found = self._client.containers.list(all=True, filters=names, ignore_removed=True)
        return [container for container in found if container.id not in mine]

    # -- what is asked of it -----------------------------------------------------------------

    @property
    def address(self) -> str:
        hub = self._made["hub"]
        hub.reload()
        network = hub.attrs["NetworkSettings"]["Networks"][f"{self.name}-students"]
        return f"http://{network['IPAddress']}:8081"

    def answering(self, began: float | None = None) -> float:
        """Return the seconds from ``began`` until it serves a request."""
        began = time.monotonic() if began is None else began
        deadline, url = began + PATIENCE, f"{self.address}/hub/api/"
        with httpx.Client(trust_env=False, timeout=5) as http:
            while time.monotonic() < deadline:
                try:
                    if http.get(url).is_success:
                        return time.monotonic() - began
                except httpx.TransportError:
                    if not self._runs():
                        break
                    time.sleep(0.02)
        log = self._made["hub"].logs(tail=30).decode("utf-8", "replace")
        raise Problem(f"{self.key} did not come up within {PATIENCE:g} s.\n{log}")

    def _runs(self) -> bool:
        self._made["hub"].reload()
        return bool(self._made["hub"].attrs["State"]["Running"])

    def restart(self) -> float:
        """End the hub, start it again, and return the seconds until it serves a request."""
        hub = self._made["hub"]
        hub.stop(timeout=30)
        began = time.monotonic()
        hub.start()
        return self.answering(began)

    def used(self) -> Used:
        stats = self._client.api.stats(self._made["hub"].id, stream=False, one_shot=True)
        memory = stats["memory_stats"]["stats"]
        return Used(
            stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
            # Of the unified hierarchy of cgroups, and of the one before.
            memory["anon"] if "anon" in memory else memory["total_rss"],
        )

    def calls(self) -> int:
        """Return how often the engine was called so far; the stream of events is one call."""
        return len(self._relay.requests) if self._relay is not None else 0

    def requests(self) -> list[str]:
        return list(self._relay.requests) if self._relay is not None else []

    def add(self, users: Iterable[str]) -> None:
        """Make these users."""
        users = list(users)
        with self._http() as http:
            for first in range(0, len(users), AT_ONCE):
                answer = http.post("/users", json={"usernames": users[first : first + AT_ONCE]})
                answer.raise_for_status()

    def start(self, users: Sequence[str]) -> Starts:
        """Ask for everyone's server at the same moment; return when all are ready or refused."""
        return asyncio.run(self._start(users))

    async def _start(self, users: Sequence[str]) -> Starts:
        found = Starts([], [], [])
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(
            base_url=f"{self.address}/hub/api",
            headers=self._headers,
            timeout=httpx.Timeout(600),
            limits=limits,
            trust_env=False,
        ) as http:
            began = time.monotonic()
            await asyncio.gather(*(self._one(http, user, began, found) for user in users))
        return found

    async def _one(self, http: httpx.AsyncClient, user: str, began: float, found: Starts) -> None:
        asked = await http.post(f"/users/{user}/server")
        if asked.status_code == 201:
            found.ready.append(time.monotonic() - began)
            return
        if asked.status_code != 202:
            kind = found.refused if asked.status_code == 429 else found.failed
            kind.append(f"{asked.status_code} {asked.text[:200]}")
            return
        async with http.stream("GET", f"/users/{user}/server/progress") as stream:
            event: dict[str, Any] = {}
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                if event.get("ready"):
                    found.ready.append(time.monotonic() - began)
                    return
        found.failed.append(str(event.get("message", "nothing was said")))

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self._token}"}

    def _http(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.address}/hub/api", headers=self._headers, timeout=300, trust_env=False
        )
