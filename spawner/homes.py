"""A user's home as a volume: the directory from the agent, the owner checked before mounting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from engine.client import Engine
from room import names
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER

#: The agent answers from memory and one mkdir; longer means that it is not there.
AGENT_TIMEOUT = 10.0


class HomeUnavailableError(Exception):
    """The home cannot be mounted; the message says why, for the admin's log."""


class AgentClient:
    """Asks the agent at ``url`` (``http://agent:8010``) with the token in ``token_file``."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file

    async def home(self, user: str) -> str:
        """Return the path of the user's home directory on the engine's host."""
        request = HTTPRequest(
            f"{self._url}/v1/homes",
            method="POST",
            headers={
                "Authorization": f"Bearer {self._token_file.read_text().strip()}",
                "Content-Type": "application/json",
            },
            body=json.dumps({"user": user}),
            request_timeout=AGENT_TIMEOUT,
            connect_timeout=AGENT_TIMEOUT,
        )
        try:
            response = await AsyncHTTPClient().fetch(request)
        except HTTPClientError as error:
            said = error.response.body.decode("utf-8", "replace") if error.response else str(error)
            raise HomeUnavailableError(f"the agent refused a home for {user}: {said}") from error
        except OSError as error:
            raise HomeUnavailableError(f"the agent does not answer: {error}") from error
        return str(json.loads(response.body)["path"])


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
