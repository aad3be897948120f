"""The two hubs side by side: ours as ``room up`` composes it, and stock DockerSpawner."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import docker

from bench.harness import OURS, PEER
from bench.seats import PATIENCE, HubSeat, Seat
from cli.errors import Problem
from cli.student import Student, Timeouts
from room.people import People
from room.settings import Settings, load
from room.store import open_store

HERE = Path(__file__).parent
ROOT = HERE.parent

#: What every server may take, in all stacks: cores, bytes.
CPU, MEMORY = 2.0, 4 * 1024**3

_TIMEOUTS = Timeouts(request=60.0, start=PATIENCE, stop=120.0)


class Ours:
    """A room of its own, with its front, agent, homes and login links."""

    key = OURS

    def __init__(self) -> None:
        self.name = "bench" + secrets.token_hex(3)
        self._directory = directory()
        self._config = self._directory / "room.yaml"
        self._address = f"http://127.0.0.1:{free_port()}"
        self._settings: Settings | None = None

    async def open(self) -> None:
        # JSON is YAML.
        values = {
            "name": self.name,
            "address": self._address,
            "data_root": str(self._directory / "data"),
            "limits": {"cpu": CPU, "memory": MEMORY},
        }
        self._config.write_text(json.dumps(values))
        self._settings = load(self._config)
        await asyncio.to_thread(self._room, "up")

    async def seats(self, count: int) -> list[Seat]:
        assert self._settings is not None, "open first"
        people = People(open_store(self._settings))
        tokens = []
        for number in range(count):
            people.add(f"bench{number}")
            tokens.append(str(people.link(f"bench{number}")))
        students = await log_in(self._address, [(token, "") for token in tokens])
        return [HubSeat(student, {"profile": "cpu"}) for student in students]

    def close(self) -> None:
        if self._settings is not None:
            self._room("down")
            remove_volumes(f"{self.name}-home-")
        shutil.rmtree(self._directory, ignore_errors=True)

    def _room(self, command: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", command],
            env={**os.environ, "ROOM_CONFIG": str(self._config)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1):
            raise Problem(f"room {command} did not succeed:\n{done.stdout}{done.stderr}")


class Stock:
    """JupyterHub and DockerSpawner as their documentation sets them up: see ``stock/``.

    ``image`` is what users get, without it the room's; ``stock_image`` has the one as pip
    installs it. ``key`` sets two of these apart.
    """

    def __init__(
        self,
        images: Mapping[str, str],
        engine_socket: Path,
        image: str | None = None,
        key: str = PEER,
    ) -> None:
        self.key = key
        self.name = "benchstock" + secrets.token_hex(3)
        self._directory = directory()
        self._address = f"http://127.0.0.1:{(port := free_port())}"
        self._opened = False
        self._environment = {
            "BENCH_NAME": self.name,
            "BENCH_PORT": str(port),
            "BENCH_IMAGE": image or images["pytorch"],
            "BENCH_ROOM_IMAGE": images["room"],
            "BENCH_PROXY_IMAGE": images["proxy"],
            "BENCH_PROXY_TOKEN": secrets.token_hex(32),
            "BENCH_STATE": str(self._directory),
            "BENCH_CONFIG": str(HERE / "stock" / "jupyterhub_config.py"),
            "BENCH_SOCKET": str(engine_socket.resolve()),
            "BENCH_DOCKER_GID": str(engine_socket.stat().st_gid),
            "BENCH_CPU": str(CPU),
            "BENCH_MEMORY": str(MEMORY),
        }

    async def open(self) -> None:
        self._opened = True
        # The hub's user in the image.
        os.chown(self._directory, 1100, 1100)
        await asyncio.to_thread(self._compose, "up", "--detach")
        await answering(f"{self._address}/hub/health")

    async def seats(self, count: int) -> list[Seat]:
        students = await log_in(self._address, [("x", f"bench{n}") for n in range(count)])
        return [HubSeat(student, None) for student in students]

    def close(self) -> None:
        if self._opened:
            with closing(docker.from_env()) as client:
                for container in client.containers.list(all=True, filters={"name": self.name}):
                    if not container.labels.get("com.docker.compose.project"):
                        container.remove(force=True)
            self._compose("down", "--timeout=5")
            remove_volumes(f"{self.name}-home-")
        shutil.rmtree(self._directory, ignore_errors=True)

    def _compose(self, *arguments: str) -> None:
        done = subprocess.run(
            ["docker", "compose", f"--file={HERE / 'stock' / 'docker-compose.yml'}", *arguments],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Problem(f"docker compose {arguments[0]} did not succeed:\n{done.stderr}")


async def log_in(address: str, people: Iterable[tuple[str, str]]) -> list[Student]:
    """Return a logged-in browser for each (token, user). Not timed, so one after the other."""
    students = []
    for token, user in people:
        student = Student(address, timeouts=_TIMEOUTS)
        await student.log_in(token, user)
        students.append(student)
    return students


async def answering(url: str, patience: float = 60.0) -> None:
    """Wait until a GET of ``url`` is answered well. ``patience`` in seconds."""
    import httpx

    deadline = asyncio.get_running_loop().time() + patience
    async with httpx.AsyncClient(trust_env=False) as http:
        while asyncio.get_running_loop().time() < deadline:
            try:
                if (await http.get(url)).is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.2)
    raise Problem(f"{url} did not answer within {patience:g} s.")


def directory() -> Path:
    """Return a new directory that containers' users can pass through."""
    made = Path(tempfile.mkdtemp(prefix="room-bench-"))
    made.chmod(0o755)
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remove_volumes(prefix: str) -> None:
    """Remove the benchmark's own homes: their names begin with its random name."""
    with closing(docker.from_env()) as client:
        for volume in client.volumes.list(filters={"name": prefix}):
            if volume.name.startswith(prefix):
                volume.remove(force=True)
