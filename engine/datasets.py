"""Which datasets are in use: what the containers of a room's servers say of themselves."""

from __future__ import annotations

from engine.client import Engine
from room.datasets.names import from_label
from room.models import LABEL_DATASETS, LABEL_KIND, LABEL_ROOM


async def mounted(engine: Engine, room: str) -> set[tuple[str, str]]:
    """Return name and digest of every version that a container has, running or not.

    One that was only made mounts its versions when it starts.
    """
    found = await engine.containers({LABEL_ROOM: room, LABEL_KIND: "server"})
    return {
        each
        for container in found
        for each in from_label((container.get("Labels") or {}).get(LABEL_DATASETS, ""))
    }
