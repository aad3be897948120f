"""Lets classes have what the agent has built for them, and keeps that up with the room's image.

The agent knows no database, and the console no engine. A build makes one row however often that is
asked, so that whoever is cut short between the row and the forgetting goes on.
"""

from __future__ import annotations

from contextlib import suppress

from console import viewer
from console.agent import GoneError
from console.builder import Builder, Images
from console.desk import Desk
from console.lookout import Lookout
from room.environments.book import Environments
from room.environments.lock import pins_of
from room.environments.model import Build
from room.environments.upkeep import due

#: For the audit: nobody's page did it.
ORIGIN = "console"


class EnvironmentLookout(Lookout):
    """One of these per console."""

    def __init__(self, builder: Builder, desk: Desk) -> None:
        super().__init__()
        self._builder, self._desk = builder, desk
        #: As the agent told last; None: it has not yet.
        self.images: Images | None = None

    async def look(self) -> bool:
        builds = await self._builder.builds()
        for each in builds:
            if each.state == "built":
                await self._desk.run(self._announce, each)
                with suppress(GoneError):
                    await self._builder.remove(each.id)
        self.images = images = await self._builder.images()
        book = self._book("")
        begun = 0
        for environment in due(
            await self._desk.run(book.in_force), images.base, images.tags, builds
        ):
            with suppress(ValueError):
                await self._builder.begin(
                    environment.class_name,
                    environment.built_by,
                    environment.requirements,
                    environment.id,
                    pins_of(environment.lock),
                )
                begun += 1
        await self._builder.keep(await self._desk.run(book.kept))
        return begun > 0 or any(not each.over for each in builds)

    def _book(self, actor: str) -> Environments:
        return Environments(
            self._desk.store, actor=actor, origin=ORIGIN, clock=self._desk.plans.clock
        )

    def _announce(self, build: Build) -> None:
        """Let a class have it, unless whoever asked for it may not build for it by now."""
        # What is built anew for the room's new image nobody asked for.
        if not build.replaces and not self._may(build):
            self._log.warning(
                "%s may not build for %s any more: %s", build.actor, build.class_name, build.tag
            )
        elif self._book(build.actor).announce(build):
            self._log.info("%s has %s, by %s", build.class_name, build.tag, build.actor)

    def _may(self, build: Build) -> bool:
        person = self._desk.people.find(build.actor)
        actor = viewer.of(build.actor, person, self._desk.plans.clock())
        return actor is not None and actor.may("publish", build.class_name)
