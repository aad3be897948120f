"""Makes visible what the agent has stored: the agent knows no database, and the console no files.

Two steps: the version's row, then the agent forgets the publication. A publication makes one row
however often that is asked, so that whoever is cut short between the two goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from console import viewer
from console.agent import Agent, GoneError, Publication
from console.desk import Desk
from console.lookout import Lookout
from console.viewer import who_of
from room.datasets import rights
from room.datasets.catalog import Catalog
from room.datasets.manifest import Summary
from room.datasets.model import NoSuchDatasetError
from room.models import Reject
from room.said import said

#: For the audit: nobody's page did it.
ORIGIN = "console"


class Announcer(Lookout):
    """One of these per console."""

    def __init__(self, agent: Agent, desk: Desk) -> None:
        super().__init__()
        self._agent = agent
        self._desk = desk
        #: Who else is told what there is, before any of it is forgotten.
        self.listeners: list[Callable[[list[Publication]], Awaitable[None]]] = []

    async def look(self) -> bool:
        """Announce what is stored; say whether anything is under way still."""
        busy = False
        found = left = await self._agent.publications()
        await self._tell(found)
        for each in found:
            if not each.ours:
                continue
            busy = busy or (each.state == "gathering" and not each.stopped)
            if each.state == "stored" and await self._desk.run(self._announce, each) is None:
                with suppress(GoneError):
                    await self._agent.forget(each.id)
                left = [other for other in left if other is not each]
        if left != found:
            await self._tell(left)
        return busy

    async def _tell(self, publications: list[Publication]) -> None:
        for listener in self.listeners:
            await listener(publications)

    def _announce(self, publication: Publication) -> Reject | None:
        """Write a version's row, unless whoever asked for it may not publish it by now."""
        catalog = Catalog(
            self._desk.store,
            actor=publication.actor,
            origin=ORIGIN,
            clock=self._desk.plans.clock,
        )
        if catalog.made_by(publication.id) is not None:
            return None
        refused = refusal(self._desk, catalog, publication)
        if refused is not None:
            return refused
        made = catalog.publish(
            publication.name,
            Summary(publication.digest, publication.size, publication.files),
            publication.about,
            publication.classes,
            job=publication.id,
            shape=publication.shape,
        )
        self._log.info("%s@%s is published by %s", made.name, made.version.number, catalog.actor)
        return None


def refusal(desk: Desk, catalog: Catalog, publication: Publication) -> Reject | None:
    """Say why a publication may not become a version, as things are now.

    While it was copied somebody else may have taken its name, and its actor may have lost a class.
    Reads the database.
    """
    person = desk.people.find(publication.actor)
    actor = viewer.of(publication.actor, person, desk.plans.clock())
    if actor is None:
        return Reject("out", said("%(who)s may not come in any more.", who=publication.actor))
    try:
        known = catalog.get(publication.name)
    except NoSuchDatasetError:
        known = None
    return rights.publish(who_of(actor), publication.name, publication.classes, known)
