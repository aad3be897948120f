"""An agent that publishes, with its own homes and shelf, asked as the console asks it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from agent.app import make_app
from agent.checks import Checks
from agent.publications import Publications
from agent.servers import ServersUnknownError
from agent.versions import Versions
from console.agent import Agent
from tests.utils.published import Library

HUBS, TOKEN = "h" * 40, "p" * 40


@dataclass
class PublishingAgent:
    """Everything below ``root``; ``down``: it answers nobody. ``asked``: how often it was.

    ``mounted``: what servers have; None: its engine does not answer.
    """

    root: Path
    publications: Publications
    library: Library
    checks: Checks
    down: bool = False
    asked: int = 0
    mounted: set[tuple[str, str]] | None = field(default_factory=set)

    def agent(self) -> Agent:
        """Return a console's own way to it."""
        app = make_app(
            self.root,
            HUBS,
            publications=self.publications,
            publisher=TOKEN,
            versions=Versions(self.root / "datasets", self.servers),
            checks=self.checks,
        )
        inside = httpx.ASGITransport(app)
        return Agent("http://agent", TOKEN, _Switched(self, inside))

    def servers(self) -> set[tuple[str, str]]:
        """Return name and digest of what servers have."""
        if self.mounted is None:
            raise ServersUnknownError("the engine does not answer")
        return self.mounted

    def folder(self, user: str, name: str, files: int = 3) -> Path:
        """Make a folder of somebody's home with files in it, and return it."""
        made = self.root / "homes" / user / name
        made.mkdir(parents=True)
        for number in range(files):
            (made / f"{number}.png").write_bytes(os.urandom(1000))
        return made

    def home(self, user: str, name: str) -> dict[str, str]:
        """Return a folder of somebody's home as the source that the agent makes of it."""
        path = str(self.root / "homes" / user)
        return {"kind": "home", "user": user, "path": path, "below": name}


class _Switched(httpx.AsyncBaseTransport):
    def __init__(self, agent: PublishingAgent, inside: httpx.AsyncBaseTransport) -> None:
        self._agent, self._inside = agent, inside

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._agent.asked += 1
        if self._agent.down:
            raise httpx.ConnectError("nobody listens", request=request)
        return await self._inside.handle_async_request(request)


@contextmanager
def publishing_agent(root: Path) -> Iterator[PublishingAgent]:
    """Give an agent below ``root``, whose workers end with it."""
    library = Library.at(root)
    publications = Publications(root / "datasets")
    publications.open()
    checks = Checks(root / "datasets")
    try:
        yield PublishingAgent(root, publications, library, checks)
    finally:
        publications.close()
        checks.close()
        library.catalog.store.close()
