"""Servers that end by themselves: noticed when the engine says so, not at the next poll."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine import events
from engine.client import EngineRefusedError, EngineUnavailableError
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_SERVER, LABEL_USER, Owner

if TYPE_CHECKING:
    from spawner.services import Services


def watch(services: Services) -> None:
    """Let JupyterHub look at each server whose container has ended or is gone."""
    loop = asyncio.get_running_loop()
    looking: set[asyncio.Task[None]] = set()

    def look(owner: Owner) -> None:
        task = asyncio.ensure_future(_look_at(services, owner))
        looking.add(task)
        task.add_done_callback(looking.discard)

    def tell(labels: Mapping[str, str]) -> None:
        owner = Owner(labels.get(LABEL_USER, ""), labels.get(LABEL_SERVER, ""))
        loop.call_soon_threadsafe(look, owner)

    def joined() -> None:
        # What happened while nobody listened is found by looking at everyone.
        def look_at_all() -> None:
            for owner in list(services.spawners):
                look(owner)

        loop.call_soon_threadsafe(look_at_all)

    events.follow(
        services.engine.connect, {LABEL_ROOM: services.room, LABEL_KIND: "server"}, tell, joined
    )


async def _look_at(services: Services, owner: Owner) -> None:
    spawner = services.spawners.get(owner)
    # Who starts or tidies a server looks after its container already.
    if spawner is None or owner in services.moving() or not spawner.ready:
        return
    try:
        await spawner.poll_and_notify()
    except (EngineUnavailableError, EngineRefusedError) as error:
        services.log.warning("Cannot look at %s: %s", owner, error)
