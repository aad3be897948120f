"""What the agent asks of the engine to make images of classes: all of its calls that change one.

A build is a container of the room's own image that no student's server is: root in it, with no
capability, no way to more rights, bounded in memory, processors and processes, and of the host it
sees one folder, read-only. It ends before anything of it becomes an image, and no program that a
package brought has run until then.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from engine.client import EngineRefusedError, EngineUnavailableError
from room.environments.files import Change
from room.models import LABEL_KIND

#: On containers that build, and on what they have built: the room that made them.
LABEL = "torchroom.build"
#: What a build's container is. A server that runs on its image inherits labels, and is a server.
KIND = "build"
#: Bytes of memory, processors and processes of one build.
MEMORY, CPUS, PIDS = 3 * 1024**3, 2.0, 256
#: Seconds that the engine may take to answer; a commit of some gigabytes takes minutes.
TIMEOUT, COMMIT_TIMEOUT = 60, 1800
_KINDS = {0: "modified", 1: "added", 2: "deleted"}
#: What docker-py raises when the engine goes away, also in the middle of a log.
_AWAY = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    struct.error,
    DockerException,
    OSError,
)
#: Exit codes of what was killed from outside: the engine ends its containers so when it restarts.
_KILLED = (137, 143)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a step ended. ``output``: what it wrote to standard output, for the agent."""

    code: int
    output: str
    out_of_memory: bool

    @property
    def killed(self) -> bool:
        return self.code in _KILLED and not self.out_of_memory


class Workshop:
    """One engine, and the room whose builds these are."""

    def __init__(self, base_url: str, room: str) -> None:
        self._url, self._room = base_url, room

    @contextmanager
    def _client(self, what: str, timeout: int = TIMEOUT) -> Iterator[docker.APIClient]:
        """Yield a client of the caller's own, and turn docker-py's errors into ours."""
        try:
            client = docker.APIClient(base_url=self._url, version="auto", timeout=timeout)
            try:
                yield client
            finally:
                client.close()
        except APIError as error:
            words = str(error.explanation or error).strip()
            raise EngineRefusedError(f"{what}: {words}", error.status_code or 500) from error
        except _AWAY as error:
            raise EngineUnavailableError(f"{what}: the Docker Engine does not answer") from error

    # -- images ------------------------------------------------------------------------------

    def image_id(self, image: str) -> str:
        """Return the engine's id of an image; empty when it has none."""
        with self._client(f"looking at {image}") as client:
            try:
                return str(client.inspect_image(image)["Id"])
            except ImageNotFound:
                return ""

    def images(self) -> set[str]:
        """Return the tags of what this room has built."""
        with self._client("listing images") as client:
            found = client.images(filters={"label": f"{LABEL}={self._room}"})
        return {tag for each in found for tag in each.get("RepoTags") or () if "<none>" not in tag}

    def added(self, image: str) -> int:
        """Return the bytes of an image's last layer: what it adds to the one below."""
        with self._client(f"looking at {image}") as client:
            return int(client.history(image)[0]["Size"])

    def remove_image(self, image: str) -> bool:
        """Remove an image that no container has. False: one has it, or it is gone already."""
        with self._client(f"removing {image}") as client:
            try:
                client.remove_image(image)
            except APIError as error:
                if error.status_code not in (404, 409):
                    raise
                return False
        return True

    # -- one build ---------------------------------------------------------------------------

    def begin(self, name: str, image: str, site: Path, network: str, step: str) -> str:
        """Start a step in a new container, and return its id. ``site``: its files on the host."""
        with self._client(f"starting {name}") as client:
            made = client.create_container(
                image=image,
                name=name,
                # -I: nothing of the folder that it runs in, or of an environment, is imported.
                command=["python3", "-I", "/run/site/step.py", step],
                user="0:0",
                labels={LABEL: self._room, LABEL_KIND: KIND},
                host_config=client.create_host_config(**_host_config(site, network)),
            )
            client.start(made["Id"])
            return str(made["Id"])

    def follow(self, container: str) -> Iterator[bytes]:
        """Yield what a step says to people, until it ends."""
        # A package of gigabytes downloads for minutes without a word.
        with self._client("reading a build's log", COMMIT_TIMEOUT) as client:
            yield from client.logs(container, stdout=False, stderr=True, stream=True, follow=True)

    def ended(self, container: str) -> Ran:
        """Return how a step ended that has ended, or is about to."""
        with self._client("waiting for a build") as client:
            code = int(client.wait(container)["StatusCode"])
            state = client.inspect_container(container)["State"]
            output: bytes = client.logs(container, stdout=True, stderr=False)
        return Ran(code, output.decode("utf-8", "replace"), bool(state["OOMKilled"]))

    def stop(self, container: str) -> None:
        """End a step at once; one that has ended is fine."""
        with self._client("ending a build") as client:
            try:
                client.kill(container)
            except APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def changes(self, container: str) -> list[Change]:
        """Return what a step has changed of its image's files."""
        with self._client("comparing a build") as client:
            found: list[dict[str, Any]] = client.diff(container) or []
        return [Change(each["Path"], _KINDS[each["Kind"]]) for each in found]  # type: ignore[arg-type]

    def commit(self, container: str, base: str, image: str) -> None:
        """Make a step's files one layer on ``base``, with all else as it is there."""
        repository, _, tag = image.rpartition(":")
        with self._client(f"keeping {image}", COMMIT_TIMEOUT) as client:
            # What the container had of its own, its user and its command, does not come along.
            config = dict(client.inspect_image(base)["Config"])
            labels = {LABEL: self._room, LABEL_KIND: "environment"}
            config["Labels"] = {**(config.get("Labels") or {}), **labels}
            client.commit(container, repository=repository, tag=tag, conf=config)

    def remove(self, container: str) -> None:
        """Remove a build's container and what it downloaded."""
        with self._client("removing a build") as client:
            try:
                client.remove_container(container, force=True, v=True)
            except NotFound:
                return

    def sweep(self) -> int:
        """Remove what builds that nobody follows any more left behind; return how many."""
        with self._client("looking for builds") as client:
            mine = f"{LABEL}={self._room}"
            builds = {"label": [mine, f"{LABEL_KIND}={KIND}"]}
            left = [each["Id"] for each in client.containers(all=True, filters=builds)]
            for container in left:
                client.remove_container(container, force=True, v=True)
            for each in client.images(filters={"label": mine, "dangling": True}):
                client.remove_image(each["Id"])
        return len(left)


def prefix(room: str) -> str:
    """Return how the names of a room's builds begin."""
    return f"{room}-build-"


def _host_config(site: Path, network: str) -> dict[str, Any]:
    return {
        "network_mode": network or "bridge",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": MEMORY,
        "memswap_limit": MEMORY,
        "cpu_period": 100_000,
        "cpu_quota": int(CPUS * 100_000),
        "pids_limit": PIDS,
        # Students' processes go on before it does.
        "oom_score_adj": 900,
        "log_config": {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "1"}},
        "mounts": [
            {"Type": "bind", "Source": str(site), "Target": "/run/site", "ReadOnly": True},
            # What is downloaded is beside the layer, and gone with the container.
            {"Type": "volume", "Target": "/run/build"},
        ],
    }
