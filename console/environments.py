"""Environments in the console: what a class's instructors are told of theirs, and may change.

Nothing here checks who asks: the pages and the JSON interface do, by the same act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from console.agent import AgentError, GoneError
from console.builder import GONE, SILENT, Builder
from console.desk import Desk
from console.environment_lookout import EnvironmentLookout
from console.guard import Visit
from room.environments import requirements
from room.environments.book import Environments as Book
from room.environments.lock import Package, packages_in
from room.environments.model import Build, Environment
from room.models import Reject


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is of a class. ``builds`` None: nobody can tell now.

    ``outdated``: what holds lies on an image that the room had before.
    """

    holds: Environment | None
    former: tuple[Environment, ...]
    builds: tuple[Build, ...] | None
    logs: Mapping[str, str]
    outdated: bool = False

    @property
    def packages(self) -> tuple[Package, ...]:
        return () if self.holds is None else packages_in(self.holds.lock)

    @property
    def written(self) -> str:
        """Return what somebody wrote last: for a build that is not over or failed, or holds."""
        asked = [each.requirements for each in self.builds or () if not each.replaces]
        holds = self.holds.requirements if self.holds is not None else ""
        return asked[-1] if asked else holds

    @property
    def moving(self) -> bool:
        """Say whether something goes on by itself, so that looking again is of use."""
        return any(each.state != "failed" for each in self.builds or ())


class Environments:
    """Without a builder nothing is built from here, and what is there is shown all the same."""

    def __init__(self, desk: Desk, builder: Builder | None) -> None:
        self.desk = desk
        self._builder = builder
        self.lookout = EnvironmentLookout(builder, desk) if builder is not None else None

    async def get(self, visit: Visit, name: str) -> Shown:
        """Return what a class has, had, and is being built."""
        holds, former = await self.desk.run(self._book(visit).of, name)
        try:
            builds = await self._builds(name)
            logs = {each.id: await self._log(each.id) for each in builds}
        except AgentError:
            return Shown(holds, tuple(former), None, {})
        known = self.lookout.images if self.lookout is not None else None
        outdated = holds is not None and known is not None and known.base not in ("", holds.base)
        return Shown(holds, tuple(former), builds, logs, outdated)

    async def build(self, visit: Visit, name: str, text: str) -> Build:
        """Ask for an environment of these requirements. Raises ``ValueError``, ``AgentError``."""
        wanted = requirements.read(text)
        if isinstance(wanted, Reject):
            raise ValueError(wanted.message)
        build = await self._asked().begin(name, visit.viewer.login, text)
        self._wake()
        return build

    async def cancel(self, visit: Visit, name: str, identity: str) -> None:
        """Stop a build, or put away one that failed. Raises ``GoneError``, ``AgentError``."""
        if not any(each.id == identity for each in await self._builds(name)):
            raise GoneError(GONE)
        await self._asked().remove(identity)
        self._wake()

    async def go_back(self, visit: Visit, name: str, number: int) -> None:
        """Let a class have a former one. Raises ``NoSuchEnvironmentError``."""
        await self.desk.run(self._book(visit).go_back, name, number)
        self._wake()

    async def switch_off(self, visit: Visit, name: str) -> None:
        """Let a class start with the room's image. Raises ``NoSuchEnvironmentError``."""
        await self.desk.run(self._book(visit).switch_off, name)

    # -- parts -------------------------------------------------------------------------------

    def _book(self, visit: Visit) -> Book:
        return Book(
            self.desk.store,
            actor=visit.viewer.login,
            origin=visit.origin,
            clock=self.desk.plans.clock,
        )

    async def _builds(self, name: str) -> tuple[Build, ...]:
        found = await self._asked().builds()
        return tuple(each for each in found if each.class_name == name)

    async def _log(self, identity: str) -> str:
        try:
            return await self._asked().log(identity)
        except GoneError:
            return ""

    def _asked(self) -> Builder:
        if self._builder is None:
            raise AgentError(SILENT)
        return self._builder

    def _wake(self) -> None:
        if self.lookout is not None:
            self.lookout.wake()
