"""A user's home as a volume: the directory from the agent, the owner checked before mounting."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from engine.client import Engine
from room import homeuse, names
from room.homeuse import HomeUse
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER
from spawner.agent import AgentSilentError

#: The agent answers from memory and one mkdir; longer means that it is not there.
AGENT_TIMEOUT = 10.0


class HomeUnavailableError(Exception):
    """The home cannot be mounted; the message says why, for the admin's log."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A home on the engine's host. ``unlimited``: why its hard limit is not held; empty: it is."""

    path: str
    unlimited: str = ""


class AgentClient:
    """Asks the agent at ``url`` (``http://agent:8010``) with the token in ``token_file``."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file

    async def home(self, user: str, soft: int = 0, hard: int = 0) -> Opened:
        """Return the user's home directory, with its limits set: bytes, 0 for none."""
        request = self._request("/v1/homes", {"user": user, "soft": soft, "hard": hard})
        try:
            response = await AsyncHTTPClient().fetch(request)
        except HTTPClientError as error:
            said = error.response.body.decode("utf-8", "replace") if error.response else str(error)
            raise HomeUnavailableError(f"the agent refused a home for {user}: {said}") from error
        except OSError as error:
            raise HomeUnavailableError(f"the agent does not answer: {error}") from error
        told = json.loads(response.body)
        return Opened(str(told["path"]), str(told["why"]) if hard else "")

    async def use(self, user: str, patience: float = 0.0) -> HomeUse | None:
        """Return how full a home is; None: there is none yet.

        ``patience``: seconds that the agent may take to measure it anew. Raises
        ``AgentSilentError``.
        """
        request = self._request(f"/v1/homes/{quote(user, safe='')}/usage?patience={patience:g}")
        try:
            return homeuse.loads((await AsyncHTTPClient().fetch(request)).body.decode())
        except (HTTPClientError, OSError, ValueError) as error:
            if isinstance(error, HTTPClientError) and error.code == 404:
                return None
            raise AgentSilentError(str(error)) from error

    def _request(self, path: str, body: dict[str, Any] | None = None) -> HTTPRequest:
        return HTTPRequest(
            f"{self._url}{path}",
            method="GET" if body is None else "POST",
            headers={
                "Authorization": f"Bearer {self._token_file.read_text().strip()}",
                "Content-Type": "application/json",
            },
            body=None if body is None else json.dumps(body),
            request_timeout=AGENT_TIMEOUT,
            connect_timeout=AGENT_TIMEOUT,
        )


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
