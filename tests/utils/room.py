"""A whole room of the tests' own, brought up and down by the ``room`` command."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker

from engine.workshop import LABEL as BUILT
from room.gpus.broker import Broker
from room.gpus.events import Ticket
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER, Lease
from room.settings import load
from room.store import Store, open_store
from tests.utils.hub import free_port

#: The installed command, beside the Python that runs the tests.
ROOM = Path(sys.executable).with_name("room")


class ComposedRoom:
    """One room: its own name, port, data root and settings file."""

    def __init__(self, directory: Path, gpus: int, settings: dict[str, Any] | None = None) -> None:
        self.name = "rt" + secrets.token_hex(3)
        self.gpus = gpus
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.config = directory / "room.yaml"
        # Not below pytest's directory, which is root's alone: the control plane has to get in.
        self.data_root = Path("/var/lib") / self.name
        self.write_settings(settings or {})
        self.client = docker.from_env()
        self.printed = ""

    def write_settings(self, more: dict[str, Any]) -> None:
        values = {
            "name": self.name,
            "address": self.address,
            "data_root": str(self.data_root),
            **more,
        }
        # JSON is YAML too.
        self.config.write_text(json.dumps(values, indent=2))

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``room`` with these arguments; without ``check`` it may fail."""
        done = subprocess.run(
            [str(ROOM), *arguments],
            env={
                **os.environ,
                "ROOM_CONFIG": str(self.config),
                "ROOM_SIMULATE_GPUS": str(self.gpus),
                "COLUMNS": "160",
            },
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"room {' '.join(arguments)} ended with {done.returncode}\n"
                f"{done.stdout}\n{done.stderr}\n{self.logs()}"
            )
        return done

    def up(self) -> str:
        """Bring the room up; return what the admin reads."""
        self.printed = self.run("up").stdout
        return self.printed

    def link(self, login: str) -> str:
        """Let somebody in; return a new link, as the admin would send it."""
        self.run("user", "add", login, "--no-link")
        printed = self.run("user", "link", login).stdout
        return next(word for word in printed.split() if "#token=" in word)

    def token(self, login: str) -> str:
        return self.link(login).split("#token=")[1]

    def store(self) -> Store:
        return open_store(load(self.config))

    def leases(self) -> tuple[Lease, ...]:
        store = self.store()
        try:
            return Broker(store).leases()
        finally:
            store.close()

    def tickets(self) -> tuple[Ticket, ...]:
        """Return who waits for a GPU, first come first."""
        store = self.store()
        try:
            return tuple(each.ticket for each in Broker(store).waiting())
        finally:
            store.close()

    def containers(self, user: str = "") -> list[Any]:
        """Return the students' containers, of one of them or of all."""
        labels = [f"{LABEL_ROOM}={self.name}", f"{LABEL_KIND}=server"]
        if user:
            labels.append(f"{LABEL_USER}={user}")
        # One that goes while they are looked at is none.
        found = self.client.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        return list(found)

    def service(self, name: str) -> Any:
        """Return the container of one of the room's own services."""
        return self.client.containers.get(f"{self.name}-{name}-1")

    def logs(self, lines: int = 60) -> str:
        """Return the last lines of every service, for who reads a failure."""
        parts = []
        for container in self.client.containers.list(
            all=True, filters={"label": f"com.docker.compose.project={self.name}"}
        ):
            parts.append(f"--- {container.name}: {container.status} ---")
            parts.append(container.logs(tail=lines).decode("utf-8", "replace"))
        return "\n".join(parts)

    def close(self) -> None:
        """Take the room down and away, homes included: they are the tests' own."""
        self.run("down", check=False)
        for container in self.containers():
            container.remove(force=True, v=True)
        for volume in self.client.volumes.list(filters={"label": f"{LABEL_ROOM}={self.name}"}):
            volume.remove(force=True)
        for image in self.client.images.list(filters={"label": f"{BUILT}={self.name}"}):
            self.client.images.remove(image.id, force=True)
        shutil.rmtree(self.data_root, ignore_errors=True)
        self.client.close()
