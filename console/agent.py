"""The agent, as the console asks it of datasets: publications, and versions that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from room.datasets.model import About
from room.datasets.readme import Shape
from room.said import said

#: Seconds the agent may take to answer.
TIMEOUT = 10.0

SILENT = said("The room cannot look at what is being published right now. Try again in a minute.")

UNKNOWN = said(
    "The room cannot tell right now which versions servers have, so nothing was removed. "
    "Try again in a minute."
)


class AgentError(Exception):
    """The agent does not answer, or refuses. ``words`` are for people."""

    def __init__(self, words: str = SILENT) -> None:
        super().__init__(words)
        self.words = words


class GoneError(LookupError):
    """There is no such publication any more."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What the agent says of one that is not in the room's database yet.

    Sizes in bytes, ``rate`` in bytes a second, ``left`` in seconds; a ``total`` of 0 and a ``left``
    of None: nobody can tell yet. ``ours``: the agent itself works on it, and no command.
    ``state``: gathering | stored | failed.
    """

    id: str
    name: str
    actor: str
    kind: str
    #: Of whom it is fetched, where that is so, with nothing that lets anybody in.
    addresses: tuple[str, ...]
    ours: bool
    about: About
    classes: tuple[str, ...]
    state: str
    why: str
    running: bool
    waiting: bool
    done: int
    total: int
    rate: float
    left: float | None
    digest: str
    size: int
    files: int
    shape: Shape
    #: The upload that it is made of, if it is.
    upload: str = ""

    @property
    def stopped(self) -> bool:
        """Say whether nobody goes on with it unless somebody asks."""
        if self.running or self.waiting:
            return False
        # What a command has stored, the console does not announce.
        return self.state != "stored" or not self.ours


@dataclass(frozen=True, slots=True)
class Check:
    """A version that is read through: ``agent.checks.Check``."""

    id: str
    name: str
    number: int
    digest: str
    actor: str
    state: str
    done: int
    damaged: int

    @property
    def over(self) -> bool:
        return self.state in ("read", "lost", "failed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be published under a name for classes. ``source``: as the agent takes it."""

    name: str
    actor: str
    source: Mapping[str, Any]
    classes: tuple[str, ...]
    about: About


class Link:
    """The way to the agent. ``url`` such as ``http://agent:8010``.

    ``token`` is the one for publications. ``silent``: what is said while it does not answer.
    """

    silent = SILENT

    def __init__(
        self, url: str, token: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            transport=transport,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(
        self, method: str, path: str, body: Any = None, timeout: float = TIMEOUT
    ) -> httpx.Response:
        """Return its answer, whichever it is. Raises ``AgentError`` where there is none."""
        try:
            return await self._http.request(method, f"/v1/{path}", json=body, timeout=timeout)
        except httpx.HTTPError as error:
            raise AgentError(self.silent) from error


class Agent(Link):
    """What the console asks it of datasets."""

    async def publications(self) -> list[Publication]:
        """Return those that are under way, wait, or stopped, oldest first."""
        return [_publication(each) for each in await self._ask("GET", "")]

    async def begin(self, wanted: Wanted) -> Publication:
        """Begin to publish. Raises ``ValueError`` for what the agent does not take."""
        body = {
            "name": wanted.name,
            "actor": wanted.actor,
            "source": dict(wanted.source),
            "classes": list(wanted.classes),
            "description": wanted.about.description or "",
            "licence": wanted.about.licence or "",
            "origin": wanted.about.source or "",
        }
        return _publication(await self._ask("POST", "", body))

    async def again(self, identity: str, given: Mapping[str, Any] | None = None) -> None:
        """Go on with one that stopped; ``given``: its addresses, with what lets the room in.

        Raises ``GoneError``.
        """
        await self._ask("POST", f"/{identity}/again", given and dict(given))

    async def cancel(self, identity: str) -> None:
        """Stop one and remove what it made, at once or within a second. Raises ``GoneError``."""
        await self._ask("DELETE", f"/{identity}")

    async def forget(self, identity: str) -> None:
        """Remove what is left of one that is in the room's database, or is not to come there."""
        await self._ask("DELETE", f"/{identity}?published=true")

    async def checks(self) -> list[Check]:
        """Return the versions that are being read through, or were and are not written down."""
        return [Check(**each) for each in await self._ask("GET", "", of="checks")]

    async def check(self, name: str, number: int, digest: str, actor: str) -> None:
        """Have a version read through."""
        body = {"name": name, "number": number, "digest": digest, "actor": actor}
        await self._ask("POST", "", body, of="checks")

    async def forget_check(self, identity: str) -> None:
        """Let the agent forget one that is written down."""
        await self._ask("DELETE", f"/{identity}", of="checks")

    async def in_use(self) -> tuple[int, set[tuple[str, str]]]:
        """Return name and digest of the versions that are in use, and as of when that holds.

        Raises ``AgentError`` also when the engine does not answer the agent.
        """
        try:
            found = await self._ask("GET", "/in-use", of="versions")
        except (AgentError, GoneError) as error:
            raise AgentError(UNKNOWN) from error
        return found["looked_at"], {(name, digest) for name, digest in found["versions"]}

    async def remove(self, name: str, digest: str, looked_at: int) -> None:
        """Remove the files of a version that was not in use at that time."""
        body = {"name": name, "digest": digest, "looked_at": looked_at}
        await self._ask("POST", "/remove", body, of="versions")

    async def _ask(
        self, method: str, path: str, body: Any = None, *, of: str = "publications"
    ) -> Any:
        answer = await self.send(method, f"{of}{path}", body)
        if answer.status_code == 404 and path:
            raise GoneError(said("This publication is over, or was cancelled."))
        if answer.status_code == 409:
            raise GoneError(said("This publication is over: what it made is a version by now."))
        if answer.status_code == 422:
            raise ValueError(said("The room does not take this publication: check each field."))
        if answer.status_code >= 400:
            raise AgentError
        return answer.json()


def _publication(found: Mapping[str, Any]) -> Publication:
    about = found["about"]
    return Publication(
        id=str(found["id"]),
        name=str(found["name"]),
        actor=str(found["actor"]),
        kind=str(found["kind"]),
        addresses=tuple(map(str, found["addresses"])),
        ours=bool(found["ours"]),
        # What is empty was not said, and leaves what is said of the dataset as it is.
        about=About(
            about.get("description") or None,
            about.get("licence") or None,
            about.get("source") or None,
        ),
        classes=tuple(found["classes"]),
        state=str(found["state"]),
        why=str(found["why"]),
        running=bool(found["running"]),
        waiting=bool(found["waiting"]),
        done=int(found["done"]),
        total=int(found["total"]),
        rate=float(found["rate"]),
        left=found["left"],
        digest=str(found["digest"]),
        size=int(found["size"]),
        files=int(found["files"]),
        shape=Shape(found["shape"], str(found["example"])),
        # An agent of an older release knows of none.
        upload=str(found.get("upload", "")),
    )
