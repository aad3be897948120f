"""A room's builds of environments on this machine's engine, and what they leave there."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import APIError

from agent.environments import Builds
from engine.buildsite import BuildSite
from engine.workshop import KIND, LABEL, Workshop
from room.environments.model import Build
from room.models import LABEL_KIND
from tests.utils.wait import wait_until

SOCKET = "unix:///var/run/docker.sock"


class Host:
    """``builds`` is the agent's part of the moment; ``base`` the room's image."""

    def __init__(
        self, client: docker.DockerClient, root: Path, base: str, here: BuildSite, room: str = ""
    ) -> None:
        self.socket = SOCKET
        self.client, self.root, self.base, self.here = client, root, base, here
        self.room = room or "e" + secrets.token_hex(4)
        self.builds = self.agent()

    def agent(self) -> Builds:
        """Return builds that go on with what is there."""
        made = Builds(
            self.root,
            Workshop(self.socket, self.room),
            lambda: self.here,
            room=self.room,
            image=self.base,
        )
        made.open()
        return made

    def containers(self) -> list[str]:
        """Return the builds' containers by name."""
        labels = [f"{LABEL}={self.room}", f"{LABEL_KIND}={KIND}"]
        found = self.client.api.containers(all=True, filters={"label": labels})
        return [each["Names"][0].lstrip("/") for each in found]

    def over(self, build: Build) -> Build:
        def look() -> Build | None:
            found = next((each for each in self.builds.all() if each.id == build.id), None)
            assert found is not None, "it is gone"
            return found if found.over else None

        return wait_until(look, timeout=120)

    def made(self, text: str, class_name: str = "ml101") -> Build:
        """Build, and return what came of it; no container is left."""
        found = self.over(self.builds.begin(class_name, "tina", text))
        assert self.containers() == []
        return found

    def run(self, image: str, program: str) -> str:
        """Run Python in a container of a student's kind; return what it printed."""
        command = ["python3", "-c", program]
        made = self.client.containers.run(image, command, remove=True, network_mode="none")
        return str(made.decode().strip())

    def close(self) -> None:
        self.builds.close()
        for name in self.containers():
            with suppress(APIError):
                self.client.api.remove_container(name, force=True, v=True)
        for each in self.client.images.list(filters={"label": f"{LABEL}={self.room}"}):
            self.client.images.remove(each.id, force=True)
