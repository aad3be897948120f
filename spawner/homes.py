"""A user's home as a volume: the directory from the agent, the owner checked before mounting."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.client import Engine
from room import homeuse, names
from room.classdirs import ClassDir
from room.doctor import live
from room.doctor.live import Host
from room.homeuse import HomeUse
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER
from spawner.agent import (
    HOMES,
    LOOKS,
    MEASURES,
    TIMEOUT,
    AgentRefusedError,
    AgentSilentError,
    ask,
)

#: The agent answers from memory and one mkdir; longer means that it is not there.
AGENT_TIMEOUT = 10.0


class HomeUnavailableError(Exception):
    """The home cannot be mounted; the message says why, for the admin's log."""


@dataclass(frozen=True, slots=True)
class ClassAsk:
    """The class folders that are opened beside a home, and their limits: bytes, 0 for none."""

    classes: tuple[ClassDir, ...] = ()
    folder: int = 0
    hand_in: int = 0


@dataclass(frozen=True, slots=True)
class OpenedClass:
    """A class's directories on the engine's host; ``problem`` says why there are none.

    ``why``: why a limit is not held; empty: it is.
    """

    class_name: str
    folder: str
    hand_in: str
    problem: str
    why: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A home on the engine's host. ``unlimited``: why its hard limit is not held; empty: it is."""

    path: str
    unlimited: str = ""
    classes: tuple[OpenedClass, ...] = ()


class AgentClient:
    """Asks the agent at ``url`` (``http://agent:8010``) with the token in ``token_file``."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file

    async def home(
        self, user: str, soft: int = 0, hard: int = 0, ask_for: ClassAsk | None = None
    ) -> Opened:
        """Return the user's home directory, with its limits set: bytes, 0 for none.

        Class folders are opened with it, in one question: so a start asks the agent once.
        """
        asked: dict[str, Any] = {"user": user, "soft": soft, "hard": hard}
        if ask_for is not None and ask_for.classes:
            classes = [
                {"class_name": each.class_name, "hand_in": each.hand_in} for each in ask_for.classes
            ]
            asked |= {"classes": classes, "folder": ask_for.folder, "hand_in": ask_for.hand_in}
        body = json.dumps(asked).encode()
        try:
            said = await ask(
                HOMES, f"{self._url}/v1/homes", self._token_file, body=body, timeout=AGENT_TIMEOUT
            )
        except AgentRefusedError as error:
            raise HomeUnavailableError(f"the agent refused a home for {user}: {error}") from error
        except AgentSilentError as error:
            raise HomeUnavailableError(f"the agent does not answer: {error}") from error
        told = json.loads(said)
        return Opened(
            str(told["path"]),
            str(told["why"]) if hard else "",
            tuple(OpenedClass(**each) for each in told["classes"]),
        )

    async def use(self, user: str, patience: float = 0.0) -> HomeUse | None:
        """Return how full a home is; None: there is none yet.

        ``patience``: seconds that the agent may take to measure it anew. Raises
        ``AgentSilentError``.
        """
        url = f"{self._url}/v1/homes/{quote(user, safe='')}/usage?patience={patience:g}"
        try:
            said = await ask(MEASURES, url, self._token_file, timeout=AGENT_TIMEOUT)
            return homeuse.loads(said)
        except AgentRefusedError as error:
            if error.status == 404:
                return None
            raise AgentSilentError(str(error)) from error
        except ValueError as error:
            raise AgentSilentError(str(error)) from error

    async def host(self) -> Host:
        """Return what the agent sees of its host. Raises ``AgentSilentError``."""
        try:
            said = await ask(LOOKS, f"{self._url}/v1/host", self._token_file, timeout=TIMEOUT)
            return live.loads_host(said)
        except (AgentRefusedError, ValueError) as error:
            raise AgentSilentError(str(error)) from error


async def home_volume(engine: Engine, room: str, user: str, path: str) -> str:
    """Return the name of the volume that binds ``path``, checked to be this user's.

    A volume under that name which another room, another user or another
    directory has is never mounted (invariant 3).
    """
    name = names.home_volume(room, user)
    labels = {LABEL_ROOM: room, LABEL_KIND: "home", LABEL_USER: user}
    options = {"type": "none", "o": "bind", "device": path}
    found = await engine.volume(name, options, labels)
    wrong = _difference(found, labels, options)
    if wrong:
        raise HomeUnavailableError(f"volume {name} is not {user}'s home: {wrong}")
    return name


def _difference(volume: dict[str, Any], labels: dict[str, str], options: dict[str, str]) -> str:
    for kind, expected, actual in (
        ("label", labels, volume.get("Labels") or {}),
        ("option", options, volume.get("Options") or {}),
    ):
        for key, value in expected.items():
            if actual.get(key) != value:
                return f"its {kind} {key} is {actual.get(key)!r} instead of {value!r}"
    return ""
