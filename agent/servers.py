"""The room's servers on this host, by container, as their labels say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from engine import datasets
from engine.client import Engine, EngineRefusedError, EngineUnavailableError
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_SERVER, LABEL_USER, Owner

T = TypeVar("T")

#: Seconds that the engine may take to list containers; the next snapshot asks it again.
ENGINE_TIMEOUT = 5


class ServersUnknownError(Exception):
    """The engine does not say which servers there are; the message says why."""


def lister(socket: str, room: str) -> Callable[[], Mapping[str, Owner]]:
    """Return a function that lists the servers of ``room`` at the engine's ``socket``."""
    engine = Engine.at(f"unix://{socket}", threads=1, timeout=ENGINE_TIMEOUT)

    def servers() -> Mapping[str, Owner]:
        found = _asked(engine.containers({LABEL_ROOM: room, LABEL_KIND: "server"}))
        return {
            entry["Id"]: Owner(labels.get(LABEL_USER, ""), labels.get(LABEL_SERVER, ""))
            for entry in found
            if (labels := entry.get("Labels") or {})
        }

    return servers


def mounter(socket: str, room: str) -> Callable[[], set[tuple[str, str]]]:
    """Return a function that tells which versions of datasets the servers of ``room`` have."""
    engine = Engine.at(f"unix://{socket}", threads=1, timeout=ENGINE_TIMEOUT)
    return lambda: _asked(datasets.mounted(engine, room))


def _asked(question: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(question)
    except (EngineUnavailableError, EngineRefusedError) as error:
        raise ServersUnknownError(str(error)) from error
