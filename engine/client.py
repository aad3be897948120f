"""Every call to Docker goes through here: bounded pools of threads, and errors in words.

Calls take one of three lanes, so that what takes long keeps nothing else waiting: a stop takes
as long as the server's grace, a pull takes minutes. Only what several parts need is a method of
its own; DockerSpawner's inherited code goes through ``call``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import docker
import requests
from docker.errors import APIError, ImageNotFound, NotFound

#: Of each lane. docker-py keeps ten connections at most unless told otherwise: one a thread.
DEFAULT_THREADS = 16
#: docker-py's methods of a start, and those that look; all others may take long.
START, LOOK, SLOW = "start", "look", "slow"
LANES = {
    "create_volume": START,
    "inspect_volume": START,
    "create_container": START,
    "start": START,
    "inspect_container": LOOK,
    "inspect_image": LOOK,
    "containers": LOOK,
    "port": LOOK,
    "info": LOOK,
    "version": LOOK,
}


class EngineUnavailableError(Exception):
    """The engine did not answer: nothing is known about what it holds."""


class EngineRefusedError(Exception):
    """The engine answered, and said no. ``status`` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ImageMissingError(EngineRefusedError):
    """The engine does not have the image."""


class Engine:
    """One Docker Engine; ``threads`` calls of each lane may be under way at once.

    ``connect`` makes the docker-py client at the first call, so that an engine
    which is down when the hub starts is simply asked again later.
    """

    def __init__(
        self, connect: Callable[[], docker.APIClient], threads: int = DEFAULT_THREADS
    ) -> None:
        #: Makes a client of the caller's own.
        self.connect = connect
        self._client: docker.APIClient | None = None
        self._connecting = threading.Lock()
        self._lanes = {
            lane: ThreadPoolExecutor(threads, thread_name_prefix=f"engine-{lane}")
            for lane in (START, LOOK, SLOW)
        }

    @classmethod
    def at(cls, base_url: str, threads: int = DEFAULT_THREADS, timeout: float = 60) -> Engine:
        """Return the engine at ``base_url`` (``unix:///var/run/docker.sock``)."""
        return cls(
            lambda: docker.APIClient(
                base_url=base_url, version="auto", timeout=timeout, max_pool_size=3 * threads
            ),
            threads,
        )

    @property
    def client(self) -> docker.APIClient:
        with self._connecting:
            if self._client is None:
                self._client = self.connect()
            return self._client

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call docker-py's ``method`` on a thread; its own exceptions come through."""
        loop = asyncio.get_running_loop()
        lane = self._lanes[LANES.get(method, SLOW)]
        return await loop.run_in_executor(
            lane, lambda: getattr(self.client, method)(*args, **kwargs)
        )

    @asynccontextmanager
    async def words(self, what: str) -> AsyncIterator[None]:
        """Turn docker-py's exceptions into ours; ``NotFound`` comes through."""
        try:
            yield
        except NotFound:
            raise
        except APIError as error:
            explanation = str(error.explanation or error).strip()
            raise EngineRefusedError(f"{what}: {explanation}", error.status_code or 500) from error
        except (requests.exceptions.RequestException, docker.errors.DockerException) as error:
            raise EngineUnavailableError(f"{what}: the Docker Engine does not answer") from error

    async def version(self) -> str:
        """Return the engine's version: the least that it answers when it is there."""
        async with self.words("asking the engine for its version"):
            return str((await self.call("version"))["Version"])

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """Return what the engine knows of a container; ``None`` only when it says there is none."""
        async with self.words(f"looking at container {container}"):
            try:
                found: dict[str, Any] = await self.call("inspect_container", container)
            except NotFound:
                return None
            return found

    async def create(self, arguments: Mapping[str, Any]) -> str:
        """Create a container from docker-py's ``create_container`` arguments; return its id.

        Raises ``ImageMissingError`` when the engine does not have the image.
        """
        async with self.words(f"creating container {arguments.get('name')}"):
            try:
                return str((await self.call("create_container", **arguments))["Id"])
            except NotFound as error:
                kind = ImageMissingError if isinstance(error, ImageNotFound) else EngineRefusedError
                raise kind(str(error.explanation or error), 404) from error

    async def start(self, container: str) -> None:
        async with self.words(f"starting container {container}"):
            await self.call("start", container)

    async def stop(self, container: str, grace: int) -> None:
        """Ask the container to end, and end it after ``grace`` seconds. Gone already is fine."""
        async with self.words(f"stopping container {container}"):
            try:
                # docker-py waits for the answer as long as its own timeout: give it the grace too.
                await self.call("stop", container, timeout=grace)
            except NotFound:
                return

    async def remove_until_gone(self, container: str, timeout: float = 60.0) -> None:
        """Remove a container and return when the engine says 404: only that frees what it held.

        Raises ``EngineRefusedError`` when it is still there after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        pause = 0.02
        while True:
            async with self.words(f"removing container {container}"):
                try:
                    await self.call("remove_container", container, force=True, v=True)
                except NotFound:
                    return
                except APIError as error:
                    # 409: somebody else is removing it. That is no proof that it is gone.
                    if error.status_code != 409:
                        raise
            if await self.inspect(container) is None:
                return
            if time.monotonic() > deadline:
                raise EngineRefusedError(f"container {container} cannot be removed", 409)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def last_lines(self, container: str, count: int) -> tuple[str, ...]:
        """Return the last lines a container wrote, oldest first."""
        async with self.words(f"reading the log of container {container}"):
            raw: bytes = await self.call("logs", container, tail=count, stdout=True, stderr=True)
        return tuple(raw.decode("utf-8", "replace").splitlines())

    async def containers(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return every container, running or not, that carries ``labels``."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        async with self.words("listing containers"):
            found: list[dict[str, Any]] = await self.call("containers", all=True, filters=filters)
        return found

    async def volume(
        self, name: str, driver_opts: Mapping[str, str], labels: Mapping[str, str]
    ) -> dict[str, Any]:
        """Make a volume, or find it; return what the engine has under that name.

        The engine answers the create of a name it has with the volume that is
        there, so that one call makes and checks.
        """
        async with self.words(f"making volume {name}"):
            found: dict[str, Any] = await self.call(
                "create_volume",
                name,
                driver="local",
                driver_opts=dict(driver_opts),
                labels=dict(labels),
            )
            if labels and not found.get("Labels"):
                # An engine that was started again tells the name alone, until it is asked for it.
                found = await self.call("inspect_volume", name)
        return found

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; what it binds stays where it is. Gone already is fine."""
        async with self.words(f"removing volume {name}"):
            try:
                await self.call("remove_volume", name)
            except NotFound:
                return
