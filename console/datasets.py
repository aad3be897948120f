"""Datasets in the console: what somebody is told of them, and what they may change.

Who may do what is in ``room.datasets.rights``. What is not somebody's to know of is not there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from console.agent import Agent, GoneError, Publication, Wanted
from console.announcer import Announcer, refusal
from console.dataset_sources import NOTHING, Origin, source, url
from console.desk import Desk
from console.guard import ForbiddenError, Visit, require
from console.viewer import who_of
from room import access
from room.datasets import addresses, rights
from room.datasets.addresses import Rules
from room.datasets.catalog import Catalog
from room.datasets.model import EVERYONE, About, Dataset, NoSuchDatasetError
from room.datasets.names import Reference, normalize
from room.datasets.rights import UnderWay, Who
from room.models import Reject
from room.roster import normalize_class
from room.said import said


@dataclass(frozen=True, slots=True)
class Told:
    """A dataset, and whether who is told of it may change it.

    ``classes``: those it is for, of which a reader is told no others than their own.
    """

    dataset: Dataset
    manages: bool
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A publication that is no version yet. ``refused``: why it may become none."""

    publication: Publication
    refused: str = ""

    @property
    def moving(self) -> bool:
        """Say whether it goes on by itself, so that looking again is of use."""
        return not self.publication.stopped and not self.refused


@dataclass(frozen=True, slots=True)
class Fields:
    """What a form or a program says of a dataset."""

    name: str = ""
    origin: Origin = NOTHING
    classes: tuple[str, ...] = ()
    #: None leaves a word as it is.
    description: str | None = None
    licence: str | None = None
    source: str | None = None

    def about(self) -> About:
        return rights.about(self.description, self.licence, self.source)


class Datasets:
    """Without an agent nothing is published from here, and what is there is shown all the same."""

    def __init__(self, desk: Desk, agent: Agent | None, rules: Rules | None = None) -> None:
        self.desk, self.rules = desk, rules or Rules()
        self._agent = agent
        self.announcer = Announcer(agent, desk) if agent is not None else None
        #: Between the question whether a name is free, and its publication, comes no other.
        self._beginning = asyncio.Lock()

    # -- reading -----------------------------------------------------------------------------

    async def all(self, visit: Visit) -> list[Told]:
        """Return the datasets that somebody is told of, by name."""
        who = who_of(visit.viewer)
        found = await self.desk.run(self._catalog(visit).all)
        return [_told(who, each) for each in found if rights.sees(who, each)]

    async def get(self, visit: Visit, name: str) -> Told:
        """Return one of them. Raises ``ForbiddenError``, whether it is there or not."""
        who = who_of(visit.viewer)
        known = await self.desk.run(self._find, visit, name)
        if known is None or not rights.sees(who, known):
            raise ForbiddenError
        return _told(who, known)

    async def publications(self, visit: Visit) -> list[Row]:
        """Return somebody's publications that are no versions yet, or everybody's for an admin.

        Raises ``AgentError``.
        """
        if self._agent is None:
            return []
        mine = [each for each in await self._agent.publications() if _theirs(visit, each)]
        refused = await self.desk.run(self._refused, visit, mine)
        return [Row(each, refused.get(each.id, "")) for each in mine]

    def may_publish(self, visit: Visit) -> bool:
        return self._agent is not None and who_of(visit.viewer).publishes

    async def classes(self, visit: Visit) -> list[str]:
        """Return the classes that somebody may publish for, and everybody's where they may."""
        who = who_of(visit.viewer)
        if not who.admin:
            return sorted(who.teaches)
        return [EVERYONE, *await self.desk.run(self._sizes)]

    async def people(self, classes: Collection[str]) -> dict[str, int]:
        """Return how many people are in each of these classes."""
        sizes = await self.desk.run(self._sizes)
        return {name: sizes.get(name, 0) for name in classes if name != EVERYONE}

    # -- publishing --------------------------------------------------------------------------

    async def publish(self, visit: Visit, fields: Fields) -> Publication:
        """Begin to publish what is somebody's own. Raises ``ValueError`` in words."""
        agent = self._asked()
        wanted = Wanted(
            normalize(fields.name),
            visit.viewer.login,
            source(fields.origin, visit.viewer.login, self.rules),
            _classes(fields.classes),
            fields.about(),
        )
        async with self._beginning:
            await self._may(visit, wanted.name, wanted.classes)
            begun = await agent.begin(wanted)
        self._wake()
        return begun

    async def check(self, visit: Visit, fields: Fields) -> tuple[str, tuple[str, ...]]:
        """Return the name and the classes to publish for, if that would begin now.

        Raises ``ValueError`` in words, and ``AgentError``.
        """
        name, classes = normalize(fields.name), _classes(fields.classes)
        await self._may(visit, name, classes)
        return name, classes

    async def unwritten(self) -> int:
        """Return the bytes that publications have yet to write. Raises ``AgentError``."""
        found = await self._asked().publications()
        return sum(max(0, each.total - each.done) for each in found if each.state == "gathering")

    async def became(self, publication: str) -> bool:
        """Say whether a publication has become a version."""
        catalog = Catalog(self.desk.store, actor="console")
        return await self.desk.run(catalog.made_by, publication) is not None

    async def again(
        self, visit: Visit, identity: str, given: addresses.Wanted | None = None
    ) -> None:
        """Go on with one that stopped; ``given``: with what servers let the room in from now on.

        Raises ``GoneError``, ``ForbiddenError``, and ``ValueError`` in words.
        """
        publication = await self._own(visit, identity)
        told = None
        if given and given.says_anything:
            told = url(addresses.given_anew(given, publication.addresses), self.rules)
        if publication.ours:
            await self._asked().again(publication.id, told)
        self._wake()

    async def cancel(self, visit: Visit, identity: str) -> None:
        """Stop one and leave nothing of it. Raises ``GoneError``, ``ForbiddenError``."""
        publication = await self._own(visit, identity)
        stored = publication.state == "stored"
        refused = await self.desk.run(self._refused, visit, [publication]) if stored else {}
        if refused:
            # Its files are where versions are; without a row they go when the room is tidied.
            await self._asked().forget(publication.id)
        else:
            await self._asked().cancel(publication.id)
        self._wake()

    # -- changing ----------------------------------------------------------------------------

    async def describe(self, visit: Visit, name: str, fields: Fields) -> None:
        """Say anew what a dataset is. Raises ``ValueError`` in words."""
        known = await self._managed(visit, name)
        await self.desk.run(self._catalog(visit).describe, known.name, fields.about())

    async def share(self, visit: Visit, name: str, classes: Collection[str]) -> None:
        """Give a dataset to classes, from their next start on. Raises ``ValueError`` in words."""
        known = await self._managed(visit, name)
        classes = _classes(classes)
        _in_words(rights.share(who_of(visit.viewer), classes))
        await self.desk.run(self._catalog(visit).share, known.name, classes)

    async def take(self, visit: Visit, name: str, classes: Collection[str]) -> None:
        """Take a dataset from classes, from their next start on. Raises ``ValueError``."""
        known = await self._managed(visit, name)
        classes = _classes(classes)
        _in_words(rights.share(who_of(visit.viewer), classes))
        await self.desk.run(self._catalog(visit).unshare, known.name, classes)

    async def retire(self, visit: Visit, name: str, number: int) -> None:
        """Let no server start with a version any more. Raises ``NoSuchDatasetError``."""
        known = await self._managed(visit, name)
        await self.desk.run(self._catalog(visit).retire, Reference(known.name, number))

    async def restore(self, visit: Visit, name: str, number: int) -> None:
        """Take a retirement back. Raises ``NoSuchDatasetError``, also when its files are gone."""
        known = await self._managed(visit, name)
        await self.desk.run(self._catalog(visit).restore, Reference(known.name, number))

    # -- parts -------------------------------------------------------------------------------

    def _catalog(self, visit: Visit) -> Catalog:
        return Catalog(
            self.desk.store,
            actor=visit.viewer.login,
            origin=visit.origin,
            clock=self.desk.plans.clock,
        )

    def _find(self, visit: Visit, name: str) -> Dataset | None:
        try:
            return self._catalog(visit).get(name)
        except NoSuchDatasetError:
            return None

    async def _managed(self, visit: Visit, name: str) -> Dataset:
        told = await self.get(visit, name)
        require(told.manages)
        return told.dataset

    async def _may(self, visit: Visit, name: str, classes: Collection[str]) -> None:
        """Raise ``ValueError`` unless somebody may publish under a name for these classes."""
        known = await self.desk.run(self._find, visit, name)
        found = await self._asked().publications()
        others = [UnderWay(each.name, each.actor) for each in found]
        _in_words(rights.publish(who_of(visit.viewer), name, classes, known, others))

    def _asked(self) -> Agent:
        if self._agent is None:
            raise ForbiddenError
        return self._agent

    def _wake(self) -> None:
        if self.announcer is not None:
            self.announcer.wake()

    async def _own(self, visit: Visit, identity: str) -> Publication:
        """Return one that somebody may stop. Raises ``GoneError``: it is over, or not theirs."""
        for each in await self._asked().publications():
            if each.id == identity and _theirs(visit, each):
                return each
        raise GoneError(said("This publication is over, or was cancelled."))

    def _refused(self, visit: Visit, publications: list[Publication]) -> dict[str, str]:
        """Return why stored publications may not become versions, by id."""
        catalog = self._catalog(visit)
        found = {
            each.id: refusal(self.desk, catalog, each)
            for each in publications
            if each.state == "stored" and each.ours and catalog.made_by(each.id) is None
        }
        return {identity: reject.message for identity, reject in found.items() if reject}

    def _sizes(self) -> dict[str, int]:
        """Return the classes that somebody is in now, by name, and how many are."""
        now = self.desk.plans.clock()
        everyone = (each for each in self.desk.people.all() if not each.guest)
        open_ = (each for each in everyone if not access.closed(each, now))
        return dict(sorted(Counter(n for each in open_ for n in access.groups(each, now)).items()))


def _told(who: Who, dataset: Dataset) -> Told:
    manages = rights.manages(who, dataset)
    own = who.classes | {EVERYONE}
    classes = tuple(each for each in dataset.classes if manages or each in own)
    return Told(dataset, manages, classes)


def _theirs(visit: Visit, publication: Publication) -> bool:
    return visit.viewer.admin or publication.actor == visit.viewer.login


def _classes(texts: Iterable[str]) -> tuple[str, ...]:
    """Return classes by their names, each once. Raises ``ValueError`` for what can be none."""
    names = (text if text == EVERYONE else normalize_class(text) for text in texts)
    return tuple(dict.fromkeys(names))


def _in_words(refused: Reject | None) -> None:
    if refused is not None:
        raise ValueError(refused.message)
