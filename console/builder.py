"""The agent, as the console asks it for environments of classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from console.agent import TIMEOUT, AgentError, GoneError, Link
from room.environments.model import Build, from_dict
from room.said import said

#: Seconds that removing images may take.
PATIENCE = 120.0

SILENT = said("The room cannot look at what is being built right now. Try again in a minute.")
BUSY = said(
    "An environment is being built for this class already. Wait until that is done, or cancel it."
)
GONE = said("This build is over, or was cancelled.")


@dataclass(frozen=True, slots=True)
class Images:
    """``base``: the engine's id of the room's image, empty where it has none; ``tags``: built."""

    base: str
    tags: frozenset[str]


class Builder(Link):
    """What the console asks it of builds."""

    silent = SILENT

    async def builds(self) -> list[Build]:
        """Return those that are under way, or over and not forgotten, oldest first."""
        return [from_dict(each) for each in await self._ask("GET", "")]

    async def images(self) -> Images:
        found = await self._ask("GET", "/images")
        return Images(str(found["base"]), frozenset(found["tags"]))

    async def begin(
        self, class_name: str, actor: str, requirements: str, replaces: int = 0, pins: str = ""
    ) -> Build:
        """Ask for a build. Raises ``ValueError`` in words where one is under way."""
        body = {
            "class_name": class_name,
            "actor": actor,
            "requirements": requirements,
            "replaces": replaces,
            "pins": pins,
        }
        return from_dict(await self._ask("POST", "", body))

    async def log(self, identity: str) -> str:
        """Return the end of what a build said. Raises ``GoneError``."""
        return str((await self._ask("GET", f"/{identity}/log"))["log"])

    async def remove(self, identity: str) -> None:
        """Cancel a build, or forget one that is over. Raises ``GoneError``."""
        await self._ask("DELETE", f"/{identity}")

    async def keep(self, tags: Collection[str]) -> None:
        """Say which images are still anybody's: the others go."""
        await self._ask("PUT", "/kept", {"tags": sorted(tags)}, PATIENCE)

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        answer = await self.send(method, f"environments{path}", body, timeout)
        if answer.status_code == 404 and method in ("DELETE", "GET") and len(path) > len("/images"):
            raise GoneError(GONE)
        if answer.status_code == 409:
            raise ValueError(BUSY)
        if answer.status_code >= 400:
            raise AgentError(SILENT)
        return answer.json()
