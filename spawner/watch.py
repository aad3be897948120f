"""What the hub knows of its containers from the engine's events, and who has to be looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from engine import events
from engine.client import EngineRefusedError, EngineUnavailableError
from engine.mirror import Event, Mirror
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_SERVER, LABEL_USER, Owner

if TYPE_CHECKING:
    from spawner.services import Services

#: Seconds for which a question waits for the first list: one instead of one a server.
FIRST_LIST = 5.0
#: Events after which somebody has to look at the server.
ENDS = ("die", "destroy")


class Watch:
    """One of these per hub process, on the hub's loop. It begins with ``start``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._mirror = Mirror()
        self._known = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Follow the engine's events from now on, for as long as the process runs."""
        loop = asyncio.get_running_loop()

        def on_loop(act: Any) -> Any:
            return lambda *said: loop.call_soon_threadsafe(act, *said)

        events.follow(
            self._services.engine.connect,
            self._labels,
            on_loop(self._tell),
            on_loop(self._joined),
            on_loop(self._mirror.broke),
        )

    @property
    def _labels(self) -> dict[str, str]:
        return {LABEL_ROOM: self._services.room, LABEL_KIND: "server"}

    # -- what is known -----------------------------------------------------------------------

    async def runs(self, container: str, owner: Owner) -> bool:
        """Say whether it is known that this container of this owner runs; the engine is not asked.

        False means that nobody can tell without asking it.
        """
        if not self._known.is_set():
            try:
                await asyncio.wait_for(self._known.wait(), FIRST_LIST)
            except asyncio.TimeoutError:
                return False
        labels = {LABEL_USER: owner.user, LABEL_SERVER: owner.server}
        return self._mirror.running(container, labels) is True

    def labels(self, container: str) -> Mapping[str, str]:
        """Return the labels of a container, as far as the engine has told of it."""
        return self._mirror.labels(container)

    def started(self, container: str) -> datetime | None:
        """Return when a container started, if the engine has told of it."""
        at = self._mirror.started(container)
        return None if at is None else datetime.fromtimestamp(at, timezone.utc)

    def explained(self, container: str) -> bool:
        """Say whether the engine has told why a container ended."""
        return self._mirror.explained(container)

    async def list(self) -> list[dict[str, Any]]:
        """Return the room's servers as the engine lists them; the list mends what is known."""
        told = self._mirror.begin()
        try:
            found = await self._services.engine.containers(self._labels)
        except BaseException:
            self._mirror.failed(told)
            raise
        missed = self._mirror.listed(told, found)
        if self._known.is_set() and missed:
            self._services.log.warning(
                "The engine's events did not tell of %s, which were found by listing",
                ", ".join(container[:12] for container in missed),
            )
            self._run(self._look_at(self._owners(missed)))
        self._known.set()
        return found

    def _owners(self, containers: Sequence[str]) -> list[Owner]:
        spawners = list(self._services.spawners.items())
        return [owner for owner, spawner in spawners if spawner.object_id in containers]

    # -- what is done about it ---------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        if not self._mirror.tell(event, time.time()):
            self._services.log.warning("The engine's events come late: listing its containers")
            self._run(self._look_at_all())
        if event.action in ENDS:
            owner = Owner(event.labels.get(LABEL_USER, ""), event.labels.get(LABEL_SERVER, ""))
            self._run(self._look_at([owner]))
        elif event.action == "oom":
            self._run(self._tell_memory(event))

    async def _tell_memory(self, event: Event) -> None:
        """Tell who works in a server that a program in it was ended for its memory."""
        owner = Owner(event.labels.get(LABEL_USER, ""), event.labels.get(LABEL_SERVER, ""))
        spawner = self._services.spawners.get(owner)
        if spawner is not None:
            await spawner.note_memory(event.container, event.at)

    def _joined(self) -> None:
        self._run(self._look_at_all())

    def _run(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_at_all(self) -> None:
        """Find what happened while nobody listened, with one list for all."""
        try:
            await self.list()
        except (EngineUnavailableError, EngineRefusedError) as error:
            self._services.log.warning("Cannot list the servers: %s", error)
        await self._look_at(list(self._services.spawners))

    async def _look_at(self, owners: Iterable[Owner]) -> None:
        """Let JupyterHub look at servers that may have ended."""
        services = self._services
        for owner in owners:
            spawner = services.spawners.get(owner)
            # Who starts or tidies a server looks after its container already.
            if spawner is None or owner in services.moving() or not spawner.ready:
                continue
            try:
                await spawner.poll_and_notify()
            except (EngineUnavailableError, EngineRefusedError) as error:
                services.log.warning("Cannot look at %s: %s", owner, error)
