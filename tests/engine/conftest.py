"""A hub of its own for each test, on a real engine; nothing of it is left behind."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import uvicorn

from agent.app import Counts, Looks, make_app
from room import names
from room.gpus.broker import Broker
from room.gpus.events import Ticket
from room.gpus.inventory import dumps, simulated
from room.models import LABEL_KIND, LABEL_ROOM, Lease
from room.store import Store
from spawner.exits import Ended, last_of_all
from tests.utils.faulty_engine import FaultyEngine
from tests.utils.hub import Hub, free_port
from tests.utils.small_base import TAG as SMALL_BASE
from tests.utils.small_base import make as make_small_base
from tests.utils.wait import wait_until

#: A server that answers HTTP and is ready at once: what starts it is under test, not what it is.
STUB = ["python3", "-m", "http.server", "8888"]

pytestmark = pytest.mark.engine


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    found.ping()
    yield found
    found.close()


@pytest.fixture(scope="session")
def stub_image(client: docker.DockerClient) -> str:
    """Return an image with Python in it: the control plane's own."""
    return os.environ.get("TEST_STUB_IMAGE") or _room_image()


@pytest.fixture(scope="session")
def small_base(client: docker.DockerClient, stub_image: str) -> Iterator[str]:
    """Return an image to build environments on in a second."""
    yield make_small_base(client, stub_image)
    client.images.remove(SMALL_BASE, force=True)


def _room_image() -> str:
    from engine import images
    from room.settings import Settings

    return images.ensure(Settings(), ["room"])["room"]


class Room:
    """One hub with its room's name, its store, and an eye on the engine."""

    def __init__(self, client: docker.DockerClient, directory: Path, image: str) -> None:
        self.client = client
        self.directory = directory
        self.image = image
        self.name = "t" + secrets.token_hex(4)
        self.store_url = f"sqlite:///{directory / 'room.sqlite'}"
        self.network = client.networks.create(names.students_network(self.name))
        self.gateway = client.networks.get(self.network.id).attrs["IPAM"]["Config"][0]["Gateway"]
        self.hub: Hub | None = None
        self._store: Store | None = None

    def open(
        self,
        *,
        gpus: int = 0,
        traits: dict[str, Any] | None = None,
        engine: FaultyEngine | None = None,
        more: dict[str, dict[str, Any]] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Hub:
        """Start the hub. ``traits`` are RoomSpawner's, ``more`` those of other classes."""
        (self.directory / "inventory.json").write_text(dumps(simulated(gpus)))
        spawner = {
            "room": self.name,
            "image": self.image,
            "cmd": STUB,
            "network_name": self.network.name,
            "use_internal_ip": True,
            "store_url": self.store_url,
            "inventory_file": str(self.directory / "inventory.json"),
            "stop_grace": 0,
            # A start may wait; what must not hang in a test has its own, shorter limit.
            "start_timeout": 300,
            "pull_policy": "never",
            **(traits or {}),
        }
        self.hub = Hub(
            self.directory,
            {"RoomSpawner": spawner, **(more or {})},
            host=self.gateway,
            environment={
                **({"DOCKER_HOST": engine.url} if engine else {}),
                **(environment or {}),
            },
        )
        self.hub.start()
        return self.hub

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = Store(self.store_url)
        return self._store

    def leases(self) -> tuple[Lease, ...]:
        return Broker(self.store).leases()

    def tickets(self) -> tuple[Ticket, ...]:
        """Return who waits, first come first."""
        return tuple(each.ticket for each in Broker(self.store).waiting())

    def last_end(self, user: str) -> Ended | None:
        from room.models import Owner

        return last_of_all(self.store).get(Owner(user))

    def containers(self) -> list[Any]:
        return self.client.containers.list(
            all=True,
            filters={"label": [f"{LABEL_ROOM}={self.name}", f"{LABEL_KIND}=server"]},
            # One that goes while they are looked at is none.
            ignore_removed=True,
        )

    def container(self, user: str, server: str = "") -> Any:
        return self.client.containers.get(names.container(self.name, user, server))

    def wait_nothing_left(self) -> None:
        """Wait until no container and no lease of this room is there."""
        wait_until(
            lambda: not self.containers() and not self.leases(),
            timeout=90,
            explain=lambda: (
                f"containers {[c.name for c in self.containers()]}, leases {self.leases()}\n"
                + (self.hub.tail() if self.hub else "")
            ),
        )

    def close(self) -> None:
        if self.hub is not None:
            self.hub.stop()
        for container in self.containers():
            container.remove(force=True, v=True)
        for volume in self.client.volumes.list(filters={"label": f"{LABEL_ROOM}={self.name}"}):
            volume.remove(force=True)
        self.network.remove()
        if self._store is not None:
            self._store.close()

    def check_invariants(self) -> None:
        """Invariant 1, on the rows that the test has left."""
        if not (self.directory / "room.sqlite").exists():
            return
        units = [unit for lease in self.leases() for unit in lease.units]
        assert len(units) == len(set(units)), f"a unit is leased twice: {self.leases()}"


@contextmanager
def opened(client: docker.DockerClient, directory: Path, image: str) -> Iterator[Room]:
    """Yield a room; check what it leaves, say what its hub said, and clear it away."""
    made = Room(client, directory, image)
    try:
        yield made
        made.check_invariants()
    finally:
        if made.hub is not None:
            print(f"--- hub log ---\n{made.hub.tail(80)}")
        made.close()


@pytest.fixture
def room(client: docker.DockerClient, tmp_path: Path, stub_image: str) -> Iterator[Room]:
    with opened(client, tmp_path, stub_image) as made:
        yield made


@pytest.fixture(scope="module")
def lasting_room(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, stub_image: str
) -> Iterator[Room]:
    """A room for all tests of a module: each takes a user of its own."""
    with opened(client, tmp_path_factory.mktemp("room"), stub_image) as made:
        yield made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FaultyEngine]:
    made = FaultyEngine(tmp_path / "engine.sock")
    yield made
    made.close()


@contextmanager
def running_agent(
    directory: Path,
    looks: Looks | None = None,
    data_root: Path | None = None,
    counts: Counts | None = None,
) -> Iterator[dict[str, str]]:
    """Run the agent on loopback; yield the traits that point a spawner at it.

    Without ``looks`` it knows of no GPU. Without a ``data_root`` it is in ``directory``.
    """
    data_root = data_root or directory / "data"
    for name in ("homes", "classes"):
        (data_root / name).mkdir(parents=True)
    token = secrets.token_hex(32)
    (directory / "agent_token").write_text(token)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(data_root, token, looks, counts=counts),
            host="127.0.0.1",
            port=port,
            log_level="warning",
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, timeout=20)
    yield {
        "agent_url": f"http://127.0.0.1:{port}",
        "agent_token_file": str(directory / "agent_token"),
        "home_directory": "/home/jovyan",
    }
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    with running_agent(tmp_path) as traits:
        yield traits
