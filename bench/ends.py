"""A container that is killed from outside: until its lease is free, and the hub says stopped.

Ours and stock DockerSpawner take turns, each with a hub on the host and one stub server, which is
killed through the engine. Stock looks every 30 seconds, and has no leases: its time is the hub's.

    python -m bench ends
"""

from __future__ import annotations

import random
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import docker

from bench.harness import OURS, PEER, Result, machine, summarize
from room.gpus.broker import Broker
from room.gpus.inventory import dumps, simulated
from room.store import Store
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

NAME = "ends"
#: Kills of each; stock's take half a minute.
OUR_KILLS, STOCK_KILLS = 25, 5
#: Seconds from the kill until the unit can be leased again and the hub says so, at p95.
TARGET = 0.3
STUB = ["python3", "-m", "http.server", "8888"]


def measure(image: str, say: Callable[[str], None]) -> list[Result]:
    """Return the seconds from a kill to its being known, at the 95th of a hundred."""
    with closing(docker.from_env()) as client, tempfile.TemporaryDirectory() as directory:
        runs = {
            OURS: _ours(client, Path(directory) / "ours", image, say),
            PEER: _stock(client, Path(directory) / "stock", image, say),
        }
    return [
        summarize(
            "a server is killed, until its GPU is free and the hub says stopped (p95)",
            "s",
            runs,
            machine("jupyterhub", "dockerspawner", "torchroom"),
            target=TARGET,
            of=p95,
        )
    ]


def p95(figures: Any) -> float:
    ordered = sorted(figures)
    return float(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))])


def _ours(
    client: docker.DockerClient, directory: Path, image: str, say: Callable[[str], None]
) -> list[float]:
    url = f"sqlite:///{directory / 'room.sqlite'}"
    traits = {
        "RoomSpawner": {
            "room": "b" + secrets.token_hex(4),
            "gpus": 1,
            "store_url": url,
            "inventory_file": str(directory / "inventory.json"),
            "start_timeout": 300,
        }
    }
    directory.mkdir()
    (directory / "inventory.json").write_text(dumps(simulated(1)))
    with _Room(client, directory, image, "torchroom", traits) as room, closing(Store(url)) as store:
        broker = Broker(store)
        return room.kills(OUR_KILLS, lambda: not broker.leases(), say)


def _stock(
    client: docker.DockerClient, directory: Path, image: str, say: Callable[[str], None]
) -> list[float]:
    directory.mkdir()
    traits = {"DockerSpawner": {"remove": True}, "Spawner": {"poll_interval": 30}}
    with _Room(client, directory, image, "dockerspawner.DockerSpawner", traits) as room:
        return room.kills(STOCK_KILLS, lambda: True, say)


class _Room:
    """A hub with one user, and a network of its own."""

    def __init__(
        self,
        client: docker.DockerClient,
        directory: Path,
        image: str,
        spawner: str,
        traits: dict[str, dict[str, Any]],
    ) -> None:
        self._client = client
        self._spawner = spawner
        self._network = client.networks.create("bench-" + secrets.token_hex(4))
        self._network.reload()
        owner = next(iter(traits))
        traits[owner] |= {
            "image": image,
            "cmd": STUB,
            "network_name": self._network.name,
            "use_internal_ip": True,
            "pull_policy": "never",
        }
        gateway = self._network.attrs["IPAM"]["Config"][0]["Gateway"]
        self._hub = Hub(directory, traits, host=gateway, spawner=spawner)

    def __enter__(self) -> _Room:
        self._hub.start()
        self._hub.add("alice")
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.stop()
        for container in self._servers():
            container.remove(force=True)
        self._network.remove()

    def _servers(self) -> list[Any]:
        return list(self._client.containers.list(all=True, filters={"network": self._network.id}))

    def kills(
        self, count: int, free: Callable[[], bool], say: Callable[[str], None]
    ) -> list[float]:
        """Return the seconds of each kill until ``free`` and the hub say that it is over."""
        found = []
        for number in range(count):
            self._hub.start_server("alice")
            # Not always at the same moment of a poll's interval.
            time.sleep(random.Random(number).random() * (30 if count == STOCK_KILLS else 1))
            (server,) = self._servers()
            began = time.monotonic()
            server.kill()
            wait_until(
                lambda: free() and self._hub.model("alice") is None, timeout=120, every=0.005
            )
            found.append(time.monotonic() - began)
            say(f"{self._spawner}: known after {found[-1]:.3f} s")
        return found
