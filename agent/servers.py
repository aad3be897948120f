"""The room's servers on this host, by container, as their labels say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from engine.client import Engine, EngineRefusedError, EngineUnavailableError
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_SERVER, LABEL_USER, Owner

#: Seconds that the engine may take to list containers; the next snapshot asks it again.
ENGINE_TIMEOUT = 5


class ServersUnknownError(Exception):
    """The engine does not say which servers there are; the message says why."""


def lister(socket: str, room: str) -> Callable[[], Mapping[str, Owner]]:
    """Return a function that lists the servers of ``room`` at the engine's ``socket``."""
    engine = Engine.at(f"unix://{socket}", threads=1, timeout=ENGINE_TIMEOUT)

    def servers() -> Mapping[str, Owner]:
        try:
            found = asyncio.run(engine.containers({LABEL_ROOM: room, LABEL_KIND: "server"}))
        except (EngineUnavailableError, EngineRefusedError) as error:
            raise ServersUnknownError(str(error)) from error
        return {
            entry["Id"]: Owner(labels.get(LABEL_USER, ""), labels.get(LABEL_SERVER, ""))
            for entry in found
            if (labels := entry.get("Labels") or {})
        }

    return servers
