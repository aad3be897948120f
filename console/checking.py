"""Having versions read through from the console: the agent reads, and the console writes down."""

from __future__ import annotations

from collections.abc import Mapping

from console.agent import Agent, AgentError, Check
from console.desk import Desk
from console.guard import ForbiddenError, Visit
from console.lookout import Lookout
from console.viewer import who_of
from room.datasets import rights
from room.datasets.catalog import Catalog
from room.datasets.model import NoSuchDatasetError, Version
from room.datasets.names import Reference

#: For the audit: who asked is its actor, and nobody's page wrote it.
ORIGIN = "console"


class Checking(Lookout):
    """One of these per console."""

    def __init__(self, agent: Agent, desk: Desk) -> None:
        super().__init__()
        self._agent, self._desk = agent, desk

    async def begin(self, visit: Visit, name: str, number: int) -> None:
        """Have a version read through. Raises ``ForbiddenError``, ``AgentError``."""
        version = await self._desk.run(self._managed, visit, name, number)
        if version is None:
            raise ForbiddenError
        await self._agent.check(name, number, version.digest, visit.viewer.login)
        self.wake()

    async def under_way(self, name: str) -> Mapping[int, Check] | None:
        """Return what waits or is being read of a dataset, by number; None: nobody can tell."""
        try:
            found = await self._agent.checks()
        except AgentError:
            return None
        return {each.number: each for each in found if each.name == name and not each.over}

    async def look(self) -> bool:
        """Write down what was read; say whether anything is under way still."""
        busy = False
        for each in await self._agent.checks():
            if not each.over:
                busy = True
                continue
            await self._desk.run(self._write, each)
            await self._agent.forget_check(each.id)
        return busy

    def _write(self, check: Check) -> None:
        if check.state == "failed":
            self._log.warning("%s@%s could not be read through", check.name, check.number)
            return
        catalog = Catalog(
            self._desk.store, actor=check.actor, origin=ORIGIN, clock=self._desk.plans.clock
        )
        try:
            if catalog.get(check.name).version(check.number).pruned_at is None:
                what = Reference(check.name, check.number)
                catalog.verified(what, check.damaged if check.state == "read" else None)
        except NoSuchDatasetError:
            self._log.warning("%s@%s is gone since it was read", check.name, check.number)

    def _managed(self, visit: Visit, name: str, number: int) -> Version | None:
        """Return a version that has files, and that is somebody's to have read through."""
        catalog = Catalog(self._desk.store, actor=visit.viewer.login, origin=visit.origin)
        try:
            known = catalog.get(name)
            version = known.version(number)
        except NoSuchDatasetError:
            return None
        mine = rights.manages(who_of(visit.viewer), known)
        return version if mine and version.pruned_at is None else None
