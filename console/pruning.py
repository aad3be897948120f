"""Removing the files of retired versions from the console: what nobody has any more.

The agent knows what is in use and the console what is retired. First the agent is asked, then the
row is written, then the files go: cut short, they are files without a version, which ``room dataset
prune`` removes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from console.agent import Agent
from console.desk import Desk
from console.guard import ForbiddenError, Visit
from console.viewer import who_of
from room.datasets import rights
from room.datasets.catalog import Catalog
from room.datasets.model import NoSuchDatasetError, Version
from room.datasets.names import Reference


@dataclass(frozen=True, slots=True)
class Removed:
    """``kept``: what a server has, or is being published, or was restored meanwhile."""

    versions: tuple[Reference, ...] = ()
    kept: tuple[Reference, ...] = ()


class Pruning:
    """Without an agent nothing is removed from here."""

    def __init__(self, desk: Desk, agent: Agent | None) -> None:
        self._desk, self._agent = desk, agent

    async def prunable(self, visit: Visit, older_than: timedelta) -> list[tuple[str, Version]]:
        """Return what somebody may remove, of what was retired longer ago than that."""
        if self._agent is None or not who_of(visit.viewer).publishes:
            return []
        return await self._desk.run(self._prunable, visit, older_than)

    async def all(self, visit: Visit, older_than: timedelta) -> Removed:
        """Remove all of it. Raises ``AgentError``: nobody can tell now what is in use."""
        return await self._remove(visit, await self.prunable(visit, older_than))

    async def one(self, visit: Visit, name: str, number: int) -> Removed:
        """Remove one retired version's files. Raises ``ForbiddenError``, ``NoSuchDatasetError``."""
        found = await self.prunable(visit, timedelta(0))
        mine = [each for each in found if (each[0], each[1].number) == (name, number)]
        if not mine:
            raise ForbiddenError
        return await self._remove(visit, mine)

    async def _remove(self, visit: Visit, chosen: Iterable[tuple[str, Version]]) -> Removed:
        if self._agent is None:
            raise ForbiddenError
        looked_at, in_use = await self._agent.in_use()
        gone, kept = [], []
        for name, version in chosen:
            what = Reference(name, version.number)
            try:
                if (name, version.digest) in in_use:
                    raise NoSuchDatasetError
                last = await self._desk.run(self._catalog(visit).pruned, what)
            except NoSuchDatasetError:
                kept.append(what)
                continue
            gone.append(what)
            if last:
                await self._agent.remove(name, version.digest, looked_at)
        return Removed(tuple(gone), tuple(kept))

    def _prunable(self, visit: Visit, older_than: timedelta) -> list[tuple[str, Version]]:
        catalog, who = self._catalog(visit), who_of(visit.viewer)
        managed = {each.name for each in catalog.all() if rights.manages(who, each)}
        return [each for each in catalog.prunable(older_than) if each[0] in managed]

    def _catalog(self, visit: Visit) -> Catalog:
        return Catalog(
            self._desk.store,
            actor=visit.viewer.login,
            origin=visit.origin,
            clock=self._desk.plans.clock,
        )
